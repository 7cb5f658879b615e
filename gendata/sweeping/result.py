"""What one cell of a sweep gave, and its file."""

from __future__ import annotations

from pathlib import Path

import msgspec

from gendata.artifact.layout import replace_file
from gendata.artifact.row_options import option_of

_FOLDER = "cells"


class ScoredRow(msgspec.Struct, frozen=True, kw_only=True):
    """Several networks, trained on one artifact or beside it. Accuracies are fractions."""

    row: str  # "artifact", "random-real"
    mode: str  # "frozen(100)", "fresh-matched"
    split: str  # whose images scored it
    mean: float
    std: float  # over networks, population
    n: int  # networks
    bytes: int | None
    images_seen: int  # per network
    network: str

    @property
    def label(self) -> str:
        return self.mode if self.row == "artifact" else option_of(self.row, self.mode)


class CellResult(msgspec.Struct, frozen=True, kw_only=True):
    """One artifact, scored."""

    recipe_digest: str
    artifact_id: str
    artifact_bytes: int
    spread: float | None  # achieved, see `achieved`; None: cannot be told
    gap: float | None
    rows: tuple[ScoredRow, ...]
    skipped: dict[str, str] = {}  # row -> why it could not be measured
    condense_minutes: float | None  # None: it was taken up again after a stop
    condense_cpu_minutes: float | None  # of its one thread; None too where an accelerator did the work
    evaluate_minutes: float  # of the rows alone
    fingerprint: str = ""  # of the real data; "": of before it was kept
    measured_with: str = ""  # versions and processor

    @property
    def own_minutes(self) -> float | None:
        """Of condensing, as long as it would have been, had it been alone on the machine."""
        return self.condense_minutes if self.condense_cpu_minutes is None else self.condense_cpu_minutes


def keep(out: Path, key: str, result: CellResult) -> None:
    """Writes the cell's file, on disk before this returns: a cell is finished when it stands."""
    (out / _FOLDER).mkdir(parents=True, exist_ok=True)
    replace_file(_path(out, key), msgspec.json.format(msgspec.json.encode(result), indent=1))


def kept(out: Path, key: str) -> CellResult | None:
    """The cell's result; None: it is not finished, or its file is not readable (it is then measured again)."""
    try:
        return msgspec.json.decode(_path(out, key).read_bytes(), type=CellResult)
    except (OSError, msgspec.DecodeError):
        return None


def _path(out: Path, key: str) -> Path:
    return out / _FOLDER / f"{key}.json"
