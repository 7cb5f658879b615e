"""`multi-formation-bank`: stored images that each hold several small ones, cut out and enlarged when they are used."""

from __future__ import annotations

import math
from typing import Any, Literal

import msgspec
import torch
from torch import Tensor
from torch.nn import functional as F

from gendata.errors import SpecError
from gendata.generators.generator import Generator
from gendata.spec import SampleSpec

_MARGIN = 0.5  # what fills up a side that the factor does not divide


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of `multi-formation-bank`."""

    slots: int  # stored images per class
    factor: int  # tiles per side
    values: Literal["uint8", "float32"] = "float32"  # pixels, or floats as they are

    def __post_init__(self) -> None:
        if not 2 <= self.factor <= 8:
            raise ValueError(f"factor must be 2 to 8, got {self.factor}")
        if not 1 <= self.slots <= 2**20 // self.factor**2:
            raise ValueError(f"slots must be 1 to {2**20 // self.factor**2}, got {self.slots}")


class MultiFormationBank(Generator):
    """x = tile t of images[y, s], bilinearly enlarged to the full size; z = t * slots + s, a whole number in a float.

    So `slots` stored images give slots * factor**2 samples per class. Tiles are numbered row by row. See the latent law
    `slot`, with slots * factor**2 slots.

    Source: J.-H. Kim et al. (2022). Dataset Condensation via Efficient Synthetic-Data Parameterization, section 4
    (uniform multi-formation). arXiv:2205.14959. Differs from it, where the factor does not divide the side: the last
    tiles are filled up with 0.5, in the units in which images are stored.
    """

    Config = Config

    def __init__(self, config: Any, *, spec: SampleSpec, latent_dim: int) -> None:
        super().__init__(config, spec=spec, latent_dim=latent_dim)
        if latent_dim != 1:
            raise SpecError(
                f"latent dimension {latent_dim}", where="multi-formation-bank", expected="1",
                remedy="Use the latent law 'slot'.",
            )  # fmt: skip
        if spec.height != spec.width:
            raise SpecError(f"{spec.height} x {spec.width} pixels", where="multi-formation-bank", expected="a square")
        if (config.factor - 1) * math.ceil(spec.height / config.factor) >= spec.height:
            raise SpecError(
                f"factor {config.factor} of images of {spec.height} x {spec.width} pixels, whose last tiles are empty",
                where="multi-formation-bank", expected="a smaller factor, best one that divides the side",
            )  # fmt: skip
        shape = (spec.num_classes, config.slots, *spec.shape)
        self.register_buffer("images", torch.zeros(shape, dtype=getattr(torch, config.values)))
        self.images: Tensor

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        """Samples as float32.

        Raises:
            SpecError: a latent is not a whole number 0 .. slots * factor**2 - 1.
        """
        factor, number = self.config.factor, z[:, 0].long()
        count = self.config.slots * factor**2
        if z.device.type != "meta" and not bool(((number == z[:, 0]) & (number >= 0) & (number < count)).all()):
            raise SpecError(
                f"latents {z.min().item():g} to {z.max().item():g}", where="multi-formation-bank",
                expected=f"whole numbers 0 to {count - 1}",
            )  # fmt: skip
        tile, slot = number // self.config.slots, number % self.config.slots
        x = self.images[y, slot].to(torch.float32)
        x = x / 255.0 if self.config.values == "uint8" else x
        chosen = tiles_of(x, factor)[torch.arange(len(x), device=x.device), tile]
        return F.interpolate(chosen, size=self.spec.shape[1:], mode="bilinear", align_corners=False)

    def macs_per_image(self) -> int:
        return 4 * self.spec.num_pixels  # four neighbours of each pixel


def tiles_of(x: Tensor, factor: int) -> Tensor:
    """(N, factor**2, C, side, side): the small images that (N, C, H, H) hold, row by row; side = ceil(H / factor)."""
    side = math.ceil(x.shape[2] / factor)
    margin = side * factor - x.shape[2]
    x = F.pad(x, (0, margin, 0, margin), value=_MARGIN)
    return x.reshape(*x.shape[:2], factor, side, factor, side).permute(0, 2, 4, 1, 3, 5).flatten(1, 2)
