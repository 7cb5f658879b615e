"""`herding`: the real images whose mean feature follows the class mean (Welling 2009, "Herding dynamical weights")."""

from __future__ import annotations

import torch
from torch import Tensor

from gendata.methods.feature_subset import FeatureSubset


def herd(features: Tensor, count: int) -> Tensor:
    """Greedy mean matching: each choice brings the mean of all choices nearest to the mean of all features.

    That is herding without repetition, as iCaRL (Rebuffi et al. 2017, arXiv:1611.07725, algorithm 4) and the
    condensation papers use it. Differs from iCaRL: features are not scaled to unit length.

    Args:
        features: (N, F).
        count: at most N.

    Returns:
        Positions (count,) int64, in order of choice: a larger choice begins with a smaller one.
    """
    h = features.double()
    h = h - h.mean(0)
    squares = h.square().sum(1)
    total = torch.zeros_like(h[0])
    chosen: list[int] = []
    for _ in range(count):
        # |total + h|^2, without the part that is the same for all
        distances = squares + 2 * (h @ total)
        distances[chosen] = torch.inf
        chosen.append(int(distances.argmin()))
        total = total + h[chosen[-1]]
    return torch.tensor(chosen, dtype=torch.int64)


class Herding(FeatureSubset):
    """Fills a pixel bank by herding in the features of a network that is trained on the real images."""

    name = "herding"
    select = staticmethod(herd)
