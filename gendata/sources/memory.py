"""The bound on pixels held in memory."""

from __future__ import annotations

from gendata.errors import SourceError

MAX_PIXEL_BYTES = 16 * 2**30  # of one split, as uint8: sources hold their images in memory


def check_pixel_bytes(num_images: int, shape: tuple[int, int, int], *, where: str) -> None:
    """Refuses a split whose uint8 pixels do not fit the bound.

    Raises:
        SourceError: names the size and suggests a smaller one.
    """
    channels, height, width = shape
    total = num_images * channels * height * width
    if total <= MAX_PIXEL_BYTES:
        return
    side = max(1, int((MAX_PIXEL_BYTES / (num_images * channels)) ** 0.5))
    raise SourceError(
        f"{num_images} images of {height} x {width} x {channels} are {total / 2**30:.1f} GiB of pixels",
        where=where,
        expected=f"at most {MAX_PIXEL_BYTES / 2**30:.0f} GiB",
        remedy=f"Set a smaller size: source.options.resize={side}",
    )
