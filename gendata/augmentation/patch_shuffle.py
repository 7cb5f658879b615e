"""Patch shuffle: the columns of a grid in another order, then its rows (RDED, Sun et al. 2024, arXiv:2312.03526).

RDED's images are `factor` x `factor` pictures side by side; strips are moved whole, so each stays in one piece.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Literal

import msgspec
import torch
from torch import Tensor


class PatchShuffle(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Shuffles `factor` vertical strips, then `factor` horizontal ones, image by image.

    Strips are side // factor wide, the last takes what is left over, as in the published code.
    """

    space: ClassVar[Literal["uint8", "normalised"]] = "normalised"  # of no consequence: it only moves pixels

    factor: int = 2  # strips along each side; 1 changes nothing

    def __post_init__(self) -> None:
        if not 1 <= self.factor <= 64:
            raise ValueError(f"factor must be 1 to 64, got {self.factor}")

    def draw(self, generator: torch.Generator, batch: int) -> Callable[[Tensor], Tensor]:
        """An operation for `batch` images (N, C, H, W).

        Raises (when called):
            ValueError: a side has fewer pixels than strips.
        """
        columns, rows = torch.rand(2, batch, self.factor, generator=generator).argsort(-1)

        def shuffle(x: Tensor) -> Tensor:
            num, channels, height, width = x.shape
            across = _positions(columns, width).to(x.device)[:, None, None, :].expand(num, channels, height, width)
            down = _positions(rows, height).to(x.device)[:, None, :, None].expand(num, channels, height, width)
            return x.gather(3, across).gather(2, down)

        return shuffle


def _positions(order: Tensor, side_px: int) -> Tensor:
    """From orders of strips (N, factor) to where each pixel of the result comes from: (N, side)."""
    factor = order.shape[1]
    strip_px = side_px // factor
    if not strip_px:
        raise ValueError(f"factor {factor} does not fit {side_px} pixels")
    strip_of = (torch.arange(side_px) // strip_px).clamp_max(factor - 1)
    place = order.argsort(1)  # of each strip in the new order
    return place[:, strip_of].argsort(dim=1, stable=True)
