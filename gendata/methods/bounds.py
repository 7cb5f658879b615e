"""Bounds of methods' options, refused before anything is trained."""

from __future__ import annotations

import math
from collections.abc import Mapping

import msgspec


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
