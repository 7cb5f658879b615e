"""A shuffled order that is a function of (seed, epoch) and can be read at any place: nothing to keep, nothing to save.

A Feistel network over Z_a x Z_b, a * b just above the length, whose few values beyond the end are encrypted again until
they fall inside (Black, Rogaway, "Ciphers with arbitrary finite domains", CT-RSA 2002). Integer arithmetic in numpy:
the same order on every machine and with every version.
"""

from __future__ import annotations

import hashlib
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gendata.dataset.indices import Integers

_ROUNDS = 8
_BLOCK = 8192  # values at a time, so that they stay in the cache: 0.1 us each, against 0.5 all at once
# Odd multipliers of SplitMix64 (Steele, Lea, Flood 2014): two of them spread every bit over the upper half.
_MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
_HALF_WORD = np.uint64(32)
_LONGEST = 2**62


def shuffled(places: Integers, *, length: int, seed: int, epoch: int, stream: str = "") -> Integers:
    """What stands at `places` of the shuffled order of 0 .. length - 1.

    Args:
        places: (N,) from 0 to length - 1.
        length: 1 to 2**62.
        seed, epoch: any whole numbers; every pair gives another order.
        stream: another text, another order.
    """
    if not 1 <= length <= _LONGEST:
        raise ValueError(f"length must be 1 to {_LONGEST}, got {length}")
    width = math.isqrt(length - 1) + 1
    height = -(-length // width)  # width * height - length < width: few values fall outside
    keys = _keys(f"{stream}/{length}/{seed}/{epoch}")
    order = np.empty(len(places), dtype=np.int64)
    for start in range(0, len(places), _BLOCK):
        block = slice(start, start + _BLOCK)
        found = _encrypted(places[block].astype(np.uint64), width, height, keys)
        while (outside := np.flatnonzero(found >= length)).size:
            found[outside] = _encrypted(found[outside], width, height, keys)
        order[block] = found
    return order


def _encrypted(values: NDArray[np.uint64], width: int, height: int, keys: NDArray[np.uint64]) -> NDArray[np.uint64]:
    left, right = np.divmod(values, np.uint64(width))  # left < height, right < width
    for turn in range(0, _ROUNDS, 2):
        left = _turned(left, _below(height, right, keys[turn]), height)
        right = _turned(right, _below(width, left, keys[turn + 1]), width)
    encrypted: NDArray[np.uint64] = left * np.uint64(width) + right
    return encrypted


def _turned(value: NDArray[np.uint64], by: NDArray[np.uint64], modulus: int) -> NDArray[np.uint64]:
    """(value + by) mod modulus of two smaller numbers; by subtraction, as `%` costs ten times as much."""
    by += value
    np.subtract(by, np.uint64(modulus), out=by, where=by >= modulus)
    return by


def _below(bound: int, value: NDArray[np.uint64], key: Any) -> NDArray[np.uint64]:
    """A number below `bound` (at most 2**31) that follows from value and key."""
    mixed: NDArray[np.uint64] = value + key
    mixed *= _MIX[0]
    mixed ^= mixed >> _HALF_WORD
    mixed *= _MIX[1]
    mixed >>= _HALF_WORD
    mixed *= np.uint64(bound)
    mixed >>= _HALF_WORD
    return mixed


def _keys(name: str) -> NDArray[np.uint64]:
    digest = hashlib.sha512(f"gendata/order/1/{name}".encode()).digest()
    return np.frombuffer(digest, dtype="<u8").astype(np.uint64)
