"""What a pass is made of: which images of a set, or which labels of a sampler."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from gendata.errors import unknown_name
from gendata.evaluation.seeds import generator


class Drawing(NamedTuple):
    """How many images a pass has, and which."""

    num_images: Callable[[int, int, int], int]  # (IPC, classes, batch) -> images of a pass
    is_whole: bool  # True: every image of the set once; False: drawn at random, labels too


def drawing_of(name: str) -> Drawing:
    """The drawing that a protocol names.

    Raises:
        UnknownNameError: there is no such drawing.
    """
    if name not in _DRAWINGS:
        raise unknown_name("drawing", name, _DRAWINGS)
    return _DRAWINGS[name]


def drawn_at_random(num_images: int, *, count: int, seed: int, index: int) -> Tensor:
    """Positions (count,) below `num_images` for pass `index`, with repetition."""
    return torch.randint(num_images, (count,), generator=generator(seed, "drawing", index))


def _dim(ipc: int, num_classes: int, batch: int) -> int:
    """DiM's rule: 10 x IPC // batch + 1 whole batches, whatever the number of classes."""
    return (10 * ipc // batch + 1) * batch


_DRAWINGS = {
    "whole-set": Drawing(num_images=lambda ipc, num_classes, batch: ipc * num_classes, is_whole=True),
    "dim": Drawing(num_images=_dim, is_whole=False),
}
