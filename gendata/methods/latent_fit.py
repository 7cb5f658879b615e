"""Fits a latent law to where the encoder put the real samples of each class."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from gendata.latents.codebook import Codebook
from gendata.latents.law import LatentLaw
from gendata.latents.mixture import Mixture
from gendata.methods.code_order import covering_order, group_order
from gendata.methods.draws import keyed_generator

CodeOrigin = Literal["centres", "samples"]  # k-means centres, or the real sample nearest to each

_LLOYD_ITERATIONS = 15


@torch.no_grad()
def fit_law(
    law: LatentLaw,
    mean: Tensor,
    variance: Tensor,
    y: Tensor,
    *,
    seed: int,
    codes_from: CodeOrigin = "centres",
    group: int = 0,
    weights: Tensor | None = None,
) -> Tensor | None:
    """Moves the law's learned tensors onto the encoded real data; laws but codebook and mixture stay as they are.

    Args:
        law: its codes (or means) become k-means centres class by class; its scales what lies around them. Codes come
            in covering order, see `covering_order`, or after a chosen group.
        mean, variance: (N, dim) of each real sample's posterior.
        y: (N,) labels.
        codes_from: of a codebook. "samples": a code is the encoding of one real sample, and the scales are those of
            the posterior alone.
        group: so many codes come first that together are most like all of their class, see `group_order`; 0: none.
        weights: (N,) of a codebook, how much each real sample counts where codes are placed; None: all the same. The
            order of the codes does not follow them. Where they would leave fewer samples than codes, others fill up.

    Returns:
        (classes, codes) int64: the row of the real sample that each code encodes; None where codes are no samples.
    """
    if isinstance(law, Codebook):
        chosen = [_fit_codes(law, c, mean, variance, (y == c).nonzero()[:, 0], seed, codes_from, group, weights)
                  for c in range(law.num_classes)]  # fmt: skip
        law.prepare()
        return torch.stack(chosen) if codes_from == "samples" else None
    if isinstance(law, Mixture):
        for c in range(law.num_classes):
            _fit_components(law, c, mean[y == c], variance[y == c], seed)
        law.prepare()
    return None


def _fit_codes(
    law: Codebook,
    c: int,
    mean: Tensor,
    variance: Tensor,
    rows: Tensor,
    seed: int,
    codes_from: CodeOrigin,
    group: int,
    weights: Tensor | None,
) -> Tensor:
    """Fits the codes of class c; the real rows nearest to them, in the same order."""
    every = mean[rows]
    if weights is not None:
        picks = _drawn_by_weight(weights[rows].cpu(), law.config.codes, keyed_generator(seed, "weighted", c))
        rows = rows[picks.to(rows.device)]
    points = mean[rows]
    centres, assigned = k_means(points, law.config.codes, keyed_generator(seed, "k-means", c))
    nearest = nearest_members(points, centres, assigned)
    served = assigned if weights is None else torch.cdist(every, centres).argmin(1)  # by each, of all samples
    members = torch.bincount(served, minlength=len(centres))
    around = variance[rows]
    if codes_from == "samples":
        centres = points[nearest]
    else:
        around = around + (points - centres[assigned]).square()
    shares = members.clamp_min(1)
    if group:
        size = min(group, len(centres))
        order = group_order(centres, shares, size=size, rng=keyed_generator(seed, "group", c))
    else:
        order = covering_order(centres, shares)
    law.codes[c] = centres[order]
    law.scales[c] = around.mean(0).sqrt()
    return rows[nearest[order]]


def _drawn_by_weight(weights: Tensor, least: int, rng: torch.Generator) -> Tensor:
    """As many positions as there are weights, drawn by these with replacement; then so many others that `least` of them
    are different, where there are so many: else a sample would be encoded several times.
    """
    picks = torch.multinomial(weights, len(weights), replacement=True, generator=rng)
    left = torch.ones(len(weights), dtype=torch.bool)
    left[picks] = False
    others = left.nonzero()[:, 0]
    missing = min(least - (len(weights) - len(others)), len(others))
    if missing <= 0:
        return picks
    return torch.cat([picks, others[torch.multinomial(weights[others], missing, generator=rng)]])


def _fit_components(law: Mixture, c: int, points: Tensor, variance: Tensor, seed: int) -> None:
    centres, assigned = k_means(points, law.config.components, keyed_generator(seed, "k-means", c))
    around = (points - centres[assigned]).square() + variance
    total = torch.zeros_like(centres).index_add_(0, assigned, around)
    law.means[c] = centres
    law.scales[c] = (total / torch.bincount(assigned, minlength=len(centres)).clamp_min(1)[:, None]).sqrt()


def nearest_members(points: Tensor, centres: Tensor, assigned: Tensor) -> Tensor:
    """For each centre the index of the nearest point of its own cluster; of an empty cluster the nearest of all."""
    by_distance = (points - centres[assigned]).square().sum(1).argsort(stable=True)
    by_cluster = by_distance[assigned[by_distance].argsort(stable=True)]
    members = torch.bincount(assigned, minlength=len(centres))
    first = (members.cumsum(0) - members).clamp_max(len(points) - 1)
    return torch.where(members > 0, by_cluster[first], torch.cdist(centres, points).argmin(1))


def k_means(points: Tensor, count: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Centres (count, dim) and assignment (N,) by Lloyd's algorithm from a random start.

    An empty centre moves to the point that is worst served. With fewer points than centres, points repeat.
    """
    start = torch.randperm(len(points), generator=rng)
    start = start.repeat(-(-count // len(points)))[:count].to(points.device)
    centres = points[start].clone()
    for _ in range(_LLOYD_ITERATIONS):
        distance, assigned = torch.cdist(points, centres).min(1)
        members = torch.bincount(assigned, minlength=count)
        sums = torch.zeros_like(centres).index_add_(0, assigned, points)
        filled = members > 0
        centres[filled] = sums[filled] / members[filled, None]
        num_empty = int((~filled).sum())
        if num_empty:
            worst = distance.argsort(descending=True, stable=True)[:num_empty]
            centres[(~filled).nonzero()[: len(worst), 0]] = points[worst]
    return centres, torch.cdist(points, centres).argmin(1)
