"""Checks that every layout needs: is this part of the tree the tensor it should be?"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gendata.errors import SourceError


def image_tensor(value: Any, where: Path | str) -> Tensor:
    """Images (N, C, H, W), uint8 or float32.

    Raises:
        SourceError: something else, none at all, or absurdly large ones.
    """
    if not isinstance(value, Tensor) or value.dim() != 4 or 0 in value.shape:
        raise SourceError(f"images are {_told(value)}", where=str(where), expected="a tensor (N, C, H, W)")
    if not (value.is_floating_point() or value.dtype == torch.uint8):
        raise SourceError(f"images are {_told(value)}", where=str(where), expected="floats, or uint8")
    _, channels, height, width = value.shape
    if channels > 64 or max(height, width) > 1 << 14:
        raise SourceError(f"images are {_told(value)}", where=str(where), expected="(N, C, H, W), channels first")
    return value if value.dtype == torch.uint8 else value.to(torch.float32)


def hard_labels(value: Any, count: int, where: Path | str) -> Tensor:
    """Labels (count,) int64; whole floats are taken for the integers they are.

    Raises:
        SourceError: something else.
    """
    if not isinstance(value, Tensor) or value.shape != (count,):
        raise SourceError(f"labels are {_told(value)}", where=str(where), expected=f"a tensor ({count},)")
    whole = value.to(torch.int64)
    if value.is_floating_point() and not bool((value == whole).all()):
        raise SourceError("labels are no whole numbers", where=str(where), expected=f"({count},) class numbers")
    return whole


def soft_labels(value: Any, count: int, where: Path | str) -> Tensor:
    """Labels (count, classes) float32, finite.

    Raises:
        SourceError: something else.
    """
    is_table = isinstance(value, Tensor) and value.dim() == 2 and value.numel() > 0
    if not is_table or len(value) != count or not value.is_floating_point():
        raise SourceError(
            f"soft labels are {_told(value)}", where=str(where), expected=f"float ({count}, classes), a row per image"
        )
    labels: Tensor = value.to(torch.float32)
    if not bool(labels.isfinite().all()):
        raise SourceError("soft labels hold a value that is not finite", where=str(where), expected="numbers")
    return labels


def number(value: Any, where: Path | str) -> float:
    """A single finite number, in a tensor or not.

    Raises:
        SourceError: something else.
    """
    if isinstance(value, Tensor) and value.numel() == 1:
        value = value.item()
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise SourceError(f"holds {_told(value)}", where=str(where), expected="one number")
    try:
        found = float(value)
    except OverflowError:
        found = math.inf
    if not math.isfinite(found):
        raise SourceError("holds a number beyond any", where=str(where), expected="a finite number")
    return found


def _told(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"{str(value.dtype).removeprefix('torch.')} {tuple(value.shape)}"
    return f"a {type(value).__name__}"
