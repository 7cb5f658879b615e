"""Colours and marks of the charts: orange is synthetic, blue is real, grey is published, on the page too.

The page has these colours as CSS variables with a light and a dark value; `drawing` puts them in.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gendata.evaluation.report import Row

INK, MUTED, RULE, SURFACE = "#1b2026", "#57616c", "#dde1e6", "#fefefe"
SYNTHETIC, REAL, PUBLISHED = "#b8470b", "#2c5aa0", "#6b7681"

VARIABLES = {
    INK: "--ink",
    MUTED: "--muted",
    RULE: "--rule",
    SURFACE: "--surface",
    SYNTHETIC: "--synthetic",
    REAL: "--real",
    PUBLISHED: "--published",
}

_ARTIFACT_MARKS = {"fresh-matched": ("o", True), "frozen": ("o", False)}
_BASELINE_MARKS = {
    "equal-bytes-real": ("s", True),
    "random-real": ("s", False),
    "real-stream": ("^", True),
    "real-full": ("^", False),
}
_OTHER_MARKS = ("D", "v", "P", "X", "h", "p")
_DASHES: tuple[tuple[float, ...], ...] = ((), (4, 2), (1, 1.5), (6, 2, 1, 2))


@dataclass(frozen=True)
class Look:
    """How a row is drawn: the same in every chart, told apart without colour too."""

    colour: str
    marker: str
    filled: bool
    dashes: tuple[float, ...]  # in line widths; none: a solid line

    @property
    def face(self) -> str:
        """What the mark is filled with."""
        return self.colour if self.filled else SURFACE


def looks(rows: Iterable[Row]) -> list[Look]:
    """One look per row; no two rows of one evaluation look alike before the marks run out."""
    found: list[Look] = []
    counts = {SYNTHETIC: 0, REAL: 0}
    for row in rows:
        colour = SYNTHETIC if row.name == "artifact" else REAL
        marks, key = (
            (_ARTIFACT_MARKS, row.mode.partition("(")[0]) if colour == SYNTHETIC else (_BASELINE_MARKS, row.name)
        )
        marker, filled = marks.get(key) or (_OTHER_MARKS[counts[colour] % len(_OTHER_MARKS)], True)
        found.append(Look(colour, marker, filled, _DASHES[counts[colour] % len(_DASHES)]))
        counts[colour] += 1
    return found
