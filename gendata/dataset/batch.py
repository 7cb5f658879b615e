"""What `__getitems__` gives a DataLoader, and the `collate_fn` that knows it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, cast

import torch
from torch import Tensor
from torch.utils.data import default_collate, get_worker_info

from gendata.dataset.deferred import DeferredList
from gendata.dataset.formats import Format
from gendata.dataset.pixels import as_float

_TENSORS = Format()


class Batch(DeferredList[Any]):
    """A list of samples that can also give them as one batch, `ready`.

    It has to be a list of samples: from anything else `default_collate`, `StackDataset` and `ConcatDataset` fail or
    stack wrongly.

    Args:
        images: (N, C, H, W) uint8, or float32 where the artifact stores floats.
        labels: (N,) int64, or (N, K) float32.
        shape: how samples look.
    """

    def __init__(self, images: Tensor, labels: Tensor, shape: Format = _TENSORS) -> None:
        super().__init__()
        self.images, self.labels, self.shape = images, labels, shape

    @property
    def ready(self) -> Any:
        """What `default_collate` makes of the samples, as they were before anyone changed the list."""
        return self.shape.ready(self.images, self.labels)

    def _items(self) -> Iterable[Any]:
        images, labels = self.shape.images(self.images), self.shape.labels(self.labels)
        return (self.shape.sample(x, y) for x, y in zip(images, labels, strict=True))

    def __reduce__(self) -> tuple[Any, ...]:
        return (list, (list(self),)) if self.touched else (Batch, (self.images, self.labels, self.shape))


class _InTransit(DeferredList[Tensor]):
    """[x, y] in a worker, which crosses to the main process as uint8 and arrives as a plain list of float32 and int64.

    A quarter of the bytes: shared memory, not decoding, is what limits workers here.
    """

    def __init__(self, batch: Batch) -> None:
        super().__init__()
        self.batch = batch

    def _items(self) -> Iterable[Tensor]:
        return cast(Iterable[Tensor], self.batch.ready)

    def __reduce__(self) -> tuple[Any, ...]:
        return (list, (list(self),)) if self.touched else (_arrived, (self.batch.images, self.batch.labels))


def _arrived(images: Tensor, labels: Tensor) -> list[Tensor]:
    return [as_float(images), labels]


def collate(samples: Sequence[Any]) -> Any:
    """`collate_fn` of a DataLoader: gives exactly what `default_collate` gives, without stacking sample by sample."""
    if not isinstance(samples, Batch) or samples.touched:
        return default_collate(list(samples))
    shrinks = samples.shape == _TENSORS and samples.images.dtype == torch.uint8
    return _InTransit(samples) if shrinks and get_worker_info() is not None else samples.ready
