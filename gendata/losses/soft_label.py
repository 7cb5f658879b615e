"""`soft-label`: what a trained network takes the samples of a class for."""

from __future__ import annotations

import math
from typing import Literal

import msgspec
import torch
from torch import Tensor
from torch.nn import functional

from gendata.losses.embedded import Embedded
from gendata.losses.loss import Loss


class SoftLabelConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of `soft-label`."""

    form: Literal["class", "sample"] = "class"
    temperature: float = 1.0  # logits are divided by it, the loss multiplied by its square

    def __post_init__(self) -> None:
        if not 0 < self.temperature < math.inf:
            raise ValueError(f"temperature must be above 0, got {self.temperature}")


class SoftLabel(Loss):
    """T^2 KL(p_real || p) per class, mean over classes: p_real is the mean of softmax(f(x) / T) over real samples.

        class           p is the mean over synthetic samples: together they are taken for what real ones are, also for
                        other classes, while each may be as certain as it likes
        sample          mean over synthetic samples of the divergence of each: all alike

    Source: Hinton et al. 2015 (arXiv:1503.02531), sec. 2, with the class's mean prediction as the soft target, a
    synthetic sample having no real partner; ours.
    """

    Config = SoftLabelConfig
    config: SoftLabelConfig
    needs_trained = True

    def forward(self, syn: Embedded, real: Embedded, rng: torch.Generator) -> Tensor:
        """The term; see `Loss`."""
        temperature = self.config.temperature
        log_syn, log_real = (batch.by_class((batch.logits / temperature).log_softmax(1)) for batch in (syn, real))
        log_target = _log_mean(log_real)
        said = _log_mean(log_syn) if self.config.form == "class" else log_syn
        divergence = functional.kl_div(said, log_target.expand_as(said), reduction="none", log_target=True).sum(2)
        return temperature**2 * divergence.mean()


def _log_mean(log_p: Tensor) -> Tensor:
    """Mean over samples of (classes, samples, K), kept as (classes, 1, K)."""
    return log_p.logsumexp(1, keepdim=True) - math.log(log_p.shape[1])
