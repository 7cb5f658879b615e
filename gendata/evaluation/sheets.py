"""Many images in one compressed picture: the cheapest honest way to store real images."""

from __future__ import annotations

import io
from math import ceil, sqrt
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional

from gendata.errors import SpecError

_MAX_SIDE_PX = 16383  # WebP's limit
_MAX_PIXELS = 2**26  # of one picture; Pillow warns of larger ones when it opens them


class SheetFormat(NamedTuple):
    """A way to write a sheet."""

    codec: str  # "PNG", "WEBP", "JPEG"
    quality: int | None  # 1 to 100; None: lossless
    shrink: int  # 1: full resolution; 2: half

    def __str__(self) -> str:
        quality = "lossless" if self.quality is None else f"quality {self.quality}"
        return f"{self.codec} {quality}, resolution 1/{self.shrink}"


def encode_sheet(x: Tensor, how: SheetFormat) -> bytes:
    """Images uint8 (N, 1 or 3, H, W) as one file.

    Raises:
        SpecError: another number of channels, or too many images for one picture.
    """
    if not fits_picture(len(x), (x.shape[2], x.shape[3]), how):
        raise SpecError(
            f"a sheet of {len(x)} images of {x.shape[2]} x {x.shape[3]} pixels, {how}",
            expected=f"at most {_MAX_SIDE_PX} pixels a side and {_MAX_PIXELS} in all",
            remedy="Write fewer images.",
        )
    canvas = _tiled(_resized(x, _small(x.shape[2:], how.shrink), "area"))
    buffer = io.BytesIO()
    Image.fromarray(canvas[..., 0] if canvas.shape[2] == 1 else canvas).save(buffer, how.codec, **_options(how))
    return buffer.getvalue()


def fits_picture(count: int, size: tuple[int, int], how: SheetFormat) -> bool:
    """Whether one picture holds so many images of `size` (height, width)."""
    height, width = _small(size, how.shrink)
    rows, columns = _grid(count, height, width)
    return max(rows * height, columns * width) <= _MAX_SIDE_PX and rows * height * columns * width <= _MAX_PIXELS


def decode_sheet(data: bytes, how: SheetFormat, *, shape: tuple[int, int, int], count: int) -> Tensor:
    """The first `count` images of a sheet, uint8 (count, *shape), enlarged to their own size."""
    channels, height, width = shape
    small = _small((height, width), how.shrink)
    with Image.open(io.BytesIO(data)) as picture:
        canvas = np.array(picture.convert("L" if channels == 1 else "RGB"))
    rows, columns = canvas.shape[0] // small[0], canvas.shape[1] // small[1]
    tiles = canvas.reshape(rows, small[0], columns, small[1], channels).transpose(0, 2, 4, 1, 3)
    x = torch.from_numpy(np.ascontiguousarray(tiles).reshape(-1, channels, *small)[:count])
    return _resized(x, (height, width), "bicubic")


def _options(how: SheetFormat) -> dict[str, Any]:
    """What Pillow's writer of that codec is told."""
    quality: dict[str, Any] = {} if how.quality is None else {"quality": how.quality}
    if how.codec != "WEBP":
        return {"optimize": True, **quality}
    return {"method": 4, "lossless": how.quality is None, **(quality or {"quality": 100})}


def _small(size: tuple[int, ...] | torch.Size, shrink: int) -> tuple[int, int]:
    return -(-size[0] // shrink), -(-size[1] // shrink)


def _resized(x: Tensor, size: tuple[int, int], mode: str) -> Tensor:
    if tuple(x.shape[2:]) == size:
        return x
    return functional.interpolate(x.float(), size=size, mode=mode).round().clamp(0, 255).to(torch.uint8)


def _tiled(x: Tensor) -> NDArray[np.uint8]:
    """About square, row by row; unused cells repeat the last image, which costs least."""
    num, channels, height, width = x.shape
    if channels not in (1, 3):
        raise SpecError(f"images of {channels} channels do not fit a picture file", expected="1 or 3 channels")
    rows, columns = _grid(num, height, width)
    x = torch.cat((x, x[-1:].expand(rows * columns - num, -1, -1, -1)))
    tiles = x.numpy().reshape(rows, columns, channels, height, width).transpose(0, 3, 1, 4, 2)
    return np.ascontiguousarray(tiles).reshape(rows * height, columns * width, channels)


def _grid(num: int, height: int, width: int) -> tuple[int, int]:
    """Rows and columns of an about square picture of images of that size."""
    columns = min(num, max(1, ceil(sqrt(num * height / width))))
    return -(-num // columns), columns
