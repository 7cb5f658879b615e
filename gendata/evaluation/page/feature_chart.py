"""Real against synthetic features: a small panel for all classes and one for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gendata.evaluation.page.drawing import drawing, inline_svg, new_figure
from gendata.evaluation.page.features import FeatureMap
from gendata.evaluation.page.palette import PUBLISHED, REAL, SYNTHETIC
from gendata.evaluation.page.wording import plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MAX_PANELS = 20
_SIDE_PX = 200
_MOST_BEHIND, _MOST_OF_CLASS = 400, 160  # dots


@dataclass(frozen=True)
class Panel:
    """A class, or all of them, in the plane of features."""

    name: str
    svg: str


def feature_panels(features: FeatureMap, classes: Sequence[str]) -> tuple[Panel, ...]:
    """All classes together, then the first 20 of them, each in front of all real images."""
    limits = _limits(np.concatenate([features.points_real, features.points_syn]))
    panels = [_panel("all classes", "features-all", limits, (), features.points_real, features.points_syn)]
    for label, name in enumerate(classes[:_MAX_PANELS]):
        real, synthetic = (
            points[y == label]
            for points, y in ((features.points_real, features.y_real), (features.points_syn, features.y_syn))
        )
        panels.append(_panel(plain(name, limit=40), f"features-{label}", limits, features.points_real, real, synthetic))
    return tuple(panels)


def _panel(
    title: str,
    name: str,
    limits: tuple[float, float, float, float],
    behind: NDArray[np.float32] | tuple[()],
    real: NDArray[np.float32],
    synthetic: NDArray[np.float32],
) -> Panel:
    with drawing(name):
        figure = new_figure(_SIDE_PX, _SIDE_PX)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        axes.axis(limits)
        if len(behind):
            _dots(axes, _thinned(np.asarray(behind), _MOST_BEHIND), PUBLISHED, size=2.4, alpha=0.28)
        _dots(axes, _thinned(real, _MOST_OF_CLASS), REAL, size=4.2, alpha=0.7)
        _dots(axes, _thinned(synthetic, _MOST_OF_CLASS), SYNTHETIC, size=4.2, alpha=0.6)
        told = f"{title}: {len(real)} real and {len(synthetic)} synthetic images in the plane of features."
        return Panel(title, inline_svg(figure, name, told=told))


def _dots(axes: Axes, points: NDArray[np.float32], colour: str, *, size: float, alpha: float) -> None:
    """Every dot is a line without length and with a round cap: a fraction of the bytes that marks would take."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    if len(points):
        corners = np.repeat(points, 2, axis=0)
        codes = np.tile([Path.MOVETO, Path.LINETO], len(points))
        axes.add_patch(
            PathPatch(Path(corners, codes), fill=False, edgecolor=colour, linewidth=size, alpha=alpha, capstyle="round")
        )


def _thinned(points: NDArray[np.float32], most: int) -> NDArray[np.float32]:
    return points[np.linspace(0, len(points) - 1, most).round().astype(int)] if len(points) > most else points


def _limits(points: NDArray[np.float32]) -> tuple[float, float, float, float]:
    low, high = points.min(0), points.max(0)
    spare = 0.05 * np.maximum(high - low, 1e-6)
    (left, bottom), (right, top) = low - spare, high + spare
    return float(left), float(right), float(bottom), float(top)
