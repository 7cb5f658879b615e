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

_log = logging.getLogger("gendata")


class FrozenStore:
    """Images (N, C, H, W) of a frozen set, read from the cache or filled block by block as they are asked for.

    While it is being filled it is anonymous shared memory, and one flag per block: filled or not. Forked workers see
    what any of them wrote, nothing has a name, nothing is left behind, and pages cost nothing until they are written.
    There is no lock, since whoever fills a block writes the same bytes. Spawned workers get it through torch's own
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
        self._complete = False  # this process has seen that all blocks are there
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
        if not self._complete:
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
        """Puts a complete set into the cache, and reads it from there from now on."""
        if self._complete and self._mapped is None:
            keep_frozen(self.key, self.path, self.pixels)
            self._map()

    @property
    def is_complete(self) -> bool:
        """Whether every block can be read; as far as this process has seen."""
        return self._complete

    def _map(self) -> None:
        self._mapped = open_frozen(self.key, self.path)
        if self._mapped is not None:
            self.pixels, self._complete = self._mapped.pixels, False
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
        self._complete = bool(self._sound.all())

    def _fill_from(self, memory: Tensor | None) -> None:
        num_bytes = self.key.num_bytes
        if memory is None:
            memory = torch.frombuffer(mmap.mmap(-1, num_bytes + self.key.num_blocks), dtype=torch.uint8)
        self._memory = memory
        self.pixels = memory[:num_bytes].view(getattr(torch, self.key.dtype)).view(self.key.shape)
        self._filled = memory[num_bytes:]  # (num_blocks,) 0 or 1; set after the pixels of the block

    def _fill(self, rows: Integers, make: Callable[[Integers], Tensor]) -> None:
        block = self.key.block
        wanted = np.unique(rows // block)
        for number in wanted[self._filled.numpy()[wanted] == 0].tolist():
            missing = np.arange(number * block, min((number + 1) * block, self.key.shape[0]))
            self.pixels[missing[0] : missing[-1] + 1] = make(missing)
            self._filled[number] = 1
        self._complete = bool(self._filled.all())

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
