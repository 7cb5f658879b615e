"""`intra-class`: how far apart the samples of one class are."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import msgspec
import torch
from torch import Tensor
from torch.nn import functional

from gendata.losses.embedded import Embedded, scaled_features
from gendata.losses.loss import Loss

_LEAST_SPREAD = 1e-12
_LARGEST_SQUARED_DISTANCE = 4.0  # of two vectors of norm 1


class IntraClassConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of `intra-class`."""

    form: Literal["ratio", "repulsive", "hard-max", "hinge", "centralisation"] = "ratio"
    ratio: float = 1.0  # of the real spread, to reach (form ratio); above 1 pushes samples apart, below 1 together
    temperature: float = 0.2  # of the cosines (form repulsive)
    margin: float = 1.0  # squared distance of normalised features, to reach (form hinge); at most 4

    def __post_init__(self) -> None:
        for name in ("ratio", "temperature", "margin"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be above 0, got {getattr(self, name)}")
        if self.margin > _LARGEST_SQUARED_DISTANCE:
            raise ValueError(f"margin must be at most {_LARGEST_SQUARED_DISTANCE:g}, got {self.margin}")


class IntraClass(Loss):
    """The samples of a class pushed apart (or, `centralisation`, together), in features of the last block.

    Certain from arXiv:2309.07698 (Zhang et al. 2023; its abstract): the intra-class loss makes samples of one class
    more diverse by pushing each away from the others of its class. Its formula and weight are not public; these are
    forms that do so, u = h / |h| being normalised features and i, j samples of one class, averaged over classes.

        ratio           (log tr Cov_syn - log(ratio tr Cov_real))^2: ours. Unbiased spread, and a target: one number
                        means the same under every network
        repulsive       mean_i log mean_{j != i} exp(u_i . u_j / temperature): the uniformity part of a contrastive loss
                        (Wang and Isola 2020, arXiv:2005.10242)
        hard-max        mean_i max_{j != i} u_i . u_j: Minimax diffusion (Gu et al. 2024, arXiv:2311.15529)
        hinge           mean_{i != j} max(0, margin - |u_i - u_j|^2)
        centralisation  mean_i |h_i - mean h|^2, the opposite sign: IID (Deng et al. 2024, CVPR, arXiv:2404.00563), with
                        weight 0.05

    Differs from the papers: Minimax compares with a memory of 64 earlier samples, not with the batch; IID takes the sum
    over features of a pretrained ResNet-18, this the mean over the pool's, in units of their real deviation.
    """

    Config = IntraClassConfig
    config: IntraClassConfig

    @property
    def least_samples(self) -> int:
        return 1 if self.config.form == "centralisation" else 2

    def forward(self, syn: Embedded, real: Embedded, rng: torch.Generator) -> Tensor:
        """The term; see `Loss`. A class of one sample has no relations: all forms but `centralisation` need two."""
        c = self.config
        h_syn, h_real = scaled_features(syn, real, -1)
        if c.form == "ratio":
            return spread_ratio_loss(h_syn, h_real, ratio=c.ratio)
        return _FORMS[c.form](h_syn, c)


def class_spread(h: Tensor) -> Tensor:
    """Unbiased trace of each class's covariance, (classes,), from features (classes, samples, features)."""
    return h.var(1, unbiased=True).sum(1)


def spread_ratio_loss(h_syn: Tensor, h_real: Tensor, *, ratio: float) -> Tensor:
    """mean_c (log tr Cov_syn - log(ratio * tr Cov_real))^2, features (classes, samples, features)."""
    # A collapsed class must give a finite push, also where all real images of every class are one.
    floor = (1e-6 * class_spread(h_real).mean()).clamp_min(_LEAST_SPREAD)
    log_ratio = (class_spread(h_syn) + floor).log() - (ratio * class_spread(h_real) + floor).log()
    return log_ratio.square().mean()


def _repulsive(h: Tensor, config: IntraClassConfig) -> Tensor:
    others = _cosines(h) / config.temperature
    return (others.logsumexp(2) - math.log(others.shape[2])).mean()


def _hard_max(h: Tensor, config: IntraClassConfig) -> Tensor:
    return _cosines(h).amax(2).mean()


def _hinge(h: Tensor, config: IntraClassConfig) -> Tensor:
    squared_distances = 2 - 2 * _cosines(h)
    return (config.margin - squared_distances).clamp_min(0).mean()


def _centralisation(h: Tensor, config: IntraClassConfig) -> Tensor:
    return (h - h.mean(1, keepdim=True)).square().mean()


_FORMS: dict[str, Callable[[Tensor, IntraClassConfig], Tensor]] = {
    "repulsive": _repulsive,
    "hard-max": _hard_max,
    "hinge": _hinge,
    "centralisation": _centralisation,
}


def _cosines(h: Tensor) -> Tensor:
    """Of every sample with the others of its class: (classes, samples, samples - 1).

    In float32 under autocast too: bfloat16 takes a quarter of near cosines for equal, and shares the gradient of the
    largest among them.
    """
    u = functional.normalize(h, dim=2, eps=1e-6)
    classes, samples = u.shape[:2]
    with torch.autocast(h.device.type, enabled=False):
        cosines = u @ u.transpose(1, 2)
    others = ~torch.eye(samples, dtype=torch.bool, device=h.device)
    return cosines[:, others].reshape(classes, samples, samples - 1)
