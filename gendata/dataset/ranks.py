"""Which of several training processes this one is."""

from __future__ import annotations

import os
from typing import NamedTuple

import torch

from gendata.errors import SpecError


class Rank(NamedTuple):
    """Process `number` of `world_size`."""

    number: int
    world_size: int


def current_rank(number: int | None = None, world_size: int | None = None) -> Rank:
    """What is given; else torch.distributed's, else what its launcher says ($RANK, $WORLD_SIZE), else 0 of 1.

    Raises:
        SpecError: only one of the two is given, or they do not agree.
    """
    if (number is None) != (world_size is None):
        raise SpecError(f"rank is {number} and world_size is {world_size}", expected="both, or neither")
    if number is None or world_size is None:
        number, world_size = _distributed()
    if not 0 <= number < world_size:
        raise SpecError(f"rank is {number} of a world of {world_size}", expected=f"0 to {world_size - 1}")
    return Rank(number, world_size)


def _distributed() -> tuple[int, int]:
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.distributed.get_rank(), torch.distributed.get_world_size()
    values = os.environ.get("RANK", ""), os.environ.get("WORLD_SIZE", "")
    if all(value.isdecimal() for value in values):
        return int(values[0]), int(values[1])
    return 0, 1
