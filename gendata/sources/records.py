"""Fixed-size records of label bytes and pixel planes: the binary edition of CIFAR."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gendata.errors import SourceError


def read_records(
    path: Path, shape: tuple[int, int, int], *, label_bytes: int, count: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Images (count, C, H, W) and labels (count,); the last label byte of a record is its class.

    Raises:
        SourceError: the file does not hold exactly `count` records.
    """
    record = label_bytes + math.prod(shape)
    size = path.stat().st_size
    if size != count * record:
        raise SourceError(
            f"{size} bytes",
            where=str(path),
            expected=f"{count * record} ({count} records of {record})",
            remedy="Delete the file and fetch it again.",
        )
    rows = np.fromfile(path, dtype=np.uint8).reshape(count, record)
    return rows[:, label_bytes:].reshape(count, *shape), rows[:, label_bytes - 1]
