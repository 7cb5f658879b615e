"""`slot`: z is the number of a stored image of its class."""

from __future__ import annotations

from typing import Any

import msgspec
import torch
from torch import Tensor

from gendata.latents.law import LatentLaw


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of `slot`."""

    slots: int  # stored images per class; as the pixel bank's

    def __post_init__(self) -> None:
        # float32 counts exactly up to 2**24.
        if not 1 <= self.slots <= 2**20:
            raise ValueError(f"slots must be 1 to {2**20}, got {self.slots}")


class Slot(LatentLaw):
    """z = slot in the frozen set; floor(u * slots), uniform over the stored images, for a fresh sample."""

    Config = Config

    def __init__(self, config: Any, *, num_classes: int) -> None:
        super().__init__(config, num_classes=num_classes)
        self.dim, self.num_uniforms, self.num_normals = 1, 1, 0
        self.num_slots = self.num_distinct_per_class = self.num_stored_per_class = int(config.slots)

    def forward(self, uniforms: Tensor, normals: Tensor, y: Tensor, slot: Tensor) -> Tensor:
        # u < 1 by at least 2**-24, so the product never rounds up to `slots`.
        drawn = (uniforms[:, 0] * self.config.slots).floor()
        return torch.where(slot >= 0, slot.to(torch.float32), drawn)[:, None]
