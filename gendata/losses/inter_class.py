"""`inter-class`: how far apart the centres of the classes are."""

from __future__ import annotations

import math
from typing import Literal

import msgspec
import torch
from torch import Tensor
from torch.nn import functional

from gendata.losses.embedded import Embedded, scaled_features
from gendata.losses.estimators import Estimator
from gendata.losses.intra_class import class_spread
from gendata.losses.loss import Loss

_LEAST_SHARE = 0.01  # of a squared distance of means, which is taken for that of centres at least


class InterClassConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of `inter-class`."""

    form: Literal["ratio", "log-sum-exp"] = "ratio"
    ratio: float = 1.0  # of the real distance between centres, to reach (form ratio); above 1 widens the gap
    temperature: float = 0.2  # of the cosines (form log-sum-exp)
    # Of the synthetic distances (form ratio): those between the centres that samples are drawn around, or between the
    # means of these very samples, as a stored set asks for. Unset: unbiased, and not written, so that artifacts from
    # before the option keep their digests.
    estimator: Estimator | msgspec.UnsetType = msgspec.UNSET

    def __post_init__(self) -> None:
        for name in ("ratio", "temperature"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be above 0, got {getattr(self, name)}")


class InterClass(Loss):
    """The centres m_c of the classes pushed apart, in features of the last block.

    Certain from arXiv:2309.07698 (Zhang et al. 2023; its abstract): the inter-class loss widens the gap between the
    centres of different classes. Its formula and weight are not public. Both forms here are ours:

        ratio           mean over pairs of max(0, ratio - |m_c - m_c'| / |m_c - m_c'|_real)^2: a target, so that one
                        number means the same under every network; the squared distances are estimated without bias
                        (`squared_gaps`), else few samples would seem further apart than they are. Of a stored set,
                        which is no sample, those of its own means count: `estimator: plain`
        log-sum-exp     mean_c log mean_{c' != c} exp(cos(m_c, m_c') / temperature), centres taken from the centre of
                        all: without a target, on the angle alone. Of two classes nothing is left to push: their
                        centres always lie opposite each other, and the term is constant
    """

    Config = InterClassConfig
    config: InterClassConfig

    def forward(self, syn: Embedded, real: Embedded, rng: torch.Generator) -> Tensor:
        """The term; see `Loss`. 0 where there is one class."""
        h_syn, h_real = scaled_features(syn, real, -1)
        if syn.num_classes < 2:
            return h_syn.new_zeros(())
        if self.config.form == "ratio":
            estimator: Estimator = "plain" if self.config.estimator == "plain" else "unbiased"
            return gap_ratio_loss(h_syn, h_real, ratio=self.config.ratio, estimator=estimator)
        return _log_sum_exp(h_syn.mean(1), self.config.temperature)


def gap_ratio_loss(h_syn: Tensor, h_real: Tensor, *, ratio: float, estimator: Estimator = "unbiased") -> Tensor:
    """mean over pairs of classes of max(0, ratio - gap_syn / gap_real)^2, features (classes, samples, features)."""
    gaps = [(squared_gaps(*of) + 1e-12).sqrt() for of in ((h_syn, estimator), (h_real, "unbiased"))]
    return (ratio - gaps[0] / gaps[1].clamp_min(1e-6)).clamp_min(0).square().mean()


def squared_gaps(h: Tensor, estimator: Estimator = "unbiased") -> Tensor:
    """(pairs of classes,) squared distances of the centres that features (classes, samples, features) are drawn around.

    Those of means of n samples exceed them by tr Cov / n of both classes, which is taken off, most of the distance at
    most: what is left still says which way apart is. Of single samples nothing is taken off, nor of any if `plain`.
    """
    first, second = torch.triu_indices(len(h), len(h), offset=1, device=h.device)
    centres = h.mean(1)
    biased = (centres[first] - centres[second]).square().sum(1)
    if estimator == "plain" or h.shape[1] < 2:
        return biased
    excess = class_spread(h) / h.shape[1]
    return torch.maximum(biased - excess[first] - excess[second], _LEAST_SHARE * biased)


def _log_sum_exp(centres: Tensor, temperature: float) -> Tensor:
    u = functional.normalize(centres - centres.mean(0), dim=1, eps=1e-6)
    with torch.autocast(centres.device.type, enabled=False):
        cosines = (u @ u.T) / temperature
    same = torch.eye(len(u), dtype=torch.bool, device=u.device)
    return (cosines.masked_fill(same, -math.inf).logsumexp(1) - math.log(len(u) - 1)).mean()
