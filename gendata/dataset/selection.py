"""Which samples of a dataset a smaller one has."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from gendata.dataset.indices import Integers


@dataclass(frozen=True)
class Evenly:
    """`count` of `total` samples, at even distances; every sample if both are equal."""

    count: int
    total: int

    def __len__(self) -> int:
        return self.count


Picks: TypeAlias = "range | Evenly | Integers"  # of these, only an array takes memory


def picked(picks: Picks, positions: Integers) -> Integers:
    """Which samples stand at `positions` of `picks`."""
    if isinstance(picks, range):
        return picks.start + picks.step * positions
    if isinstance(picks, Evenly):
        if picks.count * picks.total < 2**63:
            return positions * picks.total // picks.count
        exact: Integers = (positions.astype(object) * picks.total // picks.count).astype(np.int64)
        return exact
    chosen: Integers = picks[positions]
    return chosen


def narrowed(picks: Picks, further: Picks) -> Picks:
    """What `further` picks out of `picks`."""
    if isinstance(picks, range) and isinstance(further, range):
        start, step = picks.start + picks.step * further.start, picks.step * further.step
        return range(start, start + step * len(further), step)
    return picked(picks, all_of(further))


def all_of(picks: Picks) -> Integers:
    """Every sample that `picks` names, in its order."""
    return picked(picks, np.arange(len(picks), dtype=np.int64))


def described(picks: Picks) -> Any:
    """A short value, fit for JSON, that two different selections do not share."""
    if isinstance(picks, range):
        return [picks.start, picks.step, len(picks)]
    if isinstance(picks, Evenly):
        return {"evenly": [picks.count, picks.total]}
    return hashlib.sha256(picks.astype("<i8").tobytes()).hexdigest()
