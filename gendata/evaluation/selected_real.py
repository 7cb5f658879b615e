"""herding and k-center: real images that were chosen, beside those that were drawn (random-real).

The rows choose as the methods of those names do (same network, same steps, same selection), from the images that
baselines may take: the row of seed 0 shows the images that the recipe of that name stores.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from gendata._threads import torch_threads
from gendata.errors import SourceError
from gendata.evaluation.bench import Bench, RowPlan
from gendata.evaluation.training import Feed, Images
from gendata.methods.feature_network import FeatureConfig, feature_loss, real_features
from gendata.methods.herding import herd
from gendata.methods.k_center import farthest_first
from gendata.methods.method import RealData
from gendata.networks import build_network
from gendata.sources.source import Source, pixel_statistics

_NETWORK = FeatureConfig()
_BETAS = (0.9, 0.99)  # of Adam, and its cosine: those of a method's stage

# Features of a source's pool by (seed, device); they take longer to make than a row of few images to measure.
_features: WeakKeyDictionary[Source, dict[tuple[int, str], Tensor]] = WeakKeyDictionary()


def herding(bench: Bench) -> RowPlan:
    """IPC real images per class whose mean feature follows the class mean; the same for every network."""
    return _plan(bench, "herding", herd)


def k_center(bench: Bench) -> RowPlan:
    """IPC real images per class that leave none of their class far away; the same for every network."""
    return _plan(bench, "k-center", farthest_first)


def _plan(bench: Bench, name: str, select: Callable[[Tensor, int], Tensor]) -> RowPlan:
    def feed(seed: int) -> Feed:
        if name not in bench.decided:  # made when the first network asks, once for all of them and all processes
            with torch_threads(bench.threads):
                bench.decided[name] = _selected(bench, name, select)
        images: Images = bench.decided[name]
        num_images = len(images[1])
        return Feed(
            images=bench.passes_over(images, seed=seed),
            protocol=bench.protocol,
            steps_per_pass=bench.steps_per_pass,
            distinct_images=bench.count_distinct(num_images, seed=seed),
            num_bytes=num_images * bench.spec.num_pixels,
        )

    note = f"one choice for all networks, by features of {_NETWORK.network} after {_NETWORK.steps} steps on real images"
    return RowPlan(name=name, mode="real", feed=feed, follows_from="ipc", note=note)


def _selected(bench: Bench, name: str, select: Callable[[Tensor, int], Tensor]) -> Images:
    """The chosen images, class by class.

    Raises:
        SourceError: a class has fewer images than are to be chosen.
    """
    x, y = bench.pool
    counts = torch.bincount(y, minlength=bench.spec.num_classes)
    if int(counts.min()) < bench.ipc:
        raise SourceError(
            f"class {bench.spec.classes[int(counts.argmin())]!r} has {int(counts.min())} images",
            where=name,
            expected=f"at least {bench.ipc}, the images per class",
        )
    features = _pool_features(bench, name)
    classes = [(y == c).nonzero()[:, 0] for c in range(bench.spec.num_classes)]
    positions = torch.cat([members[select(features[members], bench.ipc)] for members in classes])
    return x[positions], y[positions]


def _pool_features(bench: Bench, name: str) -> Tensor:
    """Features (N, F) of the pool, made once per source, seed and device."""
    made, key = _features.setdefault(bench.source, {}), (bench.seed, str(bench.device))
    if key not in made:
        bench.progress.begin(name, "training a feature network", steps=_NETWORK.steps)
        made[key] = _trained_features(bench)
    return made[key]


def _trained_features(bench: Bench) -> Tensor:
    x, y = bench.pool
    mean, std = pixel_statistics(bench.pool)
    real = RealData(x_u8=x.to(bench.device), y=y.to(bench.device), spec=bench.spec, mean=mean, std=std)
    network = build_network(_NETWORK.network, spec=bench.spec, seed=bench.seed).to(bench.device)
    optimiser = torch.optim.Adam(network.parameters(), lr=_NETWORK.lr, betas=_BETAS)
    for step in range(_NETWORK.steps):
        for group in optimiser.param_groups:
            group["lr"] = _NETWORK.lr * 0.5 * (1 + math.cos(math.pi * step / _NETWORK.steps))
        optimiser.zero_grad(set_to_none=True)
        feature_loss(network, real, _NETWORK, seed=bench.seed, step=step).backward()
        optimiser.step()
        bench.progress.advance(1)
    return real_features(network, real)
