"""Bounds of methods' options, refused before anything is trained."""

from __future__ import annotations

import math
from collections.abc import Mapping

import msgspec

from gendata.errors import SpecError

_MOST_KEPT = 2**31  # numbers; as float32 8.6 GB


def check_positive(config: msgspec.Struct, *names: str) -> None:
    """Raises ValueError unless these fields are finite and above 0."""
    for name in names:
        if not 0 < getattr(config, name) < math.inf:
            raise ValueError(f"{name} must be above 0, got {getattr(config, name)}")


def check_within(config: msgspec.Struct, most: Mapping[str, int]) -> None:
    """Raises ValueError unless each field is None, or 1 to what `most` says of it."""
    for name, bound in most.items():
        value = getattr(config, name)
        if value is not None and not 1 <= value <= bound:
            raise ValueError(f"{name} must be 1 to {bound}, got {value}")


def check_kept(count: int, num_weights: int, *, where: str) -> None:
    """Raises SpecError if so many networks, which stay in memory and in every checkpoint, are beyond any use."""
    if count * num_weights > _MOST_KEPT:
        raise SpecError(
            f"{count} networks of {num_weights:,} weights would be kept, {4 * count * num_weights / 1e9:.0f} GB",
            where=where, expected=f"at most {4 * _MOST_KEPT / 1e9:.1f} GB: fewer of them, or a narrower network",
        )  # fmt: skip
