"""A split: all images and labels of one part of a source."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Split(NamedTuple):
    """Images and labels, in the source's own order."""

    x: Tensor  # uint8 (N, C, H, W)
    y: Tensor  # int64 (N,), 0 .. num_classes - 1
