"""Training of the first network of every row: loss, and test accuracy where the protocol tested on the way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gendata.evaluation.page.drawing import drawing, inline_svg, new_figure
from gendata.evaluation.page.palette import MUTED, Look, looks
from gendata.evaluation.page.table import row_label
from gendata.evaluation.report import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WINDOW = 5  # records, of the running mean
_KEY_LINE_PX, _PANEL_PX = 19, 210


def curve_chart(rows: Sequence[Row], *, narrow: bool) -> str | None:
    """An SVG; None where no row has a curve of two points."""
    shown = [(row, look) for row, look in zip(rows, looks(rows), strict=True) if len(row.curve) > 1]
    if not shown:
        return None
    tested = [(row, look) for row, look in shown if sum(point.accuracy is not None for point in row.curve) > 1]
    name = "curves-narrow" if narrow else "curves-wide"
    width, columns = (350, 2) if narrow else (1000, 6)
    panels = 2 if tested else 1
    down, across = (panels, 1) if narrow else (1, panels)
    head = 10 + _KEY_LINE_PX * -(-len(shown) // columns)
    height = head + (_PANEL_PX + 78) * down
    with drawing(name):
        figure = new_figure(width, height)
        grid = figure.add_gridspec(
            down, across, left=44 / width, right=1 - 10 / width, top=1 - (head + 34) / height, bottom=44 / height,
            hspace=0.42, wspace=0.12,
        )  # fmt: skip
        clock = _Clock([row for row, _ in shown])
        _draw_losses(figure.add_subplot(grid[0]), shown, clock)
        if tested:
            _draw_accuracies(figure.add_subplot(grid[1]), tested, clock)
        figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="upper left", ncols=columns,
                      bbox_to_anchor=(0.01, 1), columnspacing=1.6, handletextpad=0.6)  # fmt: skip
        told = "Training loss of the first network, last pass: " + "; ".join(
            f"{row_label(row)} {_told(row.curve[-1].loss)}" for row, _ in shown
        )
        return inline_svg(figure, name, told=told + ".")


def _told(loss: float | None) -> str:
    return "not finite" if loss is None else f"{loss:.3g}"


class _Clock:
    """Passes where all rows make as many, else shares of each row's training."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._as_shares = len({row.passes for row in rows}) > 1
        self.name = "share of training, %" if self._as_shares else "passes"

    def __call__(self, row: Row, passes: Sequence[int]) -> NDArray[np.float64]:
        return np.array(passes, dtype=np.float64) * (100 / row.passes if self._as_shares else 1)


def _draw_losses(axes: Axes, shown: Sequence[tuple[Row, Look]], clock: _Clock) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    for row, look in shown:
        losses = np.array([np.nan if point.loss is None else point.loss for point in row.curve])
        at = clock(row, [point.passes for point in row.curve])
        axes.plot(at, losses, color=look.colour, linewidth=0.8, alpha=0.3)
        axes.plot(at, _running_mean(losses), color=look.colour, dashes=look.dashes, label=row_label(row))
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    _finish(axes, "training loss, log scale", clock)


def _draw_accuracies(axes: Axes, tested: Sequence[tuple[Row, Look]], clock: _Clock) -> None:
    for row, look in tested:
        made = [(point.passes, 100 * point.accuracy) for point in row.curve if point.accuracy is not None]
        passes, accuracies = zip(*made, strict=True)
        axes.plot(clock(row, passes), accuracies, color=look.colour, dashes=look.dashes, marker=look.marker,
                  markerfacecolor=look.face, markersize=4)  # fmt: skip
    _finish(axes, "test accuracy, %", clock)


def _finish(axes: Axes, title: str, clock: _Clock) -> None:
    axes.text(0, 1.05, title, transform=axes.transAxes, color=MUTED, ha="left", va="bottom")
    axes.set_xlabel(clock.name)
    axes.margins(x=0.01)


def _running_mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each value with up to two neighbours on either side."""
    reach = _WINDOW // 2
    return np.array([values[max(0, i - reach) : i + reach + 1].mean() for i in range(len(values))])
