"""A number that a data set shares with the workers made from it, forked and spawned ones."""

from __future__ import annotations

from multiprocessing.context import get_spawning_popen
from multiprocessing.sharedctypes import RawValue
from typing import Any

# Every cell ever made: one that was freed would be the next number's while a worker still reads it.
_KEPT: list[Any] = []


class SharedNumber:
    """An int64 in memory that processes share: what one sets the others read. Copies have a number of their own.

    Not a tensor: thousands of them cost a few file descriptors, and torch's default device and inference mode do not
    matter. Its eight bytes stay as long as the process.
    """

    def __init__(self, value: int = 0) -> None:
        self._cell = RawValue("q", value)
        _KEPT.append(self._cell)

    @property
    def value(self) -> int:
        return int(self._cell.value)

    @value.setter
    def value(self, value: int) -> None:
        self._cell.value = value

    def __reduce__(self) -> tuple[Any, ...]:
        if get_spawning_popen() is None:  # a copy, not a worker that is being started
            return SharedNumber, (self.value,)
        return _attached, (self._cell,)


def _attached(cell: Any) -> SharedNumber:
    number = SharedNumber.__new__(SharedNumber)
    number._cell = cell
    return number
