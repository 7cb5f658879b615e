"""`logit`: what a network says of a synthetic sample and of its real partner."""

from __future__ import annotations

import msgspec
import torch
from torch import Tensor
from torch.nn import functional

from gendata.losses.embedded import Embedded
from gendata.losses.loss import Loss


class LogitConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of `logit`: none."""


class Logit(Loss):
    """mean over pairs i and classes k of (log softmax f(real_i)_k - log softmax f(syn_i)_k)^2.

    Source: DiM (Wang et al. 2023, arXiv:2303.04707) and its code, pool_match.py, where it has weight 0.01. The i-th
    synthetic sample of a class stands beside its i-th real one; of unequal runs, as many as the shorter has.

    Differs from the paper: batches are class-major, not of random labels. Pairs are random there and here, so that the
    best a generator can do is to give every sample of a class the class's mean log probabilities.
    """

    Config = LogitConfig
    config: LogitConfig
    needs_trained = True

    def forward(self, syn: Embedded, real: Embedded, rng: torch.Generator) -> Tensor:
        """The term; see `Loss`."""
        pairs = min(syn.per_class, real.per_class)
        logits_syn, logits_real = (batch.by_class(batch.logits)[:, :pairs] for batch in (syn, real))
        return log_probability_distance(logits_syn, logits_real)


def log_probability_distance(syn: Tensor, real: Tensor) -> Tensor:
    """Mean squared difference of the log softmax (over the last dimension) of two sets of logits, pair by pair."""
    return functional.mse_loss(syn.log_softmax(-1), real.log_softmax(-1))
