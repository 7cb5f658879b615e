"""Left-right flips, image by image."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Literal

import msgspec
import torch
from torch import Tensor


class Flip(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Mirrors each image with probability `prob`."""

    space: ClassVar[Literal["uint8", "normalised"]] = "normalised"  # of no consequence: it only moves pixels

    prob: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.prob <= 1:
            raise ValueError(f"prob must be 0 to 1, got {self.prob}")

    def draw(self, generator: torch.Generator, batch: int) -> Callable[[Tensor], Tensor]:
        """An operation for `batch` images (N, C, H, W)."""
        mirrored = torch.rand(batch, generator=generator) < self.prob
        return lambda x: flipped(x, mirrored)


def flipped(x: Tensor, mirrored: Tensor) -> Tensor:
    """(N, C, H, W), left and right exchanged where `mirrored` (N,) or (1,) bool; contiguous."""
    return torch.where(mirrored.to(x.device).view(-1, 1, 1, 1), x.flip(3), x).contiguous()
