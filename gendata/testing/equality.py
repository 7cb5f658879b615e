"""When two samples are the same, and how a batch falls into samples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor


def same(one: Any, other: Any) -> bool:
    """Whether nested containers of tensors, arrays and plain values are equal in type, shape, dtype and every bit."""
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other)
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and bool(one == other)


def samples_of(batch: Any) -> list[Any]:
    """The samples of a batch of tensors, arrays or lists that hold one value per sample, in any nesting."""
    if isinstance(batch, Mapping):
        columns = {key: samples_of(value) for key, value in batch.items()}
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    if isinstance(batch, list | tuple) and batch and not isinstance(batch[0], int | float | str):
        return [list(row) for row in zip(*map(samples_of, batch), strict=True)]
    return list(batch)
