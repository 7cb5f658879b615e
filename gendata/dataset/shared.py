"""Memory for images that a process and its DataLoader workers fill together."""

from __future__ import annotations

import logging
import mmap
from collections.abc import Callable
from multiprocessing.context import get_spawning_popen
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gendata.dataset.indices import Integers

_log = logging.getLogger("gendata")


class SharedImages:
    """Images (N, C, H, W) in zeroed memory, and one flag per block of rows: filled or not.

    Anonymous shared memory: forked workers see what any of them wrote, nothing has a name, nothing is left behind,
    and pages cost nothing until they are written. Spawned workers get it through torch's own shared memory; any other
    pickle carries no pixels. There is no lock, since whoever fills a block writes the same bytes.
    """

    def __init__(
        self,
        shape: tuple[int, int, int, int],
        *,
        block: int,
        dtype: torch.dtype = torch.uint8,
        memory: Tensor | None = None,
    ) -> None:
        self.shape, self.block, self.dtype = shape, block, dtype
        num_bytes = shape[0] * shape[1] * shape[2] * shape[3] * dtype.itemsize
        num_blocks = -(-shape[0] // block)
        if memory is None:
            memory = torch.frombuffer(mmap.mmap(-1, num_bytes + num_blocks), dtype=torch.uint8)
        self._memory = memory
        self.pixels = memory[:num_bytes].view(dtype).view(shape)
        self.filled = memory[num_bytes:]  # (num_blocks,) 0 or 1; set after the pixels of the block
        self._complete = False  # this process has seen that all are filled

    def fill(self, rows: Integers, make: Callable[[Integers], Tensor]) -> None:
        """Sees to it that `pixels` holds `rows`; `make` gives the images of the row numbers that are missing."""
        if self._complete:
            return
        wanted = np.unique(rows // self.block)
        for number in wanted[self.filled.numpy()[wanted] == 0].tolist():
            missing = np.arange(number * self.block, min((number + 1) * self.block, self.shape[0]))
            self.pixels[missing[0] : missing[-1] + 1] = make(missing)
            self.filled[number] = 1
        self._complete = bool(self.filled.all())

    def __reduce__(self) -> tuple[Any, ...]:
        return (_received, (self.shape, self.block, self.dtype, self._portable()))

    def _portable(self) -> Tensor | None:
        if get_spawning_popen() is None:
            return None
        try:
            shared: Tensor = self._memory.share_memory_()
            return shared
        except (RuntimeError, OSError) as error:  # /dev/shm is often small in containers
            _log.warning("the frozen set does not fit into shared memory; every worker generates its own (%s)", error)
            return None


def _received(shape: tuple[int, int, int, int], block: int, dtype: torch.dtype, memory: Tensor | None) -> SharedImages:
    return SharedImages(shape, block=block, dtype=dtype, memory=memory)
