"""What a condensation achieved: how far samples spread inside a class, and how far apart classes are.

In features of a network trained on real images. A curve over these says whether spreading helps; one over the weight of
a loss does not.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from gendata.artifact.artifact import CondensedArtifact
from gendata.evaluation.onlooker import samples_of, train_onlooker
from gendata.evaluation.preparation import Normaliser
from gendata.sources.source import Source, Split, balanced_indices, hold_out, pixel_statistics

_MOST_PER_CLASS, _LEAST_PER_CLASS, _MOST_IMAGES = 100, 10, 5000  # of each kind
_BATCH = 128
_SEED = 0  # one network for all cells


class Achieved(NamedTuple):
    """Ratios to the real images' values; None where one image per class leaves them open."""

    spread: float | None  # tr Cov_syn / tr Cov_real inside a class, mean over classes
    gap: float | None  # distance between class centres, root mean square over pairs of classes


def achieved(artifact: CondensedArtifact, source: Source, *, folder: Path) -> Achieved:
    """Spread and gap of up to 100 samples per class: new ones, or the stored ones of a pixel bank.

    Both are estimated without bias from finite samples. The network learns from train less what is held out of it.

    Args:
        folder: keeps the network, which is trained once per data set.
    """
    if artifact.space != "image":
        return Achieved(None, None)
    pool, _ = hold_out(source.split("train"))
    normalise = Normaliser(*pixel_statistics(pool))
    network = _onlooker(pool, source, normalise, folder=folder)
    num_classes = source.spec.num_classes
    available = int(torch.bincount(pool.y, minlength=num_classes).min())
    per_class = min(_MOST_PER_CLASS, max(_LEAST_PER_CLASS, _MOST_IMAGES // num_classes), available)
    chosen = torch.from_numpy(balanced_indices(pool.y, per_class=per_class, seed=_SEED, purpose="achieved"))
    x_syn, y_syn = samples_of(artifact, per_class, seed=_SEED)
    real = _features(network, normalise, pool.x[chosen], pool.y[chosen], num_classes)
    synthetic = _features(network, normalise, x_syn, y_syn, num_classes)
    if min(real.shape[1], synthetic.shape[1]) < 2:
        return Achieved(None, None)
    spread = _spread(synthetic) / _spread(real)
    gap = (_squared_gap(synthetic).clamp_min(0) / _squared_gap(real)).sqrt()
    return Achieved(*(float(value) if bool(value.isfinite()) else None for value in (spread, gap)))


def _spread(h: Tensor) -> Tensor:
    """Trace of a class's covariance, unbiased, mean over classes; h (classes, samples, features)."""
    return h.var(1).sum(1).mean()


def _squared_gap(h: Tensor) -> Tensor:
    """Squared distance of two class centres, unbiased, mean over pairs.

    E|m_c - m_d|^2 of sample means exceeds the true one by tr Cov_c / n + tr Cov_d / n.
    """
    num_classes, num_samples, _ = h.shape
    centres = h.mean(1)
    pairs = num_classes * (num_classes - 1)
    # The sum over ordered pairs is 2 C sum_c |m_c - mean|^2.
    biased = 2 * num_classes * (centres - centres.mean(0)).square().sum() / max(pairs, 1)
    return biased - 2 * _spread(h) / num_samples


@torch.inference_mode()
def _features(network: nn.Module, normalise: Normaliser, x: Tensor, y: Tensor, num_classes: int) -> Tensor:
    """(classes, samples, features) float64 of equally many images per class."""
    network.eval()
    parts = [network.embed(normalise(part)).flatten(1) for part in x.split(_BATCH)]  # type: ignore[operator]
    h = torch.cat(parts).double()
    return h[y.argsort(stable=True)].reshape(num_classes, -1, h.shape[1])


def _onlooker(pool: Split, source: Source, normalise: Normaliser, *, folder: Path) -> nn.Module:
    """The network of this data set, read from `folder` where a cell before has trained it."""
    from filelock import FileLock
    from safetensors.torch import save

    from gendata.artifact.layout import replace_file

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{source.fingerprint[:16]}.safetensors"
    with FileLock(f"{path}.lock"):
        known = _kept_onlooker(path, source)
        if known is not None:
            return known
        network = train_onlooker((pool.x, pool.y), source=source, normalise=normalise, seed=_SEED)
        replace_file(path, save(network.state_dict()))
        return network


def _kept_onlooker(path: Path, source: Source) -> nn.Module | None:
    """None: there is none, or the file is damaged and better made anew."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from gendata.evaluation.onlooker import LESSON
    from gendata.networks import build_network

    network = build_network(LESSON.network, spec=source.spec, seed=_SEED)
    try:
        network.load_state_dict(load_file(path))
    except (FileNotFoundError, SafetensorError, RuntimeError):
        return None
    return network
