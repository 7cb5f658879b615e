"""The run folder of a condensation: lock, recipe, checkpoint, statistics. Nothing in it is a pickle."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from gendata.artifact.layout import writing
from gendata.errors import ArtifactError, IntegrityError
from gendata.recipe import Recipe

_STATE, _RECIPE, _STATS, _LOCK = "state.safetensors", "recipe.json", "stats.jsonl", "lock"
_log = logging.getLogger(__name__)
_MOST_THREADS = 4096  # more are no machine's, and could not be begun


class Progress(msgspec.Struct, frozen=True):
    """How far a checkpoint is: `step` steps of stage number `stage` are done."""

    stage: int
    step: int
    stats_bytes: int  # length of stats.jsonl at that moment


@dataclass(frozen=True)
class Saved:
    """A checkpoint as read back."""

    stage: int
    step: int
    tensors: dict[str, Tensor]


class RunFolder:
    """`DIR.run/`, held by one process at a time (by rank 0 for all ranks of a distributed run).

    Entering it raises ArtifactError if another process holds it, or if its claim (recipe, data, versions, device) is
    another one: half of a run under one torch and half under the next would be neither's. A run that was begun with
    another number of `threads` is not refused; it goes on with those: entered, `threads` says how many.

    Args:
        is_first: whether this is the process that holds it for all of a distributed run.
    """

    def __init__(
        self, path: Path, *, recipe: Recipe, claim: dict[str, str], threads: int, is_first: bool = True
    ) -> None:
        from filelock import FileLock

        self.path, self._recipe, self._told, self.threads = path, recipe, claim, threads
        self._is_first, self._is_whole = is_first, True
        self._lock = FileLock(path / _LOCK)

    def __enter__(self) -> RunFolder:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ArtifactError(
                f"cannot be made: {error.strerror}", where=str(self.path), expected="a place that can be written",
                remedy="Name another folder: --out DIR.",
            ) from None  # fmt: skip
        if not os.access(self.path, os.W_OK):
            raise ArtifactError("cannot be written", where=str(self.path), remedy="Name another folder: --out DIR.")
        if self._is_first:
            self._acquire()
            try:
                self._claim()
            except BaseException:
                self._lock.release()
                raise
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def save(self, *, stage: int, step: int, tensors: dict[str, Tensor]) -> None:
        """Replaces the checkpoint; a kill at any moment leaves the old one or the new one.

        Raises:
            ArtifactError: there is no room; the old one stays.
        """
        progress = Progress(stage, step, self._stats_bytes())
        on_host = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        temporary = self.path / f"{_STATE}.part"
        try:
            save_file(on_host, temporary, {"progress": msgspec.json.encode(progress).decode()})
            _replace(temporary, self.path / _STATE)
        except (OSError, SafetensorError) as error:
            temporary.unlink(missing_ok=True)
            raise ArtifactError(
                f"the checkpoint cannot be written: {getattr(error, 'strerror', None) or error}", where=str(self.path),
                remedy="Where there is no room, make some; the same command then goes on from the last one.",
            ) from None  # fmt: skip

    def load(self) -> Saved | None:
        """The last checkpoint; None: there is none. Statistics from after it are dropped.

        Raises:
            IntegrityError: the checkpoint was damaged after it was written.
        """
        path = self.path / _STATE
        if not path.is_file():
            self._truncate_stats(0)
            return None
        try:
            with safe_open(path, framework="pt") as file:
                progress = msgspec.json.decode(file.metadata()["progress"], type=Progress)
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (no dict)
        except (SafetensorError, msgspec.MsgspecError, KeyError, TypeError) as error:
            raise IntegrityError(
                f"the checkpoint cannot be read ({error})", where=str(path), remedy="Remove it to start again."
            ) from None
        self._truncate_stats(progress.stats_bytes)
        return Saved(progress.stage, progress.step, tensors)

    def write_stats(self, line: dict[str, Any]) -> None:
        """Appends a line to stats.jsonl, if there is room."""
        with self._dispensable(), (self.path / _STATS).open("a") as file:
            file.write(json.dumps(line) + "\n")

    def write_picture(self, name: str, png: bytes) -> None:
        """Keeps a picture of how things stand, if there is room."""
        with self._dispensable():
            (self.path / name).write_bytes(png)

    @contextmanager
    def _dispensable(self) -> Iterator[None]:
        """What cannot be written is told once, and missed: the run goes on without it."""
        try:
            yield
        except OSError as error:
            if self._is_whole:
                _log.warning("%s: statistics or pictures cannot be written: %s", self.path, error.strerror)
            self._is_whole = False

    def forget(self) -> None:
        """Drops the checkpoint once the artifact stands; statistics and pictures stay to be looked at."""
        (self.path / _STATE).unlink(missing_ok=True)

    def _acquire(self) -> None:
        from filelock import Timeout

        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise ArtifactError(
                "another process is condensing here", where=str(self.path), remedy="Wait, or choose another --out."
            ) from None

    def _claim(self) -> None:
        path = self.path / _RECIPE
        if not path.is_file():
            temporary = path.with_suffix(".part")
            told = self._told | {"threads": self.threads, "recipe": msgspec.to_builtins(self._recipe.portable())}
            with writing(path):
                temporary.write_text(json.dumps(told, indent=1))
                _replace(temporary, path)
        found = self._begun(path)
        for what, wanted in self._told.items():
            if found.get(what) != wanted:
                raise ArtifactError(
                    f"holds the state of another {what} ({str(found.get(what))[:20]})",
                    where=str(self.path),
                    expected=wanted[:20],
                    remedy=f"Choose another --out, or remove {self.path.name}.",
                )
        threads = found.get("threads")  # none: a run of before
        self.threads = threads if isinstance(threads, int) and 0 < threads <= _MOST_THREADS else self.threads

    def _begun(self, path: Path) -> dict[str, Any]:
        try:
            return msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
        except msgspec.MsgspecError as error:
            raise IntegrityError(
                f"cannot be read ({error})", where=str(path), remedy=f"Remove {self.path.name} to start again."
            ) from None

    def _stats_bytes(self) -> int:
        path = self.path / _STATS
        return path.stat().st_size if path.is_file() else 0

    def _truncate_stats(self, size: int) -> None:
        """A killed process may have written lines, or half a line, after its last checkpoint."""
        if self._stats_bytes() > size:
            os.truncate(self.path / _STATS, size)


def _replace(temporary: Path, final: Path) -> None:
    """Renames into place, on disk before it counts."""
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    temporary.replace(final)
