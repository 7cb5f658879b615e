"""Images as small PNGs inside HTML."""

from __future__ import annotations

import base64
import html
import io

from torch import Tensor
from torch.nn import functional

_MAX_SIDE_PX = 128  # larger images are shown smaller: a sheet of hundreds stays light
_PIXELATED_PX = 64  # images up to this side are enlarged without blur, pixel by pixel


def data_uri(x_u8: Tensor, *, max_side: int = _MAX_SIDE_PX) -> str:
    """A PNG of one image (C, H, W) uint8 as a data URI; one channel is grey, three are RGB, else the first is shown."""
    from PIL import Image

    x_u8 = x_u8 if x_u8.shape[0] == 3 else x_u8[:1]
    side = max(x_u8.shape[1:])
    if side > max_side:
        size = [max(1, round(length * max_side / side)) for length in x_u8.shape[1:]]
        x_u8 = functional.interpolate(x_u8[None].float(), size=size, mode="area")[0].round().byte()
    pixels = x_u8.permute(1, 2, 0) if x_u8.shape[0] == 3 else x_u8[0]
    buffer = io.BytesIO()
    Image.fromarray(pixels.contiguous().numpy()).save(buffer, format="PNG", compress_level=1)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def strip(x_u8: Tensor, *, label: str, kind: str) -> str:
    """Images (N, C, H, W) uint8 side by side.

    Args:
        x_u8: what is shown.
        label: what somebody hears who sees no images; escaped here.
        kind: "synthetic" or "real", which decides the colour beside it.
    """
    sharp = " gd-sharp" if max(x_u8.shape[2:]) <= _PIXELATED_PX else ""
    tiles = "".join(f'<img alt="" src="{data_uri(x)}">' for x in x_u8)
    return f'<div class="gd-strip gd-{kind}{sharp}" role="img" aria-label="{html.escape(label)}">{tiles}</div>'


def plain(text: object, *, limit: int = 300) -> str:
    """`text` as one line without control or format characters. Not escaped."""
    line = " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def class_names(classes: tuple[str, ...]) -> list[str]:
    """Names to show, one line each and never empty. Not escaped."""
    return [plain(name, limit=60) or f"class {label}" for label, name in enumerate(classes)]
