"""`covariance`: how channels vary together inside a class."""

from __future__ import annotations

from typing import Literal

import msgspec
import torch
from torch import Tensor

from gendata.errors import SpecError
from gendata.losses.embedded import Embedded, units_of
from gendata.losses.estimators import Estimator, squared_errors
from gendata.losses.loss import Loss


class CovarianceConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of `covariance`. As IID: `{estimator: plain, scaled: false, summed: true}`, weight 0.01."""

    estimator: Estimator = "unbiased"
    blocks: Literal["all", "last"] = "last"  # their terms are added
    scaled: bool = True  # channels in units of their real deviation
    summed: bool = False  # over classes, positions and pairs of channels; otherwise their mean


class Covariance(Loss):
    """|Cov_syn - Cov_real|^2 of local features, class by class: how channels vary together from image to image.

    At every position of a map, around its mean over the images; then over all positions, which give a covariance of
    full rank from few images. Source: IID (Deng et al. 2024, CVPR, "Exploiting Inter-sample and Inter-feature Relations
    in Dataset Distillation", arXiv:2404.00563), its covariance matching, and its code.

    Differs from the paper: by default channels are in units of their real deviation, means over positions and entries
    stand for sums, and the errors of two halves are multiplied. A covariance of n images is divided by n - 1, not n.
    """

    Config = CovarianceConfig
    config: CovarianceConfig

    @property
    def least_samples(self) -> int:
        return 4 if self.config.estimator == "unbiased" else 2  # one image, or half of two, varies from no other

    def forward(self, syn: Embedded, real: Embedded, rng: torch.Generator) -> Tensor:
        """The term; see `Loss`.

        Raises:
            SpecError: one image per class, or per half, varies from no other.
        """
        c = self.config
        if syn.per_class < self.least_samples or real.per_class < 2:
            raise SpecError(
                f"{syn.per_class} samples and {real.per_class} real images per class", where="loss 'covariance'",
                expected=f"at least {self.least_samples} and 2, which can vary together",
            )  # fmt: skip
        parts = []
        for block in range(len(syn.maps)) if c.blocks == "all" else (-1,):
            h_syn, h_real = _local(syn, block), _local(real, block)
            if c.scaled:
                units = units_of(h_real.flatten(0, 2).std(0))
                h_syn, h_real = h_syn * units, h_real * units
            errors = squared_errors(h_syn, h_real, c.estimator, statistic=_covariance)
            parts.append(errors.sum() * h_syn.shape[2] ** 2 if c.summed else errors.mean())
        return torch.stack(parts).sum()


def _local(batch: Embedded, block: int) -> Tensor:
    """(classes, samples, positions, channels) of a block."""
    return batch.by_class(batch.maps[block].flatten(2).transpose(1, 2))


def _covariance(h: Tensor) -> Tensor:
    """(classes, channels, channels), mean over positions, of (classes, samples, positions, channels)."""
    _, samples, positions, _ = h.shape
    h = (h - h.mean(1, keepdim=True)).flatten(1, 2)
    return torch.einsum("cni,cnj->cij", h, h) / ((samples - 1) * positions)
