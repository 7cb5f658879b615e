"""What the networks of a row come to: their mean, and how far they lie apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import fmean, pstdev

from gendata.errors import unknown_name


def mean_and_std(reported: Sequence[float], spread: str) -> tuple[float, float]:
    """Of accuracies, one per network; fractions.

    Args:
        spread: as a protocol names it; "population": divided by n.

    Raises:
        UnknownNameError: there is no such spread.
    """
    if spread not in _SPREADS:
        raise unknown_name("spread", spread, _SPREADS)
    return fmean(reported), _SPREADS[spread](reported)


_SPREADS: dict[str, Callable[[Sequence[float]], float]] = {"population": pstdev}
