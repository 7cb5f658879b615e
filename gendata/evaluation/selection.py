"""When a student is tested, and which test counts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from gendata.errors import unknown_name


class Selection(NamedTuple):
    """Two questions, two functions."""

    tests_after: Callable[[int, int], bool]  # (index of the pass that ended, passes in all)
    chosen: Callable[[Sequence[float]], float]  # accuracies in the order of the tests
    uses_test_data: bool  # True: the reported number was picked by looking at test data


def selection_of(name: str) -> Selection:
    """The selection that a protocol names.

    Raises:
        UnknownNameError: there is no such selection.
    """
    if name not in _SELECTIONS:
        raise unknown_name("selection", name, _SELECTIONS)
    return _SELECTIONS[name]


_SELECTIONS = {
    "last-pass": Selection(
        tests_after=lambda finished, passes: finished == passes - 1,
        chosen=lambda accuracies: accuracies[-1],
        uses_test_data=False,
    ),
}
