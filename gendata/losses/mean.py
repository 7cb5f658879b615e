"""`mean`: class-wise means of features."""

from __future__ import annotations

from typing import Literal

import msgspec
import torch
from torch import Tensor

from gendata.losses.embedded import Embedded, scaled_features
from gendata.losses.estimators import Estimator, squared_errors
from gendata.losses.loss import Loss


class MeanConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of `mean`. DM itself: `{estimator: plain, blocks: last, scaled: false, summed: true}`."""

    estimator: Estimator = "unbiased"
    blocks: Literal["all", "last"] = "all"  # their terms are added
    scaled: bool = True  # features in units of their real deviation
    summed: bool = False  # over classes and features; otherwise their mean


class Mean(Loss):
    """Distribution matching: |mean of synthetic - mean of real features|^2, class by class, added over blocks.

    Source: DM (Zhao and Bilen 2023, arXiv:2110.04181), eq. 4, whose code sums over features and classes and reads the
    last block. Every block instead of the last: as in CAFE (Wang et al. 2022, arXiv:2203.01531).

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
            errors = squared_errors(*pair, c.estimator)
            parts.append(errors.sum() if c.summed else errors.mean())
        return torch.stack(parts).sum()
