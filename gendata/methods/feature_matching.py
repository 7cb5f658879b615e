"""Matching of class-wise feature statistics between real and synthetic batches."""

from __future__ import annotations

import torch
from torch import Tensor


def unbiased_mean_loss(h_syn: Tensor, h_real: Tensor) -> Tensor:
    """Estimates mean_c |E h_syn - mean h_real|^2 / features with an unbiased gradient.

    Mean feature matching (DM, Zhao and Bilen 2023, eq. 4, class by class). The plain squared distance of two batch
    means also holds tr(Cov_syn) / n: for a sampler that is a hidden pull towards the class centre. Here the batch is
    halved, and the inner product of the two halves' errors has no such term. The target is the real batch's mean, whose
    own noise adds tr(Cov_real) / n to the value: a constant, so that the gradient is that of the distance to E h_real.

    Args:
        h_syn: (classes, samples, features) with an even number of samples.
        h_real: (classes, samples, features), no gradient.

    Returns:
        Scalar; it may be negative, by the noise of the halves.
    """
    first, second = h_syn.chunk(2, dim=1)
    target = h_real.mean(1)
    return ((first.mean(1) - target) * (second.mean(1) - target)).mean()


def unbiased_moment_loss(h_syn: Tensor, h_real: Tensor, projection: Tensor) -> Tensor:
    """The same for second moments of projected features, centred on the real class mean.

    Args:
        h_syn, h_real: (classes, samples, features).
        projection: (features, k), fixed for the step.
    """
    centre = h_real.mean(1, keepdim=True)
    p_syn, p_real = (h_syn - centre) @ projection, (h_real - centre) @ projection
    target = torch.einsum("cni,cnj->cij", p_real, p_real) / p_real.shape[1]
    errors = [torch.einsum("cni,cnj->cij", p, p) / p.shape[1] - target for p in p_syn.chunk(2, dim=1)]
    return (errors[0] * errors[1]).mean()
