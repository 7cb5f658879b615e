"""Which samples an artifact is read as: the frozen set, new ones each epoch, or some of either."""

from __future__ import annotations

import operator
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gendata.artifact.artifact import CondensedArtifact
from gendata.dataset.cache import FrozenKey, frozen_path
from gendata.dataset.forks import settle
from gendata.dataset.indices import Integers, Rows
from gendata.dataset.pixels import as_float, gathered_as_float
from gendata.dataset.recent import RecentBlocks
from gendata.dataset.selection import Picks, described, narrowed, picked
from gendata.dataset.shared_number import SharedNumber
from gendata.dataset.store import FrozenStore
from gendata.errors import SpecError

_RECENT_BYTES = 32 * 2**20  # holds a whole epoch of most condensed sets, so that shuffled single reads stay cheap
_MAX_SEED = 2**63


class View(ABC):
    """Samples of one artifact, class after class, in its `sample_dtype`: uint8, or float32 in its space.

    Promise: sample (artifact, view, epoch, index) is one image, bit for bit, whatever is asked for along with it and
    in whichever process.
    """

    mode: str  # "frozen" or "fresh"

    def __init__(self, artifact: CondensedArtifact, *, samples_per_class: int) -> None:
        self.artifact, self.samples_per_class = artifact, samples_per_class

    def __len__(self) -> int:
        return self.samples_per_class * self.artifact.spec.num_classes

    def labels(self, index: Integers) -> Tensor:
        """Labels (len(index),) int64."""
        return torch.from_numpy(index // self.samples_per_class)

    @abstractmethod
    def soft_labels(self, rows: Rows) -> Tensor:
        """Labels (len(rows.positions), K) float32.

        Raises:
            SpecError: there are none.
        """

    @abstractmethod
    def image(self, index: int, epoch: int) -> Tensor:
        """One image (C, H, W). Others read this memory too: copy it before you change it."""

    @abstractmethod
    def images(self, rows: Rows) -> Tensor:
        """Images (len(rows.positions), C, H, W), in memory of their own."""

    def floats(self, rows: Rows) -> Tensor:
        """The same as float32: bytes divided by 255, floats as they are."""
        return as_float(self.images(rows))

    @property
    def epoch(self) -> int:
        return 0

    @abstractmethod
    def set_epoch(self, epoch: int) -> None:
        """Chooses the samples that an index without an epoch means."""

    @abstractmethod
    def describe(self) -> str:
        """One line for `repr`."""

    @abstractmethod
    def identity(self) -> dict[str, Any]:
        """What decides the samples, besides the artifact and the epoch; fit for JSON."""

    def resolve(self, rows: Rows) -> tuple[View, Rows]:
        """The view that makes `rows`, and what they are called there."""
        return self, rows

    def select(self, picks: Picks) -> View:
        """Some of these samples."""
        return SelectedView(self, picks)

    def _check_on_host(self) -> None:
        settle()
        state = next(iter(self.artifact.generator.state_dict().values()), None)
        if state is not None and state.device.type != "cpu":
            raise SpecError(
                f"the artifact's generator is on {state.device}",
                where=str(self.artifact.path),
                expected="the host, where it was opened; DataLoader workers can use no accelerator",
                remedy="Leave it there and let the loader generate: ds.fresh().loader(device=...).",
            )


class FrozenView(View):
    """The frozen set: IPC images per class, the same in every epoch; or `ipc` of them, where codes store more.

    Each image is generated when it is first asked for, kept, and shared with DataLoader workers; see `FrozenStore`.
    """

    mode = "frozen"

    def __init__(self, artifact: CondensedArtifact, *, ipc: int | None = None) -> None:
        super().__init__(artifact, samples_per_class=artifact.ipc if ipc is None else ipc)
        self._soft: Tensor | None = None  # labels of the whole set, once they were asked for
        key = FrozenKey(
            artifact_id=artifact.artifact_id,
            shape=(len(self), *artifact.spec.shape),
            dtype=artifact.manifest.sampling.dtype,
            block=artifact.manifest.sampling.micro_batch,
        )
        self._store = FrozenStore(key, frozen_path(key))

    def image(self, index: int, epoch: int) -> Tensor:
        return self._pixels(np.array([index]))[index]

    def images(self, rows: Rows) -> Tensor:
        # numpy gathers in one thread; see `as_float` for why that is the faster one.
        return torch.from_numpy(np.take(self._pixels(rows.positions).numpy(), rows.positions, axis=0))

    def floats(self, rows: Rows) -> Tensor:
        return gathered_as_float(self._pixels(rows.positions), rows.positions)

    def soft_labels(self, rows: Rows) -> Tensor:
        if self.artifact.manifest.labels.kind == "hard":
            raise SpecError(
                "the artifact has hard labels only", where=str(self.artifact.path), remedy='with_labels("hard")'
            )
        if self._soft is None:
            self._soft = self.artifact.frozen_soft_labels(ipc=self.samples_per_class)
        assert self._soft is not None, "of an artifact with soft labels"
        return self._soft[torch.from_numpy(rows.positions)]

    def set_epoch(self, epoch: int) -> None:
        _checked_epoch(epoch)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_soft": None}  # derived

    def describe(self) -> str:
        return f"frozen, {self.samples_per_class} per class"

    def identity(self) -> dict[str, Any]:
        further = {} if self.samples_per_class == self.artifact.ipc else {"ipc": self.samples_per_class}
        return {"mode": self.mode, **further}

    def _pixels(self, index: Integers) -> Tensor:
        store = self._store
        if store.is_complete:
            return store.pixels
        pixels = store.rows(index, self._generate)
        # What is only looked up (a pixel bank) is in the artifact already.
        if not store.is_cached and self.artifact.generator.macs_per_image():
            store.keep()
        return pixels

    def _generate(self, index: Integers) -> Tensor:
        self._check_on_host()
        return self.artifact.frozen_images(index, ipc=self.samples_per_class)[0]


class FreshView(View):
    """New samples in every epoch, keyed by (seed, epoch, index).

    The epoch lies in shared memory, so that `set_epoch` reaches persistent workers. They fetch ahead: call it before
    the DataLoader's iterator is made, or send (epoch, index) pairs as indices, which nothing can overtake.
    """

    mode = "fresh"

    def __init__(self, artifact: CondensedArtifact, *, samples_per_class: int, seed: int) -> None:
        check_at_least("samples_per_class", samples_per_class, 1)
        check_at_least("seed", seed, 0)
        super().__init__(artifact, samples_per_class=samples_per_class)
        self.seed = seed
        self._epoch = SharedNumber()
        self._recent = RecentBlocks(_RECENT_BYTES)

    @property
    def epoch(self) -> int:
        return self._epoch.value

    def set_epoch(self, epoch: int) -> None:
        self._epoch.value = _checked_epoch(epoch)

    def image(self, index: int, epoch: int) -> Tensor:
        # One image costs as much as a micro-batch, so its neighbours are kept too.
        size = self.artifact.manifest.sampling.micro_batch
        first = index - index % size
        rows = np.arange(first, min(first + size, len(self)))
        return self._recent.get((epoch, first), lambda: self._generate(rows, epoch))[index - first]

    def images(self, rows: Rows) -> Tensor:
        return self._by_epoch(rows, self._generate)

    def soft_labels(self, rows: Rows) -> Tensor:
        if not self.artifact.has_fresh_soft_labels:
            stored = self.artifact.manifest.labels.kind == "soft"
            raise SpecError(
                "stored soft labels belong to the frozen set; fresh samples have none"
                if stored
                else "the artifact has hard labels only",
                where=str(self.artifact.path),
                remedy='with_labels("hard")',
            )
        return self._by_epoch(rows, lambda index, epoch: self.artifact.fresh_soft_labels(index, **self._key(epoch)))

    def describe(self) -> str:
        return f"fresh, {self.samples_per_class} per class, seed {self.seed}, epoch {self.epoch}"

    def identity(self) -> dict[str, Any]:
        return {"mode": self.mode, "samples_per_class": self.samples_per_class, "seed": self.seed}

    def _by_epoch(self, rows: Rows, make: Callable[[Integers, int], Tensor]) -> Tensor:
        """What `make` gives for the indices of each epoch, in the order of `rows`."""
        if isinstance(rows.epoch, int):
            return make(rows.positions, rows.epoch)
        made = make(rows.positions[:0], 0)
        made = made.new_empty(len(rows.positions), *made.shape[1:])
        for epoch in np.unique(rows.epoch).tolist():
            chosen = rows.epoch == epoch
            made[torch.from_numpy(chosen)] = make(rows.positions[chosen], epoch)
        return made

    def _generate(self, index: Integers, epoch: int) -> Tensor:
        self._check_on_host()
        return self.artifact.fresh_images(index, **self._key(epoch))[0]

    def _key(self, epoch: int) -> dict[str, int]:
        return {"samples_per_class": self.samples_per_class, "seed": self.seed, "epoch": epoch}


class SelectedView(View):
    """Some samples of another view, in an order of their own."""

    def __init__(self, whole: View, picks: Picks) -> None:
        super().__init__(whole.artifact, samples_per_class=whole.samples_per_class)
        self.whole, self.picks, self.mode = whole, picks, whole.mode

    def __len__(self) -> int:
        return len(self.picks)

    def labels(self, index: Integers) -> Tensor:
        return self.whole.labels(picked(self.picks, index))

    def soft_labels(self, rows: Rows) -> Tensor:
        view, there = self.resolve(rows)
        return view.soft_labels(there)

    def image(self, index: int, epoch: int) -> Tensor:
        return self.whole.image(int(picked(self.picks, np.array([index]))[0]), epoch)

    def images(self, rows: Rows) -> Tensor:
        view, there = self.resolve(rows)
        return view.images(there)

    def floats(self, rows: Rows) -> Tensor:
        view, there = self.resolve(rows)
        return view.floats(there)

    @property
    def epoch(self) -> int:
        return self.whole.epoch

    def set_epoch(self, epoch: int) -> None:
        self.whole.set_epoch(epoch)

    def describe(self) -> str:
        return f"{len(self):,} of {len(self.whole):,} samples: {self.whole.describe()}"

    def identity(self) -> dict[str, Any]:
        return {**self.whole.identity(), "selection": described(self.picks)}

    def resolve(self, rows: Rows) -> tuple[View, Rows]:
        return self.whole, Rows(picked(self.picks, rows.positions), rows.epoch)

    def select(self, picks: Picks) -> View:
        return SelectedView(self.whole, narrowed(self.picks, picks))


def check_at_least(name: str, value: Any, least: int) -> None:
    """Raises SpecError unless `value` is a whole number from `least` to 2**63 - 1."""
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value < _MAX_SEED:
        raise SpecError(f"{name} is {value!r}", expected=f"a whole number from {least} to 2**63 - 1")


def _checked_epoch(epoch: Any) -> int:
    value = operator.index(epoch)
    check_at_least("epoch", value, 0)
    return value
