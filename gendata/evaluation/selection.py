"""When a student is tested, and which test counts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import NamedTuple

from gendata.errors import unknown_name
from gendata.recipe import Choice


class Selection(NamedTuple):
    """Two questions, two functions."""

    tests_after: Callable[[int, int], bool]  # (index of the pass that ended, passes in all)
    chosen: Callable[[Sequence[float]], float]  # accuracies in the order of the tests
    uses_test_data: bool  # True: the reported number was picked by looking at test data


def selection_of(choice: Choice) -> Selection:
    """The selection that a protocol names.

    Raises:
        UnknownNameError: there is no such selection.
    """
    if choice.name not in _SELECTIONS:
        raise unknown_name("selection", choice.name, _SELECTIONS)
    return _SELECTIONS[choice.name](**choice.options)


def _last_pass() -> Selection:
    """One test, after the last pass."""
    return Selection(
        tests_after=lambda finished, passes: finished == passes - 1,
        chosen=lambda accuracies: accuracies[-1],
        uses_test_data=False,
    )


def _best(*, every: int, start: str = "0") -> Selection:
    """The best of the tests after every so many passes, from the share `start` of all passes on, and after the last."""

    def tests_after(finished: int, passes: int) -> bool:
        done = finished + 1
        return done == passes or (done % every == 0 and done > Fraction(start) * passes)

    return Selection(tests_after=tests_after, chosen=max, uses_test_data=True)


_SELECTIONS: dict[str, Callable[..., Selection]] = {"last-pass": _last_pass, "best": _best}
