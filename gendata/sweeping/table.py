"""Results of cells as lines: mean and deviation over seeds, of every row of every variant."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean, pstdev
from typing import Any

import msgspec

from gendata.sweeping.result import CellResult
from gendata.sweeping.sweep import Cell, Sweep, short


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One row of one variant, over its seeds. Accuracies are fractions."""

    variant: str
    settings: dict[str, Any]  # of the grid: path -> value
    row: str  # "frozen(100)", "fresh-matched", "random-real"
    mean: float  # over seeds, of the means over networks
    std: float  # of the same, population
    n: int  # seeds
    difference: float | None  # from the variant that is compared with, mean over the seeds of both; None: it is none
    difference_std: float | None  # of the same, population
    networks: int  # in all
    bytes: float | None  # mean over seeds
    images_seen: int
    spread: float | None  # achieved by the artifact, mean over seeds; None too for a row of real images
    gap: float | None
    minutes: float | None  # of one condensation, its own; mean over the seeds that were not interrupted


def lines_of(sweep: Sweep, results: Mapping[str, CellResult]) -> list[Line]:
    """The table, in the order of the file; variants of which no cell is finished are left out.

    Args:
        results: cells' keys -> what they gave.
    """
    groups: dict[str, list[Cell]] = {}
    for cell in sweep.cells:
        groups.setdefault(f"{cell.variant} {dict(cell.settings)}", []).append(cell)
    found = ((cells[0], {cell.seed: results[cell.key] for cell in cells if cell.key in results})
             for cells in groups.values())  # fmt: skip
    return [line for cell, by_seed in found for line in _lines(cell, by_seed, _compared(sweep, cell, results))]


def _compared(sweep: Sweep, cell: Cell, results: Mapping[str, CellResult]) -> dict[int, CellResult]:
    """Seed -> what the variant that others are compared with gave at this cell's settings."""
    variant = sweep.file.compare_with
    if variant in (None, cell.variant):
        return {}
    return {
        other.seed: results[other.key]
        for other in sweep.cells
        if other.variant == variant and other.settings == cell.settings and other.key in results
    }


def _lines(cell: Cell, by_seed: Mapping[int, CellResult], compared: Mapping[int, CellResult]) -> Iterable[Line]:
    results = list(by_seed.values())
    for label in dict.fromkeys(row.label for result in results for row in result.rows):
        # A cell may lack a row that another has: then its statistics do not count either.
        pairs = [(result, row) for result in results for row in result.rows if row.label == label]
        means = [row.mean for _, row in pairs]
        made = [result for result, row in pairs if row.row == "artifact"]
        seeds = [seed for seed in by_seed if seed in compared]
        differences = [
            a - b for seed in seeds for a in _means(by_seed[seed], label) for b in _means(compared[seed], label)
        ]
        yield Line(
            variant=cell.variant,
            settings=dict(cell.settings),
            row=label,
            mean=fmean(means),
            std=pstdev(means),
            n=len(means),
            difference=fmean(differences) if differences else None,
            difference_std=pstdev(differences) if differences else None,
            networks=sum(row.n for _, row in pairs),
            bytes=_mean(row.bytes for _, row in pairs),
            images_seen=max(row.images_seen for _, row in pairs),
            spread=_mean(result.spread for result in made),
            gap=_mean(result.gap for result in made),
            minutes=_mean(result.own_minutes for result in made),
        )


def _means(result: CellResult, label: str) -> list[float]:
    """Of the row so called, if there is one."""
    return [row.mean for row in result.rows if row.label == label]


def columns(sweep: Sweep) -> list[str]:
    """Titles of what `cells_of` returns."""
    accuracy = f"{sweep.file.evaluation.split} accuracy %"
    compared = [f"from {sweep.file.compare_with}"] if sweep.file.compare_with else []
    return [*_named(sweep), "row", accuracy, *compared, "n", "bytes", "spread", "gap", "minutes"]


def swept(sweep: Sweep, line: Line | Cell) -> list[str]:
    """Texts of what a line, or a cell, was made with: the first columns."""
    return [*([line.variant] if sweep.file.variants else []), *(_told(value) for value in line.settings.values())]


def cells_of(sweep: Sweep, line: Line) -> list[str]:
    """One line's texts."""
    return [
        *swept(sweep, line),
        line.row,
        f"{100 * line.mean:.1f}" + (f" ± {100 * line.std:.1f}" if line.n > 1 else ""),
        *([_difference(line)] if sweep.file.compare_with else []),
        str(line.n),
        "-" if line.bytes is None else f"{line.bytes:,.0f}",
        *("-" if value is None else f"{value:.2f}" for value in (line.spread, line.gap)),
        "-" if line.minutes is None else f"{line.minutes:.1f}",
    ]


def _difference(line: Line) -> str:
    if line.difference is None or line.difference_std is None:
        return "-"
    return f"{100 * line.difference:+.1f} ± {100 * line.difference_std:.1f}"


def footnotes(sweep: Sweep, lines: Sequence[Line]) -> list[str]:
    """What a reader must know to read the table."""
    scoring = sweep.file.evaluation
    return [
        f"Base {sweep.file.base}. {scoring.protocol}: accuracy on {_SPLITS[scoring.split]}, mean ± std over n seeds, "
        f"each the mean of {_networks(lines)} networks.",
        *([f"from {sweep.file.compare_with}: difference in points, seed by seed."] if sweep.file.compare_with else []),
        "spread: trace of a class's covariance, samples / real images; gap: distance of class centres, the same; in "
        "features of one network trained on real images. minutes: one condensation, on a CPU those of its one thread.",
    ]


def _networks(lines: Sequence[Line]) -> str:
    """Per seed: "2", or "2 to 3", for there are rows that take more than are asked for."""
    counts = sorted({line.networks // line.n for line in lines})
    return " to ".join(map(str, dict.fromkeys((counts[0], counts[-1])))) if counts else "no"


_SPLITS = {"validation": "images held out of train, on which choices are made", "test": "test images"}


def markdown(sweep: Sweep, lines: Sequence[Line], *, failed: Mapping[str, str], measured_with: str) -> str:
    """The table with what explains it."""
    head = columns(sweep)
    rows = [head, ["---"] * len(head), *(cells_of(sweep, line) for line in lines)]
    table = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    faults = [f"- not measured: {label}: {' '.join(why.split())}" for label, why in failed.items()]
    parts = [sweep.file.summary, "", *table, "", *footnotes(sweep, lines), measured_with]
    return "\n".join([*parts, *(["", *faults] if faults else [])]) + "\n"


def _named(sweep: Sweep) -> list[str]:
    return [*(["variant"] if sweep.file.variants else []), *map(short, sweep.file.grid)]


def _told(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None
