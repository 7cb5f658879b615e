"""What a user may write between the brackets of a dataset, as arrays."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

Integers = NDArray[np.int64]


class Rows(NamedTuple):
    """Which samples: positions in 0 .. length - 1, and of which epoch (one for all, or one each)."""

    positions: Integers
    epoch: int | Integers


def single(item: Any, *, length: int, epoch: int) -> tuple[int, int] | None:
    """(index, epoch) if `item` means one sample: an integer of any kind, or an (epoch, index) pair; else None.

    Raises:
        IndexError: out of range; `for x in dataset` relies on it.
    """
    if isinstance(item, tuple):
        epoch, item = _pair(item)
    if getattr(item, "ndim", 0):  # a tensor of one value would pass for an integer
        return None
    try:
        position = operator.index(item)
    except TypeError:
        return None
    if not -length <= position < length:
        raise _out_of_range(position, length)
    return position % length, epoch


def several(items: Any, *, length: int, epoch: int) -> Rows:
    """The rows that a slice, a sequence or array of integers or (epoch, index) pairs, or a mask of all rows means.

    Raises:
        IndexError: a position is out of range, or a mask has another length.
        TypeError: `items` is none of these.
    """
    if isinstance(items, slice):
        return Rows(np.arange(*items.indices(length), dtype=np.int64), epoch)
    if isinstance(items, Sequence) and not isinstance(items, str) and any(isinstance(item, tuple) for item in items):
        pairs = [_pair(item) if isinstance(item, tuple) else (epoch, item) for item in items]
        epochs = np.array([pair[0] for pair in pairs], dtype=np.int64)
        return Rows(_positions([pair[1] for pair in pairs], length), epochs)
    return Rows(_positions(items, length), epoch)


def _positions(items: Any, length: int) -> Integers:
    raw = items.numpy(force=True) if isinstance(items, Tensor) else np.asarray(items)
    if raw.ndim != 1 or (raw.size and raw.dtype.kind not in "iub"):
        raise TypeError(
            f"cannot index a dataset with {type(items).__name__} of dtype {raw.dtype}, shape {raw.shape}; expected an "
            "integer, an (epoch, index) pair, a slice, or a one-dimensional list or array of integers"
        )
    if raw.size and raw.dtype.kind == "b":
        if raw.size != length:
            raise IndexError(f"a mask of {raw.size} values cannot select from {length} samples")
        return np.flatnonzero(raw).astype(np.int64)
    if not raw.size:
        return np.empty(0, dtype=np.int64)
    outside = raw >= length if raw.dtype.kind == "u" else (raw < -length) | (raw >= length)
    if outside.any():
        raise _out_of_range(int(raw[outside][0]), length)
    positions = raw.astype(np.int64)
    return np.where(positions < 0, positions + length, positions)


def _pair(item: tuple[Any, ...]) -> tuple[int, Any]:
    if len(item) != 2:
        raise TypeError(f"cannot index a dataset with a tuple of {len(item)}; expected an (epoch, index) pair")
    epoch = operator.index(item[0])
    if not 0 <= epoch < 2**63:
        raise IndexError(f"the epoch of the pair {item} is negative, or beyond int64")
    return epoch, item[1]


def _out_of_range(position: int, length: int) -> IndexError:
    return IndexError(f"index {position} is out of range; the dataset has {length} samples")
