"""The augmentation of small images: pad, crop at random, flip (He et al. 2016, arXiv:1512.03385, section 4.2)."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Literal

import msgspec
import torch
from torch import Tensor
from torch.nn import functional

from gendata.augmentation.flip import flipped
from gendata.augmentation.uniforms import whole_numbers


class PaddedCrop(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Pads by `padding_px` black pixels, crops the image's size anywhere, then flips; image by image."""

    space: ClassVar[Literal["uint8", "normalised"]] = "uint8"  # the padding is black, not the mean

    padding_px: int = 4
    flip: float = 0.5  # probability; 0: never

    def __post_init__(self) -> None:
        if not 0 <= self.padding_px <= 1024:
            raise ValueError(f"padding_px must be 0 to 1024, got {self.padding_px}")
        if not 0 <= self.flip <= 1:
            raise ValueError(f"flip must be 0 to 1, got {self.flip}")

    def draw(self, generator: torch.Generator, batch: int) -> Callable[[Tensor], Tensor]:
        """An operation for `batch` images (N, C, H, W)."""
        u = torch.rand(3, batch, generator=generator)
        offsets = whole_numbers(u[:2], 2 * self.padding_px + 1)
        return lambda x: flipped(_cropped(x, offsets.to(x.device), self.padding_px), u[2] < self.flip)


def _cropped(x: Tensor, offsets: Tensor, padding_px: int) -> Tensor:
    """Windows of the images' own size at `offsets` (2, N) of the padded images."""
    num, channels, height, width = x.shape
    padded = functional.pad(x, (padding_px,) * 4)
    rows = torch.arange(height, device=x.device) + offsets[0][:, None]
    columns = torch.arange(width, device=x.device) + offsets[1][:, None]
    out = padded.gather(2, rows[:, None, :, None].expand(num, channels, height, padded.shape[3]))
    return out.gather(3, columns[:, None, None, :].expand(num, channels, height, width))
