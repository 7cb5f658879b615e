"""Which codes of a class come first: those are its frozen set."""

from __future__ import annotations

from typing import Literal, TypeAlias

import torch
from torch import Tensor

FrozenChoice: TypeAlias = Literal["covering", "group"]

_COVERING = 512  # codes put in covering order; who stores a larger frozen set wants nearly all of them
_GROUPS = 2**15  # candidate groups that are compared
_AT_ONCE = 2**22  # values of them held at once
_SKEW_WEIGHT = 0.5  # as D3HR weighs it beside means and deviations


def covering_order(points: Tensor, weights: Tensor, *, most: int = _COVERING) -> Tensor:
    """Indices (N,) of which every prefix covers the points well: greedy k-medoids.

    Each next point is the one that lowers most the weighted sum of squared distances to the nearest point already
    taken (facility location; greedy is within 1 - 1/e of the best, Nemhauser et al. 1978). After `most` points the
    others follow in their own order.

    Args:
        points: (N, dim).
        weights: (N,) how many samples each point stands for.
    """
    cost = torch.cdist(points, points).square() * weights[:, None]  # [i, j]: of serving i by j
    served = cost.max(1).values
    taken: list[int] = []
    for _ in range(min(most, len(points))):
        gain = (served[:, None] - cost).clamp_min(0).sum(0)
        gain[taken] = -1
        taken.append(int(gain.argmax()))
        served = torch.minimum(served, cost[:, taken[-1]])
    return _then_the_rest(torch.tensor(taken, dtype=torch.int64, device=points.device), len(points))


def group_order(points: Tensor, weights: Tensor, *, size: int, rng: torch.Generator) -> Tensor:
    """Indices (N,) that begin with the group of `size` points which together are most like all of them.

    Of 32,768 groups drawn at random the one is taken whose mean, deviation and skewness, dimension by dimension, are
    nearest to the weighted ones of all points; dimensions count in units of their deviation.

    Source: D3HR (arXiv:2505.18399), which draws groups of latents from a Gaussian fitted to a class and compares them
    likewise (weights 1, 1, 0.5). Differs from the paper: groups are of codes, each of which is known to be drawn well.

    Args:
        points: (N, dim).
        weights: (N,) how many samples each point stands for.
        size: 1 to N.
        rng: on the host.
    """
    share = (weights / weights.sum())[:, None]
    center = (share * points).sum(0)
    scale = (share * (points - center).square()).sum(0).sqrt().clamp_min(1e-6)
    unit = (points - center) / scale
    skew = (share * unit**3).sum(0)
    best, least = torch.arange(size, device=points.device), torch.inf
    at_once = max(1, _AT_ONCE // max(len(points), size * points.shape[1]))
    for start in range(0, _GROUPS, at_once):
        count = min(at_once, _GROUPS - start)
        groups = torch.rand(count, len(points), generator=rng).topk(size, dim=1).indices.to(points.device)
        distance = _distances(unit[groups], skew)
        if distance.min() < least:
            least, best = float(distance.min()), groups[distance.argmin()]
    return _then_the_rest(best.sort().values, len(points))


def _distances(groups: Tensor, skew: Tensor) -> Tensor:
    """(G,) of groups (G, size, dim) from mean 0, deviation 1 and `skew`, summed over dimensions."""
    center = groups.mean(1)
    apart = groups - center[:, None]
    deviation = apart.square().mean(1).sqrt()
    third = (apart**3).mean(1) / deviation.clamp_min(1e-6) ** 3
    return (center.square() + (deviation - 1).square() + _SKEW_WEIGHT * (third - skew).square()).sum(1)


def _then_the_rest(first: Tensor, count: int) -> Tensor:
    rest = torch.ones(count, dtype=torch.bool, device=first.device)
    rest[first] = False
    return torch.cat([first, rest.nonzero()[:, 0]])
