"""How the images of one pass are cut into steps."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from gendata.errors import unknown_name

# (images in the pass, batch, generator of this pass) -> positions of each step
Batching = Callable[[int, int, torch.Generator], list[Tensor]]


def batching_of(name: str) -> Batching:
    """The batching that a protocol names.

    Raises:
        UnknownNameError: there is no such batching.
    """
    if name not in _BATCHINGS:
        raise unknown_name("batching", name, _BATCHINGS)
    return _BATCHINGS[name]


def _shuffled_keep_last(num_images: int, batch: int, generator: torch.Generator) -> list[Tensor]:
    """Every image once, in random order; the last step takes what is left."""
    return list(torch.split(torch.randperm(num_images, generator=generator), batch))


def _shuffled_drop_last(num_images: int, batch: int, generator: torch.Generator) -> list[Tensor]:
    """Whole batches only; fewer images than a batch make one step of them all."""
    steps = _shuffled_keep_last(num_images, batch, generator)
    return steps[: max(num_images // batch, 1)]


def _in_order(num_images: int, batch: int, generator: torch.Generator) -> list[Tensor]:
    """As the pass was drawn; the last step takes what is left."""
    return list(torch.split(torch.arange(num_images), batch))


_BATCHINGS: dict[str, Batching] = {
    "shuffled-keep-last": _shuffled_keep_last,
    "shuffled-drop-last": _shuffled_drop_last,
    "in-order": _in_order,
}
