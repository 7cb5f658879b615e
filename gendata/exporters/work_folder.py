"""Where an export grows: `.NAME.exporting` beside its destination, so that a killed one goes on."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from gendata.artifact.layout import FileFacts
from gendata.errors import SpecError
from gendata.exporters.record import RECORD, file_facts

_LEDGER = "ledger.jsonl"  # first line: the claim; then a line per finished piece
_LOCK = "lock"
_FILES = "files"  # what becomes the export

_log = logging.getLogger("gendata")


class WorkFolder:
    """Held by one process at a time; entering it finds which pieces an earlier run has finished.

    Only files that the ledger names with the hash they have are trusted: whatever else lies there is removed. State of
    another claim (other samples, options or kind of machine) is dropped.

    Args:
        out: the destination.
        claim: what decides every byte; fit for JSON.

    Raises:
        SpecError: another process is exporting there, or the place cannot be written.
    """

    def __init__(self, out: Path, claim: Mapping[str, Any]) -> None:
        from filelock import FileLock

        self.out, self._claim = out, json.loads(json.dumps(claim))
        self.path = work_path(out)
        self.files = self.path / _FILES
        self._lock = FileLock(self.path / _LOCK)
        self.done: dict[str, dict[str, FileFacts]] = {}  # by piece

    def __enter__(self) -> WorkFolder:
        from filelock import Timeout

        try:
            self.files.mkdir(parents=True, exist_ok=True)
            self._lock.acquire(timeout=0)
        except Timeout:
            raise SpecError(
                "another process is exporting there", where=str(self.out), remedy="Wait, or choose another folder."
            ) from None
        except OSError as error:
            raise SpecError(
                f"cannot be made: {error.strerror}", where=str(self.out), expected="a place that can be written"
            ) from None
        try:
            self._resume()
        except BaseException:
            self._lock.release()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def keep(self, piece: str, files: Mapping[str, FileFacts]) -> None:
        """Notes a finished piece, whose files are on disk."""
        self.done[piece] = dict(files)
        _append(self.path / _LEDGER, {"piece": piece, "files": msgspec.to_builtins(files)})

    def publish(self, record: bytes, names: list[str]) -> None:
        """Makes the export appear: `names` and the record, nothing else.

        Raises:
            SpecError: something else has appeared there meanwhile.
        """
        (self.files / RECORD).write_bytes(record)
        sync_file(self.files / RECORD)
        _remove_others(self.files, {*names, RECORD})
        for folder in (self.files, *(path for path in self.files.rglob("*") if path.is_dir())):
            sync_file(folder)
        try:
            self.files.rename(self.out)
        except OSError as error:
            raise SpecError(
                f"cannot be made: {error.strerror}",
                where=str(self.out),
                expected="a name that does not exist yet, or an empty folder",
            ) from None
        sync_file(self.out.parent)
        self.discard()

    def discard(self) -> None:
        """Removes the folder."""
        self._lock.release()
        shutil.rmtree(self.path, ignore_errors=True)

    def _resume(self) -> None:
        lines = _lines(self.path / _LEDGER)
        if lines and lines[0] != {"claim": self._claim}:
            _log.info("%s: begun for other samples or options; begins anew", self.out)
            lines = []
        for line in lines[1:]:
            self._trust(line)
        trusted = {name for files in self.done.values() for name in files}
        _remove_others(self.files, trusted)
        (self.path / _LEDGER).unlink(missing_ok=True)  # its last line may be half written
        _append(self.path / _LEDGER, {"claim": self._claim})
        for piece, files in self.done.items():
            self.keep(piece, files)

    def _trust(self, line: dict[str, Any]) -> None:
        with contextlib.suppress(OSError, KeyError, TypeError, AttributeError, msgspec.ValidationError):
            files = {name: msgspec.convert(facts, FileFacts) for name, facts in line["files"].items()}
            if all(file_facts(self.files / name) == facts for name, facts in files.items()):
                self.done[str(line["piece"])] = files


def work_path(out: Path) -> Path:
    """The folder in which the export `out` grows."""
    absolute = out.absolute()
    return absolute.with_name(f".{absolute.name}.exporting")


def sync_file(path: Path) -> None:
    """Waits until a file, or a folder's list of names, is on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _append(path: Path, line: dict[str, Any]) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
        file.flush()
        os.fsync(file.fileno())


def _lines(path: Path) -> list[dict[str, Any]]:
    """Whole lines of a ledger; a line that a kill cut short ends it."""
    lines: list[dict[str, Any]] = []
    if path.is_file():
        for text in path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                line = json.loads(text)
            except ValueError:
                break
            if not isinstance(line, dict):
                break
            lines.append(line)
    return lines


def _remove_others(folder: Path, names: set[str]) -> None:
    """Leaves only the files `names`, and no empty folder."""
    for path in sorted(folder.rglob("*"), reverse=True):  # what is inside a folder before the folder
        if path.is_dir() and not path.is_symlink():
            with contextlib.suppress(OSError):  # not empty
                path.rmdir()
        elif path.relative_to(folder).as_posix() not in names:
            path.unlink()
