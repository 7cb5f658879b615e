"""Accuracy against bytes: the artifact, its baselines, and published numbers of the same kind."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from gendata.evaluation.page.drawing import add_axes, drawing, inline_svg, new_figure
from gendata.evaluation.page.labels import Box, place_labels
from gendata.evaluation.page.palette import MUTED, PUBLISHED, SURFACE, SYNTHETIC, looks
from gendata.evaluation.page.published import Series
from gendata.evaluation.page.table import row_label
from gendata.evaluation.page.wording import percent, plain, short_bytes
from gendata.evaluation.report import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LEAST_RANGE = 8.0  # percent points on the axis: small differences should look small
_STEPS = 12  # along a line
_WIDE_PX, _NARROW_PX = (1000, 420), (350, 420)


class _Name(NamedTuple):
    text: str
    colour: str
    x: float  # bytes
    y: float  # percent


def accuracy_chart(rows: Sequence[Row], series: Sequence[Series], *, narrow: bool) -> str | None:
    """An SVG; None where fewer than two rows have bytes."""
    sized = [(row, look) for row, look in zip(rows, looks(rows), strict=True) if row.bytes]
    if len(sized) < 2:
        return None
    name = "bytes-narrow" if narrow else "bytes-wide"
    with drawing(name):
        figure = new_figure(*(_NARROW_PX if narrow else _WIDE_PX))
        axes = add_axes(figure, left=36, right=10, top=30, bottom=40)
        names: list[_Name] = []
        for row, look in sized:
            size, mean, std = float(row.bytes or 0), 100 * row.mean, 100 * row.std if row.n > 1 else None
            axes.errorbar(
                size, mean, std, color=look.colour, marker=look.marker, markerfacecolor=look.face, markersize=9,
                markeredgewidth=1.8, capsize=3, elinewidth=1.4, zorder=4,
            )  # fmt: skip
            text = row_label(row).removeprefix("artifact, " if narrow else "")
            names.append(_Name(f"{text}  {percent(row.mean)}", look.colour, size, mean))
        others = [name for one in series for name in _draw_series(axes, one, told="" if narrow else ", published")]
        for size in {name.x for name in names if name.colour == SYNTHETIC}:
            axes.axvline(size, color=SYNTHETIC, linewidth=1, dashes=(2, 3), alpha=0.6, zorder=1)
        _scale(axes, [*names, *others])
        _name_points(axes, [*names, *others])
        told = "Test accuracy against bytes. " + "; ".join(
            f"{name.text} percent at {short_bytes(name.x)}" for name in names
        )
        return inline_svg(figure, name, told=told + ".")


def _draw_series(axes: Axes, series: Series, *, told: str) -> list[_Name]:
    """A thin line through the budgets; the name stands at the largest."""
    known = sorted((float(point.bytes), point.accuracy) for point in series.points if point.bytes)
    if not known:
        return []
    axes.plot(
        *zip(*known, strict=True), color=PUBLISHED, linewidth=1, marker="o", markersize=4, markerfacecolor=SURFACE,
        markeredgewidth=1.2, zorder=2,
    )  # fmt: skip
    unnamed = [_Name("", PUBLISHED, *point) for point in [*known[:-1], *_between(known)]]
    return [_Name(plain(series.method, limit=30) + told, PUBLISHED, *known[-1]), *unnamed]


def _between(points: Sequence[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    """Places along the line, which labels should not cover."""
    for (left, low), (right, high) in pairwise(points):
        for share in (step / _STEPS for step in range(1, _STEPS)):
            yield left * (right / left) ** share, low + (high - low) * share


def _scale(axes: Axes, names: Sequence[_Name]) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

    sizes = [name.x for name in names]
    axes.set_xscale("log")
    axes.set_xlim(min(sizes) / 2, max(sizes) * 2)
    axes.xaxis.set_major_locator(FixedLocator([10.0**power for power in range(13)]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: short_bytes(value)))
    axes.set_xlabel("bytes, log scale")
    low, high = axes.get_ylim()
    spare = max(0.0, _LEAST_RANGE - (high - low)) / 2
    axes.set_ylim(max(0.0, low - spare - 1), min(102.0, high + spare + 0.05 * (high - low)))
    axes.yaxis.set_major_locator(MaxNLocator(6, integer=True))
    # Above the axis: beside it, it would have to be read sideways.
    axes.annotate("test accuracy, %", (0, 1), xytext=(0, 14), xycoords="axes fraction", textcoords="offset points",
                  color=MUTED)  # fmt: skip


def _name_points(axes: Axes, names: Sequence[_Name]) -> None:
    """Named points first: they choose their places; the others are only to be kept clear."""
    ordered = [name for name in names if name.text] + [name for name in names if not name.text]
    named = [name for name in ordered if name.text]
    texts = [axes.text(0, 0, name.text, color=name.colour, va="center", fontsize=12, zorder=5) for name in named]
    renderer = axes.figure.canvas.get_renderer()  # type: ignore[attr-defined]
    extents = [text.get_window_extent(renderer) for text in texts]
    inside = axes.get_window_extent(renderer)
    places = place_labels(
        [tuple(axes.transData.transform((name.x, name.y))) for name in ordered],
        [(extent.width, extent.height) for extent in extents],
        within=Box(inside.x0, inside.y0 + 2, inside.x1, inside.y1),
    )
    to_data = axes.transData.inverted()
    for name, text, place in zip(named, texts, places, strict=True):
        at = to_data.transform((place.x, place.y))
        text.set_position(tuple(at))
        text.set_horizontalalignment(place.side)
        if place.far:
            axes.plot([name.x, at[0]], [name.y, at[1]], color=name.colour, linewidth=0.8, alpha=0.6, zorder=3)
