"""Fits a latent law to where the encoder put the real samples of each class."""

from __future__ import annotations

import torch
from torch import Tensor

from gendata.latents.codebook import Codebook
from gendata.latents.law import LatentLaw
from gendata.latents.mixture import Mixture
from gendata.methods.draws import keyed_generator

_LLOYD_ITERATIONS = 15


@torch.no_grad()
def fit_law(law: LatentLaw, mean: Tensor, variance: Tensor, y: Tensor, *, seed: int) -> None:
    """Moves the law's learned tensors onto the encoded real data; laws but codebook and mixture stay as they are.

    Args:
        law: its codes (or means) become k-means centres class by class; its scales what lies around them.
        mean, variance: (N, dim) of each real sample's posterior.
        y: (N,) labels.
    """
    if not isinstance(law, (Codebook, Mixture)):
        return
    for c in range(law.num_classes):
        own = y == c
        count = law.config.codes if isinstance(law, Codebook) else law.config.components
        rng = keyed_generator(seed, "k-means", c)
        centres, assigned = k_means(mean[own], count, rng)
        around = (mean[own] - centres[assigned]).square() + variance[own]
        if isinstance(law, Codebook):
            law.codes[c] = centres
            law.scales[c] = around.mean(0).sqrt()
        else:
            law.means[c] = centres
            total = torch.zeros_like(centres).index_add_(0, assigned, around)
            members = torch.bincount(assigned, minlength=count).clamp_min(1)
            law.scales[c] = (total / members[:, None]).sqrt()
    law.prepare()


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
