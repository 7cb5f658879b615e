"""Class-balanced draws: of batches, of a validation split, of a test split.

Every draw is a function of (purpose, seed) and the labels. The order comes from the raw output of a Philox bit
generator, which numpy promises never to change; `Generator.permutation` carries no such promise.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gendata.errors import SourceError
from gendata.sources.split import Split

_MAX_VALIDATION_PER_CLASS = 500  # what the field's larger sets (60,000 images, 10 classes) can spare


def balanced_indices(y: Tensor, *, per_class: int, seed: int, purpose: str = "draw") -> NDArray[np.int64]:
    """Positions of `per_class` different random samples of every class, class-major: i is of class i // per_class.

    Args:
        y: int64 (N,), classes 0 .. max(y).
        purpose: names the draw; different purposes are independent under one seed.

    Raises:
        SourceError: a class has fewer samples than asked for.
    """
    labels = y.numpy()
    order = _shuffled(len(labels), seed=seed, purpose=purpose)
    by_class = order[np.argsort(labels[order], kind="stable")]
    counts = np.bincount(labels)
    _check_counts(counts, per_class, remedy="Ask for fewer images per class, or add images to that class.")
    starts = np.cumsum(counts) - counts
    rows = starts[:, None] + np.arange(per_class)
    chosen: NDArray[np.int64] = by_class[rows.ravel()].astype(np.int64)
    return chosen


def hold_out(
    split: Split,
    *,
    per_class: int | None = None,
    seed: int = 0,
    purpose: str = "validation",
    classes: Sequence[str] = (),
    least: int = 1,
) -> tuple[Split, Split]:
    """Parts a split, class-balanced and seeded, into (what remains, what is held out), both in the split's order.

    Made from *train*, it is the validation split on which every choice is made.

    Args:
        per_class: held-out samples per class; None: a tenth of the smallest class, 1 to 500.
        classes: their names, for messages.
        least: samples that a class must keep.

    Raises:
        SourceError: a class would keep fewer.
    """
    counts = torch.bincount(split.y).numpy()
    if per_class is None:
        per_class = max(1, min(_MAX_VALIDATION_PER_CLASS, int(counts.min()) // 10))
    _check_counts(counts, per_class + least, remedy="Add images to that class, or leave it out.", classes=classes)
    held = np.zeros(len(split.y), dtype=bool)
    held[balanced_indices(split.y, per_class=per_class, seed=seed, purpose=purpose)] = True
    return _rows(split, ~held), _rows(split, held)


def _rows(split: Split, chosen: NDArray[np.bool_]) -> Split:
    mask = torch.from_numpy(chosen)
    return Split(split.x[mask], split.y[mask])


def _check_counts(counts: NDArray[np.int64], needed: int, *, remedy: str, classes: Sequence[str] = ()) -> None:
    if counts.min() < needed:
        scarce = int(counts.argmin())
        called = repr(classes[scarce]) if scarce < len(classes) else str(scarce)
        raise SourceError(
            f"class {called} has {counts[scarce]} images",
            expected=f"at least {needed}, of which some are held out of training" if classes else f"at least {needed}",
            remedy=remedy,
        )


def _shuffled(count: int, *, seed: int, purpose: str) -> NDArray[np.intp]:
    digest = hashlib.sha256(f"gendata/source/{purpose}/{seed}".encode()).digest()
    philox = np.random.Philox(key=int.from_bytes(digest[:16], "little"))
    return np.argsort(philox.random_raw(count), kind="stable")
