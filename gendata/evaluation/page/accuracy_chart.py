"""Accuracy against bytes: the artifact, its baselines, and published numbers of the same kind."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from gendata.evaluation.page.drawing import add_axes, drawing, inline_svg, new_figure
from gendata.evaluation.page.labels import Box, place_labels
from gendata.evaluation.page.palette import MUTED, PUBLISHED, SURFACE, SYNTHETIC, Look, looks
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
    lines = [sorted((float(p.bytes), p.accuracy) for p in one.points if p.bytes) for one in series]
    with drawing(name):
        figure = new_figure(*(_NARROW_PX if narrow else _WIDE_PX))
        axes = add_axes(figure, left=36, right=10, top=30, bottom=40)
        published = [point for line in lines for point in line]
        _scale(axes, [row.bytes or 0 for row, _ in sized] + [size for size, _ in published],
               [100 * (row.mean + sign * row.std) for row, _ in sized for sign in (-1, 1)] + [y for _, y in published],
               )  # fmt: skip
        names = [_draw_row(axes, row, look, told=not narrow) for row, look in sized]
        for one, line in zip(series, lines, strict=True):
            names += _draw_line(axes, plain(one.method, limit=30) + ("" if narrow else ", published"), line)
        for size in {row.bytes or 0 for row, look in sized if look.colour == SYNTHETIC}:
            axes.axvline(size, color=SYNTHETIC, linewidth=1, dashes=(2, 3), alpha=0.6, zorder=1)
        _name_points(axes, names)
        told = (f"{row_label(row)} {percent(row.mean)} percent at {short_bytes(row.bytes or 0)}" for row, _ in sized)
        return inline_svg(figure, name, told=f"Test accuracy against bytes. {'; '.join(told)}.")


def _draw_row(axes: Axes, row: Row, look: Look, *, told: bool) -> _Name:
    """A mark with its deviation; `told`: the colour alone need not say that it is the artifact."""
    size, mean = float(row.bytes or 0), 100 * row.mean
    axes.errorbar(
        size, mean, 100 * row.std if row.n > 1 else None, color=look.colour, marker=look.marker,
        markerfacecolor=look.face, markersize=9, markeredgewidth=1.8, capsize=3, elinewidth=1.4, zorder=4,
    )  # fmt: skip
    label = row_label(row) if told else row_label(row).removeprefix("artifact, ")
    return _Name(f"{label}  {percent(row.mean)}", look.colour, size, mean)


def _draw_line(axes: Axes, text: str, line: Sequence[tuple[float, float]]) -> list[_Name]:
    """A thin line through the budgets; the name stands at the largest."""
    if not line:
        return []
    axes.plot(
        *zip(*line, strict=True), color=PUBLISHED, linewidth=1, marker="o", markersize=4, markerfacecolor=SURFACE,
        markeredgewidth=1.2, zorder=2,
    )  # fmt: skip
    unnamed = [_Name("", PUBLISHED, *point) for point in [*line[:-1], *_between(line)]]
    return [_Name(text, PUBLISHED, *line[-1]), *unnamed]


def _between(points: Sequence[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    """Places along the line, which labels should not cover."""
    for (left, low), (right, high) in pairwise(points):
        for share in (step / _STEPS for step in range(1, _STEPS)):
            yield left * (right / left) ** share, low + (high - low) * share


def _scale(axes: Axes, sizes: Sequence[float], accuracies: Sequence[float]) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

    axes.set_xlim(min(sizes) / 2, max(sizes) * 2)
    axes.set_xscale("log")
    steps = (1,) if max(sizes) / min(sizes) > 30 else (1, 2, 5)
    axes.xaxis.set_major_locator(FixedLocator([step * 10.0**power for power in range(13) for step in steps]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: short_bytes(value)))
    axes.set_xlabel("bytes, log scale")
    low, high = min(accuracies), max(accuracies)
    spare = max(0.06 * (high - low), (_LEAST_RANGE - (high - low)) / 2)
    axes.set_ylim(max(0.0, low - spare), min(102.0, high + spare))
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
