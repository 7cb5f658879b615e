"""Counter-based random numbers: the value of (seed, epoch, stream, index, position) and nothing else.

Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011), in numpy. Sample i gets the same
numbers alone or in any batch, on any machine and with any numpy: words come from integer arithmetic, and normals from
float64 additions, multiplications, divisions and square roots, which IEEE 754 rounds one way only. `np.log`, `np.cos`
and `np.sin` are avoided for that reason: their last bit depends on the processor's vector unit.
"""

from __future__ import annotations

import hashlib
import math

import numpy as np
from numpy.typing import NDArray

from gendata.errors import SpecError

RNG = "philox4x32-10/bm64/1"  # the scheme's name in manifests: change any number below, and this must change

_UNIFORM, _NORMAL = 0, 1  # last counter word: keeps the two kinds of draw apart
_LOW = np.uint64(0xFFFFFFFF)
_HALF_WORD = np.uint64(32)
_MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_KEY_STEPS = (0x9E3779B9, 0xBB67AE85)
_ROUNDS = 10

# Coefficients by ascending power; each series is cut where the next term is below 2**-60 on its range.
_ATANH = tuple(2.0 / (2 * k + 1) for k in range(12))  # log((1+s)/(1-s)) / s in s*s, |s| <= 0.172
_COS = tuple((-1.0) ** k / math.factorial(2 * k) for k in range(10))  # in a*a, |a| <= pi/4
_SIN = tuple((-1.0) ** k / math.factorial(2 * k + 1) for k in range(10))
_LN2 = 0.6931471805599453
_QUARTER_TURN = 1.5707963267948966
_SQRT_HALF = 0.7071067811865476


def uniforms(index: NDArray[np.int64], count: int, *, seed: int, epoch: int, stream: str) -> NDArray[np.float32]:
    """Uniform numbers of the samples `index`: (N, count) in [0, 1), multiples of 2**-24.

    The first numbers do not depend on `count`.

    Raises:
        SpecError: seed, epoch or an index is outside 0 .. 2**63 - 1.
    """
    words = _words(index, count, kind=_UNIFORM, key=_key(seed, epoch, stream))
    drawn: NDArray[np.float32] = (words >> np.uint64(8)).astype(np.float32) * np.float32(2.0**-24)
    return drawn


def normals(index: NDArray[np.int64], count: int, *, seed: int, epoch: int, stream: str) -> NDArray[np.float32]:
    """Standard normal numbers of the samples `index`: (N, count), Box-Muller in float64 rounded to float32.

    The first numbers do not depend on `count`. No value exceeds 6.67 in size.

    Raises:
        SpecError: seed, epoch or an index is outside 0 .. 2**63 - 1.
    """
    words = _words(index, count + count % 2, kind=_NORMAL, key=_key(seed, epoch, stream))
    radius = np.sqrt(-2.0 * _log((words[:, 0::2] + np.uint64(1)).astype(np.float64) * 2.0**-32))
    cosine, sine = _turn(words[:, 1::2])
    pairs = np.stack([radius * cosine, radius * sine], axis=-1)
    return pairs.reshape(words.shape)[:, :count].astype(np.float32)


def philox4x32(counter: NDArray[np.uint64], key: tuple[int, int]) -> NDArray[np.uint64]:
    """Ten rounds of Philox: counters (..., 4) of 32-bit words, held in uint64, to random words of the same shape."""
    c0, c1, c2, c3 = (counter[..., i] for i in range(4))
    for turn in range(_ROUNDS):
        key0, key1 = (np.uint64((k + turn * step) & 0xFFFFFFFF) for k, step in zip(key, _KEY_STEPS, strict=True))
        product0, product1 = _MULTIPLIERS[0] * c0, _MULTIPLIERS[1] * c2
        c0, c1 = (product1 >> _HALF_WORD) ^ c1 ^ key0, product1 & _LOW
        c2, c3 = (product0 >> _HALF_WORD) ^ c3 ^ key1, product0 & _LOW
    return np.stack([c0, c1, c2, c3], axis=-1)


def _key(seed: int, epoch: int, stream: str) -> tuple[int, int]:
    for name, value in (("seed", seed), ("epoch", epoch)):
        if not 0 <= value < 2**63:
            raise SpecError(f"{name} is {value}", expected="0 to 2**63 - 1")
    # Hashed, not packed: 64 bits cannot hold both numbers, and seed 1 must differ from 1 + 2**32.
    digest = hashlib.sha256(f"gendata/{RNG}/{stream}/{seed}/{epoch}".encode()).digest()
    return int.from_bytes(digest[:4], "little"), int.from_bytes(digest[4:8], "little")


def _words(index: NDArray[np.int64], count: int, *, kind: int, key: tuple[int, int]) -> NDArray[np.uint64]:
    """(N, count) random words: word w of sample i is word w % 4 of counter (w // 4, i low, i high, kind)."""
    index = np.asarray(index, dtype=np.int64).reshape(-1)
    if index.size and index.min() < 0:
        raise SpecError(f"index holds {index.min()}", expected="0 to 2**63 - 1")
    blocks = -(-count // 4)
    sample = index.astype(np.uint64)[:, None]
    counter = np.empty((index.size, blocks, 4), dtype=np.uint64)
    counter[..., 0] = np.arange(blocks, dtype=np.uint64)
    counter[..., 1] = sample & _LOW
    counter[..., 2] = sample >> _HALF_WORD
    counter[..., 3] = kind
    return philox4x32(counter, key).reshape(index.size, blocks * 4)[:, :count]


def _log(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Natural logarithm on (0, 1], the same bits on every machine."""
    fraction, exponent = np.frexp(x)
    small = fraction < _SQRT_HALF
    fraction = np.where(small, 2.0 * fraction, fraction)
    s = (fraction - 1.0) / (fraction + 1.0)
    return (exponent - small) * _LN2 + s * _series(_ATANH, s * s)


def _turn(words: NDArray[np.uint64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Cosine and sine of a random angle: two bits choose the quarter, thirty the angle in -pi/4 .. pi/4 around it."""
    quarter = (words >> np.uint64(30)).astype(np.int64)
    angle = ((words & np.uint64(0x3FFFFFFF)).astype(np.float64) * 2.0**-30 - 0.5) * _QUARTER_TURN
    cosine, sine = _series(_COS, angle * angle), angle * _series(_SIN, angle * angle)
    odd, negative = quarter % 2 == 1, quarter >= 2
    cosine, sine = np.where(odd, -sine, cosine), np.where(odd, cosine, sine)
    return np.where(negative, -cosine, cosine), np.where(negative, -sine, sine)


def _series(coefficients: tuple[float, ...], x: NDArray[np.float64]) -> NDArray[np.float64]:
    total = np.full_like(x, coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        total = total * x + coefficient
    return total
