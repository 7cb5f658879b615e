"""A sweep's table as a picture. matplotlib is imported here alone."""

from __future__ import annotations

import io
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

from gendata.errors import MissingExtraError
from gendata.sweeping.sweep import Sweep, short
from gendata.sweeping.table import Line

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_TITLES = {
    "spread": "achieved spread inside a class, samples / real",
    "gap": "achieved distance of class centres, samples / real",
    "bytes": "bytes of the images that a row is trained on",
}


def require_plots() -> None:
    """Raises MissingExtraError unless plots can be made here; asked before hours of measuring."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise MissingExtraError(
            "matplotlib is not installed",
            where="the plot of a sweep",
            remedy="Install it: pip install 'gendata[report]'. Or do without: --no-plot.",
        ) from None


def plot_png(sweep: Sweep, lines: Sequence[Line]) -> bytes:
    """Accuracy against the x of the file's `plot`; without one, a mark for every line of the table."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    plan = sweep.file.plot
    tall = 4.2 if plan else 1.2 + 0.28 * len({_named(sweep, line) for line in lines})
    figure = Figure(figsize=(7.5, tall), dpi=130, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    _draw_curves(axes, sweep, lines) if plan else _draw_marks(axes, sweep, lines)
    accuracy = f"{sweep.file.evaluation.split} accuracy, %, over {len(sweep.file.seed_list)} seeds"
    axes.set_ylabel(accuracy) if plan else axes.set_xlabel(accuracy)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize="small")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _draw_curves(axes: Axes, sweep: Sweep, lines: Sequence[Line]) -> None:
    assert sweep.file.plot is not None
    x = sweep.file.plot.x
    series: dict[str, list[tuple[Any, Line]]] = {}
    for line in lines:
        value = getattr(line, x) if x in _TITLES else line.settings[x]
        if value is not None:
            series.setdefault(_curve(sweep, line, x=x), []).append((value, line))
    numeric = all(isinstance(value, int | float) for points in series.values() for value, _ in points)
    for number, (name, points) in enumerate(series.items()):
        points = sorted(points, key=lambda point: point[0]) if numeric else points
        axes.errorbar(
            [value if numeric else str(value) for value, _ in points],
            [100 * line.mean for _, line in points],
            yerr=[100 * line.std for _, line in points],
            marker="osD^vPX"[number % 7],
            linestyle="-" if number < 10 else "--",
            capsize=2,
            label=name,
        )
    axes.set_xlabel(_TITLES.get(x, short(x)))


def _curve(sweep: Sweep, line: Line, *, x: str) -> str:
    """The curve on which a line is a point: lines that differ in what is swept alone share one."""
    if x in _TITLES:  # achieved, not set: a variant without settings is one point of its row's curve
        others = _told(sweep, line, paths=()) if line.settings else []
    else:
        others = _told(sweep, line, paths=set(line.settings) - {x})
    return ", ".join([*others, _kind(line)])


def _draw_marks(axes: Axes, sweep: Sweep, lines: Sequence[Line]) -> None:
    names = list(dict.fromkeys(_named(sweep, line) for line in lines))
    for number, row in enumerate(dict.fromkeys(map(_kind, lines))):
        shown = [line for line in lines if _kind(line) == row]
        axes.errorbar(
            [100 * line.mean for line in shown],
            [names.index(_named(sweep, line)) for line in shown],
            xerr=[100 * line.std for line in shown],
            marker="osD^vPX"[number % 7],
            linestyle="",
            capsize=2,
            label=row,
        )
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()


def _kind(line: Line) -> str:
    """A row's name without the number of its images, which may be what is swept."""
    return line.row.partition("(")[0]


def _named(sweep: Sweep, line: Line) -> str:
    return ", ".join(_told(sweep, line, paths=line.settings)) or line.variant


def _told(sweep: Sweep, line: Line, *, paths: Collection[str]) -> list[str]:
    """The variant, where the sweep has any, and the values of some of its paths."""
    values = [f"{short(path)}={value}" for path, value in line.settings.items() if path in paths]
    return [*([line.variant] if sweep.file.variants else []), *values]
