"""What an evaluation found: rows, a table, JSON."""

from __future__ import annotations

from typing import Any

import msgspec


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One measured row. Accuracies are fractions of the test set."""

    name: str  # "artifact", "random-real", "equal-bytes-real", "real-stream", "real-full"
    mode: str  # "frozen(100)", "fresh-matched", "fresh@10k"; "real" for baselines
    mean: float
    std: float  # over networks, population
    n: int  # networks
    bytes: int | None  # artifact_bytes, or what the baseline's images cost; None: not stored
    images_seen: int  # images processed in training, per network
    distinct_images: int  # different ones among them
    steps: int  # optimiser steps, per network
    passes: int  # as the schedule counts them
    network: str
    protocol: str
    seeds: tuple[int, ...]  # one per network: decides everything random about it
    last: tuple[float, ...]  # accuracy of each network after its last pass
    note: str = ""
    minutes: float = 0.0  # of wall clock, all networks


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of one evaluation, and what they were measured with."""

    protocol: str
    status: str  # of the protocol: exact or implemented
    network: str
    artifact_id: str | None
    source: str  # registered name
    fingerprint: str  # of the source
    seed: int
    device: str
    environment: dict[str, Any]
    rows: tuple[Row, ...]
    skipped: dict[str, str] = {}  # row -> why it could not be measured

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready, rows included."""
        fields: dict[str, Any] = msgspec.to_builtins(self)
        return fields

    def to_json(self) -> bytes:
        """UTF-8, indented, with a final newline."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n"

    def markdown(self) -> str:
        """The rows as a Markdown table; accuracies in percent."""
        return "\n".join("| " + " | ".join(cells) + " |" for cells in (_HEADER, ["---"] * len(_HEADER), *self.cells()))

    def cells(self) -> list[list[str]]:
        """One list of texts per row, under `columns()`."""
        return [_cells(row) for row in self.rows]

    @staticmethod
    def columns() -> list[str]:
        """Titles of what `cells` returns."""
        return list(_HEADER)


_HEADER = ["row", "mode", "test accuracy %", "n", "bytes", "images seen", "distinct", "steps", "passes"]


def _cells(row: Row) -> list[str]:
    return [
        row.name,
        row.mode,
        f"{100 * row.mean:.1f} ± {100 * row.std:.1f}",
        str(row.n),
        "-" if row.bytes is None else f"{row.bytes:,}",
        f"{row.images_seen:,}",
        f"{row.distinct_images:,}",
        f"{row.steps:,}",
        f"{row.passes:,}",
    ]
