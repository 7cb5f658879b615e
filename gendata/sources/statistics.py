"""Mean and standard deviation of pixels: what evaluation normalises with."""

from __future__ import annotations

import numpy as np

from gendata.sources.split import Split

_LEAST_DEVIATION = 1.0  # of 255 steps


def pixel_statistics(split: Split) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation (population) per channel, of pixels in [0, 1].

    A channel that never changes has deviation 1/255: what is divided by it must stay finite.
    Sums are taken over a histogram of the 256 values, in integers: the result is the same on every machine.
    """
    moments = [_moments(split.x.numpy()[:, channel]) for channel in range(split.x.shape[1])]
    return tuple(mean for mean, _ in moments), tuple(std for _, std in moments)


def _moments(values: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> tuple[float, float]:
    histogram = np.zeros(256, dtype=np.int64)
    for start in range(0, len(values), 1024):  # bincount widens to int64: a block at a time
        histogram += np.bincount(values[start : start + 1024].ravel(), minlength=256)
    counts = [int(count) for count in histogram]
    total = sum(counts)
    first = sum(value * count for value, count in enumerate(counts))
    second = sum(value * value * count for value, count in enumerate(counts))
    variance = (total * second - first * first) / (total * total)  # integers above the line: nothing cancels
    return first / total / 255.0, max(float(variance**0.5), _LEAST_DEVIATION) / 255.0
