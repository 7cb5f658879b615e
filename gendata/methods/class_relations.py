"""The two class losses of arXiv:2309.07698: relations among the samples of a class, and among classes.

Certain from the paper's abstract: the intra-class loss makes samples of one class more diverse by pushing each away
from the others of its class; the inter-class loss widens the gap between the centres of classes. Its formulas and
weights are not public. Ours are ratios to the *real* data's spread and gap, so that one number means the same under
every embedding network: 1 asks for as much as real data has, above 1 for more.
"""

from __future__ import annotations

import torch
from torch import Tensor


def class_centres(h: Tensor) -> Tensor:
    """Centres (classes, features) of features (classes, samples, features)."""
    return h.mean(1)


def class_spread(h: Tensor) -> Tensor:
    """Unbiased trace of each class's covariance, (classes,), from features (classes, samples, features)."""
    return h.var(1, unbiased=True).sum(1)


def intra_class_loss(h_syn: Tensor, h_real: Tensor, *, target_ratio: float) -> Tensor:
    """mean_c (log tr Cov_syn - log(target_ratio * tr Cov_real))^2: samples of one class pushed apart.

    Differs from the paper: pushes until `target_ratio` times the real spread is reached, and back beyond it; the
    paper's abstract only says that samples of a class are pushed away from each other.

    Args:
        h_syn: (classes, samples, features), synthetic.
        h_real: (classes, samples, features), real; no gradient.
        target_ratio: above 1 repels, below 1 draws together.
    """
    floor = 1e-6 * class_spread(h_real).mean()  # a collapsed class must give a finite push
    log_ratio = (class_spread(h_syn) + floor).log() - (target_ratio * class_spread(h_real) + floor).log()
    return log_ratio.square().mean()


def inter_class_loss(h_syn: Tensor, h_real: Tensor, *, target_ratio: float) -> Tensor:
    """mean over pairs of classes of max(0, target_ratio - gap_syn / gap_real)^2: centres pushed apart.

    Differs from the paper: a hinge at `target_ratio` times the real distance of the two centres.

    Args:
        h_syn, h_real, target_ratio: as in `intra_class_loss`.
    """
    num_classes = len(h_syn)
    if num_classes < 2:
        return h_syn.new_zeros(())
    first, second = torch.triu_indices(num_classes, num_classes, offset=1, device=h_syn.device)
    gaps = []
    for h in (h_syn, h_real):
        centres = class_centres(h)
        gaps.append(((centres[first] - centres[second]).square().sum(1) + 1e-12).sqrt())
    return (target_ratio - gaps[0] / gaps[1].clamp_min(1e-6)).clamp_min(0).square().mean()
