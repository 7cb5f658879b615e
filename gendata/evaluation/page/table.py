"""Rows as cells of text: the one table of page and Markdown, and the matrix across networks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from gendata.evaluation.page.wording import percent, plain, spread
from gendata.evaluation.report import Row

COLUMNS = (
    "row",
    "mode",
    "test accuracy %",
    "n",
    "bytes",
    "images seen",
    "distinct",
    "steps",
    "last %",
    "best %",
    "minutes",
    "protocol",
    "network",
    "labels",
)
NUMERIC = COLUMNS[2:11]  # set flush right


def main_rows(rows: Sequence[Row]) -> list[Row]:
    """Rows of the first row's protocol and network: these alone may share a sentence or a chart."""
    return [row for row in rows if (row.protocol, row.network) == (rows[0].protocol, rows[0].network)]


def cells(row: Row) -> list[str]:
    """One row's texts, under `COLUMNS`; plain text, not escaped."""
    return [
        plain(row.name),
        plain(row.mode),
        spread(row.mean, row.std, row.n),
        str(row.n),
        "–" if row.bytes is None else f"{row.bytes:,}",
        f"{row.images_seen:,}",
        f"{row.distinct_images:,}",
        f"{row.steps:,}",
        percent(fmean(row.last)),
        percent(fmean(row.best)) if row.best else "–",
        f"{row.minutes:,.1f}",
        protocol_text(row),
        plain(row.network),
        plain(row.labels),
    ]


def protocol_text(row: Row) -> str:
    """The protocol's name; one that selects on test data says so wherever it is named."""
    name = plain(row.protocol)
    return f"{name} (selects on test data)" if row.selects_on_test else name


def notes(rows: Sequence[Row]) -> list[tuple[str, str]]:
    """(label of a row, what a reader must know to read its number), each said once."""
    return list(dict.fromkeys((row_label(row), plain(row.note)) for row in rows if row.note))


def row_label(row: Row) -> str:
    """What a chart calls a row: the artifact's mode, a baseline's name."""
    return plain(f"artifact, {row.mode}" if row.name == "artifact" else row.option, limit=60)


@dataclass(frozen=True)
class Matrix:
    """Accuracies of the same rows under several networks."""

    networks: tuple[str, ...]
    lines: tuple[tuple[str, tuple[Row | None, ...]], ...]  # (label, a row per network or None)

    def heat(self, value: float) -> str:
        """0 for the lowest accuracy of the matrix, 1 for the highest."""
        return _heat(value, [row.mean for _, found in self.lines for row in found if row is not None])


def across_networks(rows: Sequence[Row]) -> Matrix | None:
    """The matrix; None where there is one network only."""
    networks = tuple(dict.fromkeys(row.network for row in rows))
    if len(networks) < 2:
        return None
    found = {(row.name, row.mode, row.protocol, row.network): row for row in rows}
    several = len({row.protocol for row in rows}) > 1
    lines = []
    for name, mode, protocol in dict.fromkeys((row.name, row.mode, row.protocol) for row in rows):
        of_line = tuple(found.get((name, mode, protocol, network)) for network in networks)
        first = next(row for row in of_line if row is not None)
        lines.append((row_label(first) + (f", {protocol_text(first)}" if several else ""), of_line))
    return Matrix(tuple(plain(network) for network in networks), tuple(lines))


@dataclass(frozen=True)
class CorruptionTable:
    """Accuracies on corrupted test images."""

    corruptions: tuple[str, ...]
    lines: tuple[tuple[str, tuple[float | None, ...]], ...]  # (label of a row, accuracy per corruption or None)

    def heat(self, value: float) -> str:
        """0 for the lowest accuracy of the table, 1 for the highest."""
        return _heat(value, [found for _, values in self.lines for found in values if found is not None])


def under_corruptions(rows: Sequence[Row]) -> CorruptionTable | None:
    """The table; None where no row was tested on corrupted images."""
    tested = [row for row in rows if row.corrupted]
    if not tested:
        return None
    names = tuple(dict.fromkeys(name for row in tested for name in row.corrupted))
    several = len({(row.protocol, row.network) for row in tested}) > 1
    lines = (
        (
            row_label(row) + (f", {plain(row.network)}, {protocol_text(row)}" if several else ""),
            tuple(map(row.corrupted.get, names)),
        )
        for row in tested
    )
    return CorruptionTable(tuple(plain(name.replace("_", " ")) for name in names), tuple(lines))


def _heat(value: float, among: Sequence[float]) -> str:
    low, high = min(among), max(among)
    return f"{(value - low) / (high - low) if high > low else 0:.3f}"
