"""What evaluations keep on this machine: the result of every network, and the state of those in training."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gendata._cache import cache_folder

_RESULT, _STATE = ".json", ".safetensors"  # see `ledger` and `unfinished`


@dataclass(frozen=True, kw_only=True)
class KeptEvaluations:
    """What lies in the folder."""

    path: Path
    num_results: int  # networks that are measured
    num_unfinished: int  # networks in training, or killed there
    num_bytes: int


def evaluations_folder() -> Path:
    """Where they are kept; it may not exist yet."""
    return cache_folder("evaluations")


def kept_evaluations() -> KeptEvaluations:
    """Counts them."""
    return _counted(_files())


def clear_evaluations() -> KeptEvaluations:
    """Removes them and tells what was removed. Evaluations that run now go on; killed, they would begin again."""
    files = _files()
    counted = _counted(files)
    for file in files:
        file.unlink(missing_ok=True)
    return counted


def _files() -> list[Path]:
    return [file for file in evaluations_folder().glob("*") if file.suffix in (_RESULT, _STATE)]


def _counted(files: list[Path]) -> KeptEvaluations:
    num_bytes = 0
    for file in files:
        with suppress(OSError):  # another process was faster
            num_bytes += file.stat().st_size
    ends = [file.suffix for file in files]
    return KeptEvaluations(
        path=evaluations_folder(),
        num_results=ends.count(_RESULT),
        num_unfinished=ends.count(_STATE),
        num_bytes=num_bytes,
    )
