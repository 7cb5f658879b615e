"""`moment`: class-wise second moments of features."""

from __future__ import annotations

import math
from typing import Literal

import msgspec
import torch
from torch import Tensor

from gendata.losses.embedded import Embedded, scaled_features
from gendata.losses.estimators import Estimator, squared_errors
from gendata.losses.loss import Loss


class MomentConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of `moment`."""

    estimator: Estimator = "unbiased"
    blocks: Literal["all", "last"] = "all"  # their terms are added
    projections: int = 64  # random directions that features are projected on

    def __post_init__(self) -> None:
        if not 1 <= self.projections <= 4096:
            raise ValueError(f"projections must be 1 to 4096, got {self.projections}")


class Moment(Loss):
    """mean |M_syn - M_real|^2 of M_c = E[p p'], p = P (h - mean h_real), with random directions P: added over blocks.

    Source: ours; the second-order part of what M3D (Zhang et al. 2024, arXiv:2312.15927) matches through a kernel.

    Both batches are centred on the mean of n real samples, around which their own second moment is (n - 1)/n of the
    variance and that of others (n + 1)/n: `estimator: unbiased` scales the real one by their ratio, so that it is least
    at the real variance.
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
            errors = moment_errors(h_syn, h_real, projection / math.sqrt(num_features), c.estimator)
            parts.append(errors.mean())
        return torch.stack(parts).sum()


def moment_errors(h_syn: Tensor, h_real: Tensor, projection: Tensor, estimator: Estimator) -> Tensor:
    """Squared errors (classes, k, k) of second moments around the real class mean.

    Args:
        h_syn, h_real: (classes, samples, features).
        projection: (features, k).
        estimator: see `squared_errors`.
    """
    centre = h_real.mean(1, keepdim=True)
    p_syn, p_real = (h_syn - centre) @ projection, (h_real - centre) @ projection
    n = h_real.shape[1]
    if estimator == "unbiased" and n > 1:
        p_real = p_real * math.sqrt((n + 1) / (n - 1))
    return squared_errors(p_syn, p_real, estimator, statistic=_second_moment)


def _second_moment(p: Tensor) -> Tensor:
    return torch.einsum("cni,cnj->cij", p, p) / p.shape[1]
