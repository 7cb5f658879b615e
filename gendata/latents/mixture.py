"""`mixture`: a Gaussian mixture of each class with diagonal covariances."""

from __future__ import annotations

import msgspec
import torch
from torch import Tensor, nn

from gendata.latents.law import LatentLaw


class MixtureConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of `mixture`."""

    dim: int = 32  # length of z
    components: int = 8  # Gaussians per class, equally likely

    def __post_init__(self) -> None:
        for name in ("dim", "components"):
            if not 1 <= getattr(self, name) <= 4096:
                raise ValueError(f"{name} must be 1 to 4096, got {getattr(self, name)}")


class Mixture(LatentLaw):
    """z = mean[y, k] + scale[y, k] * eps with k uniform; means and scales are learned. Source: ours."""

    Config = MixtureConfig
    config: MixtureConfig

    def __init__(self, config: MixtureConfig, *, num_classes: int) -> None:
        super().__init__(config, num_classes=num_classes)
        self.dim, self.num_uniforms, self.num_normals = config.dim, 1, config.dim
        shape = (num_classes, config.components, config.dim)
        self.means = nn.Parameter(torch.randn(shape))
        self.scales = nn.Parameter(torch.ones(shape))

    def forward(self, uniforms: Tensor, normals: Tensor, y: Tensor, slot: Tensor) -> Tensor:
        k = (uniforms[:, 0] * self.config.components).long()
        return self.means[y, k] + self.scales[y, k] * normals
