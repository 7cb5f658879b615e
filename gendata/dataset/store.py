"""The pixels of a frozen set: each image is made once, whoever asks for it."""

from __future__ import annotations

import logging
import mmap
from collections.abc import Callable
from multiprocessing.context import get_spawning_popen
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gendata.dataset.cache import FrozenKey, MappedSet, block_checksum, discard_frozen, keep_frozen, open_frozen
from gendata.dataset.indices import Integers

_BLOCKS_AT_ONCE = 64  # what an interruption loses, and what is held twice

_log = logging.getLogger("gendata")


class FrozenStore:
    """Images (N, C, H, W) of a frozen set, read from the cache or made as they are asked for.

    While it is being filled it is anonymous shared memory, and one flag per image: filled or not. Forked workers see
    what any of them wrote, nothing has a name, nothing is left behind, and pages cost nothing until they are written.
    There is no lock, since whoever makes an image writes the same bytes. Spawned workers get it through torch's own
    shared memory; any other pickle carries no pixels. A complete set goes to the cache, and comes from there, memory-
    mapped, in every later process; a damaged block is noticed when it is first read, and the set made again.

    Args:
        key: which set.
        path: its file in the cache, there or not.
        memory: where another process fills it.
    """

    def __init__(self, key: FrozenKey, path: Path, *, memory: Tensor | None = None) -> None:
        self.key, self.path = key, path
        self._mapped: MappedSet | None = None
        self._sound: NDArray[np.bool_] = np.zeros(0, dtype=np.bool_)  # blocks of the mapped file found undamaged
        self.is_complete = False  # every image can be read, as far as this process has seen
        if memory is None:
            self._map()
        if self._mapped is None:
            self._fill_from(memory)

    def rows(self, rows: Integers, make: Callable[[Integers], Tensor]) -> Tensor:
        """The pixels (N, C, H, W) of all images, of which `rows` can be read now, and no others.

        Args:
            rows: numbers of images.
            make: gives the images of row numbers that nobody has made yet.
        """
        if not self.is_complete:
            if self._mapped is not None:
                self._check(self._mapped, rows)
            if self._mapped is None:  # also where the check has just found a damaged block
                self._fill(rows, make)
        return self.pixels

    @property
    def is_cached(self) -> bool:
        """Whether the pixels are those of a file in the cache."""
        return self._mapped is not None

    def keep(self) -> None:
        """Puts a set that is complete into the cache, and reads it from there from now on."""
        if self.is_complete and self._mapped is None:
            keep_frozen(self.key, self.path, self.pixels)
            self._map()

    def _map(self) -> None:
        self._mapped = open_frozen(self.key, self.path)
        if self._mapped is not None:
            self.pixels, self.is_complete = self._mapped.pixels, False
            self._sound = np.zeros(self.key.num_blocks, dtype=np.bool_)

    def _check(self, mapped: MappedSet, rows: Integers) -> None:
        wanted = np.unique(rows // self.key.block)
        for number in wanted[~self._sound[wanted]].tolist():
            if block_checksum(mapped.pixels, number, self.key.block) != mapped.checksums[number]:
                discard_frozen(mapped.path, f"block {number} is damaged")
                self._mapped = None
                self._fill_from(None)
                return
            self._sound[number] = True
        self.is_complete = bool(self._sound.all())

    def _fill_from(self, memory: Tensor | None) -> None:
        num_bytes = self.key.num_bytes
        if memory is None:
            with torch.inference_mode(False):  # else it could only be filled under it
                memory = torch.frombuffer(mmap.mmap(-1, num_bytes + self.key.shape[0]), dtype=torch.uint8)
        self._memory = memory
        self.pixels = memory[:num_bytes].view(getattr(torch, self.key.dtype)).view(self.key.shape)
        self._filled = memory[num_bytes:]  # (N,) 0 or 1; set after the pixels of the image

    def _fill(self, rows: Integers, make: Callable[[Integers], Tensor]) -> None:
        missing = np.unique(rows)
        missing = missing[self._filled.numpy()[missing] == 0]
        chosen = self._topped_up(missing) if missing.size else missing
        at_once = _BLOCKS_AT_ONCE * self.key.block
        for start in range(0, len(chosen), at_once):
            piece = chosen[start : start + at_once]
            self.pixels[torch.from_numpy(piece)] = make(piece)
            self._filled[torch.from_numpy(piece)] = 1
        self.is_complete = bool(self._filled.all())

    def _topped_up(self, missing: Integers) -> Integers:
        """`missing`, and images after the first of them until blocks are full: a block costs as much with fewer."""
        block = self.key.block
        others = np.setdiff1d(np.flatnonzero(self._filled.numpy() == 0), missing, assume_unique=True)
        start = int(np.searchsorted(others, missing[0] // block * block))
        return np.concatenate([missing, np.roll(others, -start)[: -len(missing) % block]])

    def __reduce__(self) -> tuple[Any, ...]:
        return (_received, (self.key, self.path, self._portable()))

    def _portable(self) -> Tensor | None:
        if get_spawning_popen() is None or self._mapped is not None:
            return None
        try:
            shared: Tensor = self._memory.share_memory_()
            return shared
        except (RuntimeError, OSError) as error:  # /dev/shm is often small in containers
            _log.warning("the frozen set does not fit into shared memory; every worker generates its own (%s)", error)
            return None


def _received(key: FrozenKey, path: Path, memory: Tensor | None) -> FrozenStore:
    return FrozenStore(key, path, memory=memory)
