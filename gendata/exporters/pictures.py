"""Images as PNG files, and back: lossless, and the same bytes each time."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gendata.errors import SpecError
from gendata.exporters.content import Content

_CHANNELS = (1, 3, 4)  # grey, RGB, RGBA
_COMPRESS_LEVEL = 6  # said, so that another default of Pillow changes no file


def check_pictures(content: Content, *, layout: str) -> None:
    """Raises SpecError unless a PNG holds the samples without loss."""
    artifact, dtype = content.artifact, content.artifact.manifest.sampling.dtype
    where = str(artifact.path)
    if dtype != "uint8":
        space = "" if artifact.space == "image" else f" in the space {artifact.space!r}"
        raise SpecError(
            f"samples are {dtype}{space}, and {layout} holds PNG pictures of uint8 pixels",
            where=where,
            expected="uint8 samples",
            remedy='Export with format "numpy", which keeps the values as they are.',
        )
    if content.spec.channels not in _CHANNELS:
        raise SpecError(
            f"images have {content.spec.channels} channels, and {layout} holds PNG pictures",
            where=where,
            expected="1, 3 or 4 channels",
            remedy='Export with format "numpy".',
        )


def png_of(image: NDArray[Any]) -> bytes:
    """A PNG of uint8 (H, W, C), C 1, 3 or 4."""
    buffer = io.BytesIO()
    values = np.ascontiguousarray(image[:, :, 0] if image.shape[2] == 1 else image)
    Image.fromarray(values).save(buffer, format="PNG", compress_level=_COMPRESS_LEVEL, optimize=False)
    return buffer.getvalue()


def pixels_of(png: bytes) -> NDArray[Any]:
    """The uint8 (H, W, C) that `png_of` was given."""
    with Image.open(io.BytesIO(png)) as picture:
        values = np.asarray(picture)
    return values[:, :, None] if values.ndim == 2 else values
