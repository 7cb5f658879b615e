"""Which samples an artifact is read as: the frozen set, or new ones each epoch."""

from __future__ import annotations

import operator
from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from gendata.artifact.artifact import CondensedArtifact
from gendata.dataset.indices import Integers, Rows
from gendata.dataset.recent import RecentBlocks
from gendata.dataset.shared import SharedImages
from gendata.errors import SpecError

_RECENT_BYTES = 32 * 2**20  # holds a whole epoch of most condensed sets, so that shuffled single reads stay cheap
_MAX_SEED = 2**63


class View(ABC):
    """Samples of one artifact, class after class, in its `sample_dtype`: uint8, or float32 in its space.

    Promise: sample (artifact, view, epoch, index) is one image, bit for bit, whatever is asked for along with it and
    in whichever process.
    """

    mode: ClassVar[str]

    def __init__(self, artifact: CondensedArtifact, *, samples_per_class: int) -> None:
        self.artifact, self.samples_per_class = artifact, samples_per_class

    def __len__(self) -> int:
        return self.samples_per_class * self.artifact.spec.num_classes

    def label(self, index: int) -> int:
        """Label of the sample at `index`."""
        return index // self.samples_per_class

    def labels(self, index: Integers) -> Tensor:
        """Labels (len(index),) int64."""
        return torch.from_numpy(index // self.samples_per_class)

    @abstractmethod
    def image(self, index: int, epoch: int) -> Tensor:
        """One image (C, H, W)."""

    @abstractmethod
    def images(self, rows: Rows) -> Tensor:
        """Images (len(rows.positions), C, H, W)."""

    @property
    def epoch(self) -> int:
        return 0

    @abstractmethod
    def set_epoch(self, epoch: int) -> None:
        """Chooses the samples that an index without an epoch means."""

    @abstractmethod
    def describe(self) -> str:
        """One line for `repr`."""


class FrozenView(View):
    """The frozen set: IPC images per class, the same in every epoch.

    Each block is generated when it is first asked for, kept, and shared with DataLoader workers.
    """

    mode = "frozen"

    def __init__(self, artifact: CondensedArtifact) -> None:
        super().__init__(artifact, samples_per_class=artifact.ipc)
        shape, block = (len(self), *artifact.spec.shape), artifact.manifest.sampling.micro_batch
        self._store = SharedImages(shape, block=block, dtype=artifact.sample_dtype)

    def image(self, index: int, epoch: int) -> Tensor:
        self._store.fill(np.array([index]), self._generate)
        return self._store.pixels[index]

    def images(self, rows: Rows) -> Tensor:
        self._store.fill(rows.positions, self._generate)
        # numpy gathers in one thread; see `as_float` for why that is the faster one.
        return torch.from_numpy(np.take(self._store.pixels.numpy(), rows.positions, axis=0))

    def set_epoch(self, epoch: int) -> None:
        _checked_epoch(epoch)

    def describe(self) -> str:
        return f"frozen, {self.samples_per_class} per class"

    def _generate(self, index: Integers) -> Tensor:
        return self.artifact.frozen_images(index)[0]


class FreshView(View):
    """New samples in every epoch, keyed by (seed, epoch, index).

    The epoch lies in shared memory, so that `set_epoch` reaches persistent workers. They fetch ahead: call it before
    the DataLoader's iterator is made, or send (epoch, index) pairs as indices, which nothing can overtake.
    """

    mode = "fresh"

    def __init__(self, artifact: CondensedArtifact, *, samples_per_class: int, seed: int) -> None:
        _check_at_least("samples_per_class", samples_per_class, 1)
        _check_at_least("seed", seed, 0)
        super().__init__(artifact, samples_per_class=samples_per_class)
        self.seed = seed
        self._epoch: Tensor = torch.zeros((), dtype=torch.int64).share_memory_()
        self._recent = RecentBlocks(_RECENT_BYTES)

    @property
    def epoch(self) -> int:
        return int(self._epoch)

    def set_epoch(self, epoch: int) -> None:
        self._epoch.fill_(_checked_epoch(epoch))

    def image(self, index: int, epoch: int) -> Tensor:
        # One image costs as much as a micro-batch, so its neighbours are kept too.
        size = self.artifact.manifest.sampling.micro_batch
        first = index - index % size
        rows = np.arange(first, min(first + size, len(self)))
        return self._recent.get((epoch, first), lambda: self._generate(rows, epoch))[index - first]

    def images(self, rows: Rows) -> Tensor:
        if isinstance(rows.epoch, int):
            return self._generate(rows.positions, rows.epoch)
        images = torch.empty(len(rows.positions), *self.artifact.spec.shape, dtype=self.artifact.sample_dtype)
        for epoch in np.unique(rows.epoch).tolist():
            chosen = rows.epoch == epoch
            images[torch.from_numpy(chosen)] = self._generate(rows.positions[chosen], epoch)
        return images

    def describe(self) -> str:
        return f"fresh, {self.samples_per_class} per class, seed {self.seed}, epoch {self.epoch}"

    def _generate(self, index: Integers, epoch: int) -> Tensor:
        chosen = {"samples_per_class": self.samples_per_class, "seed": self.seed, "epoch": epoch}
        return self.artifact.fresh_images(index, **chosen)[0]


def _checked_epoch(epoch: Any) -> int:
    value = operator.index(epoch)
    _check_at_least("epoch", value, 0)
    return value


def _check_at_least(name: str, value: Any, least: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value < _MAX_SEED:
        raise SpecError(f"{name} is {value!r}", expected=f"a whole number from {least} to 2**63 - 1")
