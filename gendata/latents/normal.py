"""`normal`: z ~ N(0, I)."""

from __future__ import annotations

import msgspec
from torch import Tensor

from gendata.latents.law import LatentLaw


class NormalConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of `normal`."""

    dim: int = 32  # length of z

    def __post_init__(self) -> None:
        if not 1 <= self.dim <= 4096:
            raise ValueError(f"dim must be 1 to 4096, got {self.dim}")


class Normal(LatentLaw):
    """Standard normal latents; nothing is stored."""

    Config = NormalConfig
    config: NormalConfig

    def __init__(self, config: NormalConfig, *, num_classes: int) -> None:
        super().__init__(config, num_classes=num_classes)
        self.dim, self.num_uniforms, self.num_normals = config.dim, 0, config.dim

    def forward(self, uniforms: Tensor, normals: Tensor, y: Tensor, slot: Tensor) -> Tensor:
        return normals
