"""Accuracy of every class, one mark per row."""

from __future__ import annotations

from collections.abc import Sequence

from gendata.evaluation.page.drawing import add_axes, drawing, inline_svg, new_figure
from gendata.evaluation.page.palette import RULE, looks
from gendata.evaluation.page.table import row_label
from gendata.evaluation.page.wording import plain
from gendata.evaluation.report import Row

MAX_CLASSES = 30
_LINE_PX, _HEAD_PX, _FOOT_PX, _KEY_LINE_PX = 26, 14, 42, 19
_LETTER_PX = 7.2  # of a class name, on average


def class_chart(rows: Sequence[Row], classes: Sequence[str], *, narrow: bool) -> str | None:
    """An SVG; None where no row has accuracies per class. The hardest classes of the first such row stand on top."""
    shown = [(row, look) for row, look in zip(rows, looks(rows), strict=True) if 0 < len(row.per_class) == len(classes)]
    if not shown:
        return None
    order = sorted(range(len(classes)), key=lambda label: shown[0][0].per_class[label])[:MAX_CLASSES]
    name = "classes-narrow" if narrow else "classes-wide"
    width, columns, letters = (350, 2, 14) if narrow else (1000, 6, 24)
    names = [plain(classes[label], limit=letters) for label in order]
    left = 14 + _LETTER_PX * max(map(len, names))
    head = _HEAD_PX + _KEY_LINE_PX * -(-len(shown) // columns)
    height = head + _LINE_PX * len(order) + _FOOT_PX
    with drawing(name):
        figure = new_figure(width, height)
        axes = add_axes(figure, left=left, right=14, top=head, bottom=_FOOT_PX)
        axes.grid(visible=False)
        lines = range(len(order))
        values = [[100 * row.per_class[label] for row, _ in shown] for label in order]
        axes.hlines(lines, [min(v) for v in values], [max(v) for v in values], color=RULE, linewidth=5, zorder=1)
        for column, (row, look) in enumerate(shown):
            axes.plot(
                [value[column] for value in values], lines, linestyle="none", color=look.colour, marker=look.marker,
                markerfacecolor=look.face, markersize=8, markeredgewidth=1.6, label=row_label(row), clip_on=False,
                zorder=4 if row.name == "artifact" else 3,
            )  # fmt: skip
        axes.set_yticks(list(lines), names)
        axes.set_ylim(len(order) - 0.4, -0.6)
        low, high = axes.get_xlim()
        axes.set_xlim(max(-1.0, low), min(100.5, high))
        axes.set_xlabel("test accuracy, %")
        figure.legend(loc="upper left", ncols=columns, bbox_to_anchor=(0.01, 1), columnspacing=1.6, handletextpad=0.4)
        told = "Test accuracy per class. " + "; ".join(
            f"{row_label(row)}: {min(row.per_class):.0%} to {max(row.per_class):.0%}" for row, _ in shown
        )
        return inline_svg(figure, name, told=told + ".")
