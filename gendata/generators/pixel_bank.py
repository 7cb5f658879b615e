"""`pixel-bank`: a table of stored images, the degenerate generator that pixel methods and real subsets become."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
import torch
from torch import Tensor

from gendata.errors import SpecError
from gendata.generators.generator import Generator
from gendata.spec import SampleSpec


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Options of `pixel-bank`."""

    slots: int  # stored images per class
    values: Literal["uint8", "float32"] = "uint8"  # pixels, or any numbers, which come back as they are

    def __post_init__(self) -> None:
        if not 1 <= self.slots <= 2**20:
            raise ValueError(f"slots must be 1 to {2**20}, got {self.slots}")


class PixelBank(Generator):
    """x = images[y, z], bytes / 255: z is the slot, a whole number 0 .. slots - 1 in a float; see the law `slot`."""

    Config = Config

    def __init__(self, config: Any, *, spec: SampleSpec, latent_dim: int) -> None:
        super().__init__(config, spec=spec, latent_dim=latent_dim)
        if latent_dim != 1:
            raise SpecError(
                f"latent dimension {latent_dim}", where="pixel-bank", expected="1", remedy="Use the latent law 'slot'."
            )
        shape = (spec.num_classes, config.slots, *spec.shape)
        self.register_buffer("images", torch.zeros(shape, dtype=getattr(torch, config.values)))
        self.images: Tensor

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        """Stored images as float32.

        Raises:
            SpecError: a slot is not a whole number 0 .. slots - 1.
        """
        slot = z[:, 0].long()
        if z.device.type != "meta" and not bool(((slot == z[:, 0]) & (slot >= 0) & (slot < self.config.slots)).all()):
            raise SpecError(
                f"slots {z.min().item():g} to {z.max().item():g}",
                where="pixel-bank",
                expected=f"whole numbers 0 to {self.config.slots - 1}",
            )
        images = self.images[y, slot].to(torch.float32)
        return images / 255.0 if self.config.values == "uint8" else images

    def macs_per_image(self) -> int:
        return 0  # a look-up
