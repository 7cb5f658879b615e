"""What an evaluation found: rows, a table, JSON."""

from __future__ import annotations

from typing import Any

import msgspec

from gendata.artifact.row_options import option_of
from gendata.evaluation.result import CurvePoint


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One measured row. Accuracies are fractions of the images of `split`."""

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
    status: str = "implemented"  # of the loop that trained it; "exact": shown equal to the published one
    split: str = "test"  # whose images scored it; "validation": held out of train, for choices, never a result
    selects_on_test: bool = False  # the accuracy was picked by looking at test data
    labels: str = "hard"  # or "soft" (the artifact's own), "teacher"
    seeds: tuple[int, ...]  # one per network: decides everything random about it
    reported: tuple[float, ...] = ()  # accuracy of each network, as the protocol selects; `mean` and `std` are theirs
    last: tuple[float, ...]  # after its last pass
    best: tuple[float, ...] = ()  # of the tests that were made
    lr: tuple[float, ...] = ()  # at the start
    per_class: tuple[float, ...] = ()  # after the last pass, in label order, mean over networks
    curve: tuple[CurvePoint, ...] = ()  # of the first network
    corrupted: dict[str, float] = {}  # corruption of the test images -> accuracy, mean over severities and networks
    note: str = ""
    minutes: float = 0.0  # of training and testing, all networks

    @property
    def option(self) -> str:
        """Under which `--rows` knows it."""
        return option_of(self.name, self.mode)


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of one evaluation, and what they were measured with."""

    protocol: str  # or suite
    networks: tuple[str, ...]
    ipc: int
    artifact_id: str | None
    source: str  # registered name
    source_options: dict[str, Any] = {}  # its options, without any path
    source_folder: str | None = None  # name of the local folder that was read; None: the source is known by its name
    fingerprint: str  # of the source
    test_digest: str | None = None  # sha256 over the images and labels that scored; None: a report of before
    teacher: str | None = None  # sha256 of the teacher whose labels were learned; None: there is none
    max_bytes: int | None = None  # without an artifact: what equal-bytes-real might cost; None: it was not asked for
    seed: int
    device: str
    threads: int | None = None  # of torch in each process that trained, on a CPU; how many decides the last bits
    environment: dict[str, Any]
    rows: tuple[Row, ...]
    skipped: dict[str, str] = {}  # row -> why it could not be measured
    scores: dict[str, float] = {}  # of DD-Ranking, for the first frozen row, as far as its baselines were measured
    summary: dict[str, float] = {}  # of a suite: best and mean over its protocols, mean over other networks

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready, rows included."""
        fields: dict[str, Any] = msgspec.to_builtins(self)
        return fields

    def to_json(self) -> bytes:
        """UTF-8, indented, with a final newline."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n"

    def markdown(self) -> str:
        """The rows as a Markdown table; accuracies in percent."""
        header = self.columns()
        return "\n".join("| " + " | ".join(cells) + " |" for cells in (header, ["---"] * len(header), *self.cells()))

    def cells(self) -> list[list[str]]:
        """One list of texts per row, under `columns()`."""
        return [cells_of(row, several=self.is_mixed) for row in self.rows]

    def columns(self) -> list[str]:
        """Titles of what `cells` returns."""
        named = [f"{self.split} accuracy %" if name == _ACCURACY else name for name in _HEADER]
        return [*(["protocol", "network"] if self.is_mixed else []), *named]

    @property
    def split(self) -> str:
        """Whose images scored the rows."""
        return self.rows[0].split if self.rows else "test"

    @property
    def is_mixed(self) -> bool:
        """Whether rows are of several protocols or networks."""
        return len({(row.protocol, row.network) for row in self.rows}) > 1


_ACCURACY = "accuracy %"
_HEADER = ["row", "mode", _ACCURACY, "n", "bytes", "images seen", "distinct", "steps", "passes"]


def cells_of(row: Row, *, several: bool = False) -> list[str]:
    """The row as texts; with `several`, protocol and network first."""
    picked = f", picked on {row.split} data" if row.selects_on_test else ""
    spread = f" ± {100 * row.std:.1f}" if row.n > 1 else ""  # one network has none
    return [
        *([row.protocol, row.network] if several else []),
        row.name,
        f"{row.mode}, soft labels" if row.labels == "soft" else row.mode,
        f"{100 * row.mean:.1f}{spread}{picked}",
        str(row.n),
        "-" if row.bytes is None else f"{row.bytes:,}",
        f"{row.images_seen:,}",
        f"{row.distinct_images:,}",
        f"{row.steps:,}",
        f"{row.passes:,}",
    ]
