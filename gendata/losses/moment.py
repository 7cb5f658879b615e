"""`moment`: class-wise second moments of features."""

from __future__ import annotations

import math
from typing import Literal

import msgspec
import torch
from torch import Tensor

from gendata.losses.embedded import Embedded, halves, scaled_features
from gendata.losses.loss import Loss


class MomentConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of `moment`."""

    estimator: Literal["unbiased", "plain"] = "unbiased"
    blocks: Literal["all", "last"] = "all"  # their terms are added
    projections: int = 64  # random directions that features are projected on

    def __post_init__(self) -> None:
        if not 1 <= self.projections <= 4096:
            raise ValueError(f"projections must be 1 to 4096, got {self.projections}")


class Moment(Loss):
    """Second moments of features projected at random, around the real class mean: mean squared difference.

    Source: ours; the second-order part of what M3D (Zhang et al. 2024, arXiv:2312.15927) matches through a kernel.
    As in `mean`, the default estimate is the product of two halves' errors, without a term in the halves' own noise.
    """

    Config = MomentConfig
    config: MomentConfig

    def forward(self, syn: Embedded, real: Embedded, rng: torch.Generator) -> Tensor:
        """The term; see `Loss`."""
        c = self.config
        parts = []
        for block in range(len(syn.maps)) if c.blocks == "all" else (-1,):
            h_syn, h_real = scaled_features(syn, real, block)
            num_features = h_syn.shape[2]
            projection = torch.randn(num_features, c.projections, generator=rng).to(h_syn.device)
            errors = moment_errors(h_syn, h_real, projection / math.sqrt(num_features), halved=c.estimator != "plain")
            parts.append((errors[0] * errors[-1]).mean())
        return torch.stack(parts).sum()


def moment_errors(h_syn: Tensor, h_real: Tensor, projection: Tensor, *, halved: bool) -> list[Tensor]:
    """Differences (classes, k, k) of second moments around the real class mean: of the two halves, or of all samples.

    Args:
        h_syn, h_real: (classes, samples, features).
        projection: (features, k).
        halved: two differences, one per half of the synthetic samples.
    """
    centre = h_real.mean(1, keepdim=True)
    p_syn, p_real = (h_syn - centre) @ projection, (h_real - centre) @ projection
    target = _second_moment(p_real)
    return [_second_moment(p) - target for p in (halves(p_syn) if halved else (p_syn,))]


def _second_moment(p: Tensor) -> Tensor:
    return torch.einsum("cni,cnj->cij", p, p) / p.shape[1]
