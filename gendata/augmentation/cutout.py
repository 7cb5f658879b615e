"""Cutout with a square of given pixels (DeVries, Taylor 2017, arXiv:1708.04552), as DC-BENCH has it."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Literal

import msgspec
import torch
from torch import Tensor

from gendata.augmentation.uniforms import whole_numbers


class Cutout(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Sets a square to 0, which is the mean colour of normalised images.

    Its centre may be any pixel; what hangs over the border is lost. DSA's cutout is another one: its square is a share
    of the side, and never shrinks below one row and one column.
    """

    space: ClassVar[Literal["uint8", "normalised"]] = "normalised"

    size_px: int = 16  # side of the square; an odd one counts as the even number below, as in the published code
    shared: bool = True  # one square for the whole batch, as DC-BENCH does; False: one per image, as the paper does

    def __post_init__(self) -> None:
        if self.size_px < 0:
            raise ValueError(f"size_px must not be negative, got {self.size_px}")

    def draw(self, generator: torch.Generator, batch: int) -> Callable[[Tensor], Tensor]:
        """An operation for `batch` images (N, C, H, W)."""
        u = torch.rand(2, 1 if self.shared else batch, generator=generator)

        def blank(x: Tensor) -> Tensor:
            rows, columns = (_covered(u[i], x.shape[2 + i], self.size_px // 2).to(x.device) for i in (0, 1))
            hole = rows[:, None, :, None] & columns[:, None, None, :]
            return x * (~hole).to(x.dtype)

        return blank


def _covered(u: Tensor, side_px: int, half_px: int) -> Tensor:
    """Which rows (or columns) the square covers, (N, side) bool."""
    centre = whole_numbers(u, side_px)[:, None]
    position = torch.arange(side_px)
    return (position >= centre - half_px) & (position < centre + half_px)
