"""`stored`: one learned latent per stored image of a class, as it is."""

from __future__ import annotations

import msgspec
import torch
from torch import Tensor, nn

from gendata.latents.law import LatentLaw


class StoredConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of `stored`."""

    dim: int = 32  # length of z
    codes: int = 10  # latents per class

    def __post_init__(self) -> None:
        if not 1 <= self.dim <= 4096:
            raise ValueError(f"dim must be 1 to 4096, got {self.dim}")
        # float32 counts exactly up to 2**24.
        if not 1 <= self.codes <= 2**20:
            raise ValueError(f"codes must be 1 to {2**20}, got {self.codes}")


class Stored(LatentLaw):
    """z = codes[y, slot] in the frozen set, from the first again once all were used; any code for a fresh sample.

    Source: IT-GAN (Zhao and Bilen 2022, arXiv:2204.07513), which keeps one latent for each image of its set.
    """

    Config = StoredConfig
    config: StoredConfig

    def __init__(self, config: StoredConfig, *, num_classes: int) -> None:
        super().__init__(config, num_classes=num_classes)
        self.dim, self.num_uniforms, self.num_normals = config.dim, 1, 0
        self.num_distinct_per_class = config.codes
        self.codes = nn.Parameter(torch.randn(num_classes, config.codes, config.dim))

    def forward(self, uniforms: Tensor, normals: Tensor, y: Tensor, slot: Tensor) -> Tensor:
        # u < 1 by at least 2**-24, so the product never rounds up to `codes`.
        drawn = (uniforms[:, 0] * self.config.codes).long()
        return self.codes[y, torch.where(slot >= 0, slot % self.config.codes, drawn)]
