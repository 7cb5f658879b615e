"""Sheets of samples: the classes below each other, or one class; beside real images where there are some."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gendata.artifact.artifact import CondensedArtifact
from gendata.artifact.sampling import fresh_key, frozen_key, sample_images
from gendata.sources.split import Split
from gendata.viewing.pictures import class_names, strip

Draw = Literal["new", "stored"]

CLASSES_PER_PAGE = 20
_COLUMNS = 10  # images of a class among others, at most
_OF_ONE = 60  # images of a class alone, at most
_FEWEST = 3  # columns of the slowest generator
_MICRO_BATCH = 10  # small, so that little is padded; a pixel may differ by one step from the dataset's
_MACS_PER_ACTION = 500_000_000  # what a plain CPU does in a tenth of a second: nobody waits for a sheet
_REAL_SEED = 0x5EED  # which real images are shown moves with the viewer's seed, from here


def num_pages(artifact: CondensedArtifact) -> int:
    """Pages of the overview."""
    return -(-artifact.spec.num_classes // CLASSES_PER_PAGE)


def overview(artifact: CondensedArtifact, *, draw: Draw, seed: int, page: int = 0, real: Split | None = None) -> str:
    """A page of classes, a line each.

    Args:
        artifact: what is sampled.
        draw: "new" images, or the "stored" set's first ones.
        seed: of the new images, and of the choice of real ones.
        page: from 0.
        real: train images to show beside them; None: none are at hand.
    """
    first = page * CLASSES_PER_PAGE
    labels = range(first, min(first + CLASSES_PER_PAGE, artifact.spec.num_classes))
    count = min(_COLUMNS, max(_FEWEST, _affordable(artifact) // len(labels)))
    return _table(artifact, labels, draw=draw, seed=seed, count=count, real=real)


def class_sheet(artifact: CondensedArtifact, label: int, *, draw: Draw, seed: int, real: Split | None = None) -> str:
    """Many images of one class; arguments as in `overview`."""
    count = min(_OF_ONE, max(_COLUMNS, _affordable(artifact) // _COLUMNS * _COLUMNS))  # whole lines of a strip
    return _table(artifact, [label], draw=draw, seed=seed, count=count, real=real)


def _affordable(artifact: CondensedArtifact) -> int:
    """Images that are made quickly enough."""
    return _MACS_PER_ACTION // max(1, artifact.generator.macs_per_image())


def samples(artifact: CondensedArtifact, labels: Sequence[int], *, draw: Draw, seed: int, count: int) -> Tensor:
    """Pictures (len(labels), columns, C, H, W) uint8: `count` columns, or fewer where the stored set has no more."""
    label = np.asarray(labels, dtype=np.int64)[:, None]
    if draw == "stored":
        count = min(count, artifact.ipc)
        key = frozen_key(_flat(label * artifact.ipc, count), ipc=artifact.ipc, seed=artifact.manifest.frozen.seed)
    else:
        key = fresh_key(_flat(label * count, count), samples_per_class=count, seed=seed, epoch=0)
    micro_batch = min(_MICRO_BATCH, artifact.manifest.sampling.micro_batch)
    x = sample_images(artifact.generator, artifact.law, **key, micro_batch=micro_batch, dtype=artifact.sample_dtype)
    return artifact.to_pictures(x).reshape(len(labels), count, *artifact.spec.shape)


def _flat(first: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """`count` numbers from each of `first` (N, 1) on, in one row."""
    return (first + np.arange(count)).reshape(-1)


def real_samples(real: Split, label: int, *, seed: int, count: int) -> Tensor:
    """Up to `count` real images (N, C, H, W) uint8 of a class, other ones for another seed."""
    found = (real.y == label).nonzero()[:, 0].numpy()
    draw = np.random.default_rng([_REAL_SEED, label, seed])
    return real.x[torch.from_numpy(draw.permutation(found)[:count])]


def _table(
    artifact: CondensedArtifact, labels: Sequence[int], *, draw: Draw, seed: int, count: int, real: Split | None
) -> str:
    names, synthetic = class_names(artifact.spec.classes), samples(artifact, labels, draw=draw, seed=seed, count=count)
    told = "New samples" if draw == "new" else "Stored images"
    lines = [_head(told, with_real=real is not None)]
    for row, label in enumerate(labels):
        cells = [f'<div class="gd-name">{html.escape(names[label])}</div>']
        cells.append(strip(synthetic[row], label=f"{told} of the class {names[label]}", kind="synthetic"))
        if real is not None:
            x = real_samples(real, label, seed=seed, count=synthetic.shape[1])
            cells.append(strip(x, label=f"Real images of the class {names[label]}", kind="real"))
        lines.append(f'<div class="gd-row">{"".join(cells)}</div>')
    kinds = ("gd-with-real" if real is not None else "", "gd-one" if len(labels) == 1 else "")
    columns = min(_COLUMNS, max(5, synthetic.shape[1]))  # fewer would be larger than the pixels bear
    return f'<div class="gd-sheet {" ".join(kinds)}" style="--columns:{columns}">{"".join(lines)}</div>'


def _head(told: str, *, with_real: bool) -> str:
    right = '<div class="gd-real-word">Real, from train</div>' if with_real else ""
    return f'<div class="gd-row gd-head"><div></div><div class="gd-synthetic-word">{told}</div>{right}</div>'
