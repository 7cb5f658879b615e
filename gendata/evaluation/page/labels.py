"""Where to put the names of points, so that none covers another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from math import cos, radians, sin
from typing import Literal

Side = Literal["left", "center", "right"]

_ANGLES = (0, 180, 30, -30, 150, -150, 90, -90, 60, -60)  # degrees; right and left read best
_REACHES_PX = (9, 16, 26, 38, 52)


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels."""

    left: float
    bottom: float
    right: float
    top: float

    def overlap(self, other: Box) -> float:
        """Shared area."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.top, other.top) - max(self.bottom, other.bottom)
        return max(0.0, width) * max(0.0, height)

    def outside(self, other: Box) -> float:
        """Area that is not in `other`."""
        return (self.right - self.left) * (self.top - self.bottom) - self.overlap(other)


@dataclass(frozen=True)
class Place:
    """Where a label ended up."""

    x: float  # of its anchor
    y: float
    side: Side  # which end of the text the anchor is
    far: bool  # so far from its point that a line should join them


def place_labels(
    points: Sequence[tuple[float, float]], sizes: Sequence[tuple[float, float]], *, within: Box, mark_px: float = 6
) -> list[Place]:
    """One place per label, the first ones choosing first. All in pixels.

    Args:
        points: (x, y) of every point; no label covers one if it can be helped.
        sizes: (width, height) of the first len(sizes) points' labels.
        within: where labels should stay.
    """
    taken = [Box(x - mark_px, y - mark_px, x + mark_px, y + mark_px) for x, y in points]
    places: list[Place] = []
    for (x, y), size in zip(points, sizes, strict=False):
        tried = [_candidate(x, y, angle, reach, size) for reach, angle in product(_REACHES_PX, _ANGLES)]
        costs = [sum(box.overlap(other) for other in taken) + 3 * box.outside(within) for _, box in tried]
        best, box = tried[min(range(len(tried)), key=lambda index: (round(costs[index], 3), index))]
        places.append(best)
        taken.append(box)
    return places


def _candidate(x: float, y: float, angle: int, reach: float, size: tuple[float, float]) -> tuple[Place, Box]:
    across, up = cos(radians(angle)), sin(radians(angle))
    x, y = x + reach * across, y + reach * up
    width, height = size
    side: Side = "left" if across > 0.2 else "right" if across < -0.2 else "center"
    left = {"left": x, "center": x - width / 2, "right": x - width}[side]
    place = Place(x, y, side, far=reach > _REACHES_PX[1])
    return place, Box(left, y - height / 2, left + width, y + height / 2)
