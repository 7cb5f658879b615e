"""`k-center`: real images that leave none of their class far away (Sener, Savarese 2018, arXiv:1708.00489)."""

from __future__ import annotations

import torch
from torch import Tensor

from gendata.methods.feature_subset import FeatureSubset


def farthest_first(features: Tensor, count: int) -> Tensor:
    """Greedy k-center: each choice is the point farthest from all choices so far (algorithm 1 of the paper).

    Its largest distance is at most twice the smallest possible one. Differs from the paper, which starts from a
    labelled pool: the first choice is the point nearest to the mean, so that nothing is left to chance.

    Args:
        features: (N, F).
        count: at most N.

    Returns:
        Positions (count,) int64, in order of choice: a larger choice begins with a smaller one.
    """
    h = features.double()
    first = int((h - h.mean(0)).square().sum(1).argmin())
    chosen, distances = [first], (h - h[first]).square().sum(1)
    for _ in range(count - 1):
        distances[chosen[-1]] = -1.0  # equal images have distance 0 and may be chosen; the same one may not
        chosen.append(int(distances.argmax()))
        distances = torch.minimum(distances, (h - h[chosen[-1]]).square().sum(1))
    return torch.tensor(chosen[:count], dtype=torch.int64)


class KCenter(FeatureSubset):
    """Fills a pixel bank by greedy k-center in the features of a network that is trained on the real images."""

    name = "k-center"
    select = staticmethod(farthest_first)
