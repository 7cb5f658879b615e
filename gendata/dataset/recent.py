"""The blocks of samples that were generated last."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any

from torch import Tensor


class RecentBlocks:
    """A least-recently-used store of tensors, bounded in bytes and private to its process. Thread-safe."""

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self._blocks: OrderedDict[Hashable, Tensor] = OrderedDict()
        self._num_bytes = 0
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], Tensor]) -> Tensor:
        """The block under `key`, made now if it is not held. The newest block is held whatever its size."""
        with self._lock:
            if key in self._blocks:
                self._blocks.move_to_end(key)
                return self._blocks[key]
        block = make()  # outside the lock: two threads may make the same block, and both are right
        with self._lock:
            self._insert(key, block)
        return block

    def _insert(self, key: Hashable, block: Tensor) -> None:
        if key not in self._blocks:
            self._blocks[key] = block
            self._num_bytes += block.nbytes
        while self._num_bytes > self.max_bytes and len(self._blocks) > 1:
            self._num_bytes -= self._blocks.popitem(last=False)[1].nbytes

    def __len__(self) -> int:
        return len(self._blocks)

    def __reduce__(self) -> tuple[Any, ...]:
        return (RecentBlocks, (self.max_bytes,))
