"""Squared errors of class-wise statistics: plain, or without the term in the synthetic batch's own noise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from gendata.errors import SpecError

Estimator: TypeAlias = Literal["unbiased", "plain"]


def squared_errors(
    h_syn: Tensor, h_real: Tensor, estimator: Estimator, *, statistic: Callable[[Tensor], Tensor] | None = None
) -> Tensor:
    """(E T(h_syn) - T(h_real))^2 per class, for a statistic T that is a mean over samples.

    plain: the squared difference of the two batches' statistics. Right for a stored set, which is what it is. For a
    sampler it also holds the variance of T over n samples: of means, Cov_syn / n, a hidden pull towards the class
    centre.

    unbiased: the product of the errors of two halves of the synthetic batch, which has no such term. The real batch's
    own noise adds a constant to the value, so that the gradient is that of the distance to E T(h_real).

    Args:
        h_syn: (classes, samples, ...); at least two samples for the unbiased estimate.
        h_real: (classes, samples, ...), no gradient.
        estimator: see above.
        statistic: from (classes, samples, ...) to (classes, ...); None: the mean over samples.

    Returns:
        (classes, ...); the unbiased one may be negative, by the noise of the halves.

    Raises:
        SpecError: one sample per class cannot be halved.
    """
    statistic = statistic or _mean
    target = statistic(h_real)
    if estimator == "plain":
        return (statistic(h_syn) - target).square()
    if h_syn.shape[1] < 2:
        raise SpecError(
            "an unbiased term got 1 sample per class", expected="2 or more", remedy="Take `estimator: plain`."
        )
    first, second = torch.tensor_split(h_syn, [(h_syn.shape[1] + 1) // 2], dim=1)
    return (statistic(first) - target) * (statistic(second) - target)


def _mean(h: Tensor) -> Tensor:
    return h.mean(1)
