"""`mean`: class-wise means of features."""

from __future__ import annotations

from typing import Literal

import msgspec
import torch
from torch import Tensor

from gendata.losses.embedded import Embedded, halves, scaled_features
from gendata.losses.loss import Loss


class MeanConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of `mean`. DM itself: `{estimator: plain, blocks: last, scaled: false, summed: true}`."""

    estimator: Literal["unbiased", "plain"] = "unbiased"
    blocks: Literal["all", "last"] = "all"  # their terms are added
    scaled: bool = True  # features in units of their real deviation
    summed: bool = False  # over classes and features; otherwise their mean


class Mean(Loss):
    """Distribution matching: sum over blocks of |mean of synthetic - mean of real features|^2, class by class.

    Source: DM (Zhao and Bilen 2023, arXiv:2110.04181), eq. 4; github VICO-UoE/DatasetCondensation, main_DM.py, sums
    over features and classes. Every block instead of the last: as in CAFE (Wang et al. 2022, arXiv:2203.01531).

    Differs from the papers: by default features are in units of their real deviation, the mean over features stands
    for the sum, and the estimate is unbiased.
    """

    Config = MeanConfig
    config: MeanConfig

    def forward(self, syn: Embedded, real: Embedded, rng: torch.Generator) -> Tensor:
        """The term; see `Loss`."""
        c = self.config
        parts = []
        for block in range(len(syn.maps)) if c.blocks == "all" else (-1,):
            pair = scaled_features(syn, real, block) if c.scaled else (syn.features(block), real.features(block))
            products = (unbiased_mean_errors if c.estimator == "unbiased" else plain_mean_errors)(*pair)
            parts.append(products.sum() if c.summed else products.mean())
        return torch.stack(parts).sum()


def unbiased_mean_errors(h_syn: Tensor, h_real: Tensor) -> Tensor:
    """(E h_syn - mean h_real)^2 per class and feature, estimated with an unbiased gradient.

    The plain squared distance of two batch means also holds tr(Cov_syn) / n: for a sampler that is a hidden pull
    towards the class centre. Here the batch is halved, and the product of the two halves' errors has no such term. The
    target is the real batch's mean, whose own noise adds tr(Cov_real) / n to the value: a constant, so that the
    gradient is that of the distance to E h_real.

    Args:
        h_syn: (classes, samples, features), at least two samples.
        h_real: (classes, samples, features), no gradient.

    Returns:
        (classes, features); may be negative, by the noise of the halves.
    """
    first, second = halves(h_syn)
    target = h_real.mean(1)
    return (first.mean(1) - target) * (second.mean(1) - target)


def plain_mean_errors(h_syn: Tensor, h_real: Tensor) -> Tensor:
    """Squared differences of the batch means, (classes, features): right for a stored set, which is its own mean."""
    return (h_syn.mean(1) - h_real.mean(1)).square()
