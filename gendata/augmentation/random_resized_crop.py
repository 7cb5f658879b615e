"""Random resized crops (Szegedy et al. 2015, arXiv:1409.4842): a window of random area and shape, resized."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import ClassVar, Literal

import msgspec
import torch
from torch import Tensor

from gendata.augmentation.resampling import resampled
from gendata.augmentation.uniforms import whole_numbers

_ATTEMPTS = 10  # at a window that fits; then the largest central one is taken


class RandomResizedCrop(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Another window of each image, resized to `size_px` by bilinear interpolation with antialiasing.

    Windows are drawn as torchvision's transform of that name draws them: uniform share of the area, log-uniform shape,
    ten attempts.

    Differs from the published protocols (SRe2L, RDED): normalised images are resized. The order does not matter for
    floats, as RDED has them; SRe2L resizes 8-bit images, whose results are rounded to 1/255.
    """

    space: ClassVar[Literal["uint8", "normalised"]] = "normalised"

    scale: tuple[float, float] = (0.08, 1.0)  # share of the image's area
    ratio: tuple[float, float] = (3 / 4, 4 / 3)  # width over height
    size_px: int | None = None  # side of the square result; None: the image's own size

    def __post_init__(self) -> None:
        for name, (low, high) in (("scale", self.scale), ("ratio", self.ratio)):
            if not 0 < low <= high < math.inf:
                raise ValueError(f"{name} must rise from above 0, got {[low, high]}")
        if self.size_px is not None and not 1 <= self.size_px <= 4096:
            raise ValueError(f"size_px must be 1 to 4096, got {self.size_px}")

    def draw(self, generator: torch.Generator, batch: int) -> Callable[[Tensor], Tensor]:
        """An operation for `batch` images (N, C, H, W)."""
        shape_u = torch.rand(2, batch, _ATTEMPTS, generator=generator, dtype=torch.float64)
        place_u = torch.rand(2, batch, generator=generator)

        def crop(x: Tensor) -> Tensor:
            sides = x.shape[2], x.shape[3]
            height, width, found = self._windows(shape_u, *sides)
            places = whole_numbers(place_u, torch.stack((sides[0] - height + 1, sides[1] - width + 1)))
            middles = torch.stack(((sides[0] - height) // 2, (sides[1] - width) // 2))
            top, left = torch.where(found, places, middles)
            size = sides if self.size_px is None else (self.size_px, self.size_px)
            return resampled(x, top=top, left=left, height=height, width=width, size=size)

        return crop

    def _windows(self, u: Tensor, height_px: int, width_px: int) -> tuple[Tensor, Tensor, Tensor]:
        """Heights and widths (N,) of the first attempt that fits, and whether one did."""
        area = height_px * width_px * (u[0] * (self.scale[1] - self.scale[0]) + self.scale[0])
        low, high = map(math.log, self.ratio)
        shape = (u[1] * (high - low) + low).exp()
        height, width = (area / shape).sqrt().round().long(), (area * shape).sqrt().round().long()
        fits = (height > 0) & (height <= height_px) & (width > 0) & (width <= width_px)
        first, found = fits.long().argmax(1), fits.any(1)
        fallback = self._central(height_px, width_px)
        chosen = [
            torch.where(found, drawn.gather(1, first[:, None])[:, 0], instead)
            for drawn, instead in zip((height, width), fallback, strict=True)
        ]
        return chosen[0], chosen[1], found

    def _central(self, height_px: int, width_px: int) -> tuple[int, int]:
        """Height and width of the largest window of an allowed shape."""
        if width_px / height_px < self.ratio[0]:
            return round(width_px / self.ratio[0]), width_px
        if width_px / height_px > self.ratio[1]:
            return height_px, round(height_px * self.ratio[1])
        return height_px, width_px
