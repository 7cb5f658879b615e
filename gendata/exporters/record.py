"""export.json: what a folder of exported samples holds, of which artifact, under which licence."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from gendata.artifact.canonical import pretty
from gendata.artifact.layout import FileFacts
from gendata.errors import IntegrityError, SpecError

RECORD = "export.json"
CLASSES = "classes.json"
FORMAT = "gendata.export"

_MAX_FAULTS_TOLD = 8


def file_facts(path: Path) -> FileFacts:
    """Size and sha256 of a file, read in pieces."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
            size += len(block)
    return FileFacts(size=size, sha256=digest.hexdigest())


def record_bytes(plan: Mapping[str, Any], facts: Mapping[str, Any], files: Mapping[str, FileFacts]) -> bytes:
    """The record's bytes.

    Args:
        plan: what decides the samples and their files; a second export compares it.
        facts: what readers want to know besides.
        files: every other file of the export.
    """
    return pretty({"format": FORMAT, "plan": plan, **facts, "files": msgspec.to_builtins(files)})


def finished_files(out: Path, plan: Mapping[str, Any]) -> list[Path] | None:
    """Files of the finished export in `out`, each compared with its hash; None: there is nothing yet.

    Raises:
        SpecError: something else is there.
        IntegrityError: a file is missing or was changed since.
    """
    if out.is_dir() and not any(out.iterdir()):
        return None
    if not out.exists() and not out.is_symlink():
        return None
    record = _read(out / RECORD)
    if record is None or record.get("plan") != _plain(plan):
        raise SpecError(
            "holds something else" if record is None else "holds another export",
            where=str(out),
            expected="a name that does not exist yet, an empty folder, or this very export",
            remedy="Choose another folder, or move this one away.",
        )
    files: dict[str, Any] = record["files"]
    faults = [name for name, facts in files.items() if not _is_sound(out, name, facts)]
    if faults:
        told = ", ".join(faults[:_MAX_FAULTS_TOLD])
        raise IntegrityError(
            f"{len(faults)} of {len(files)} files are missing or changed ({told})",
            where=str(out),
            expected=f"the bytes that {RECORD} names",
            remedy="Move the folder away and export again.",
        )
    return [*(out / name for name in files), out / RECORD]


def _read(path: Path) -> dict[str, Any] | None:
    """The record, or None: there is none of ours."""
    try:
        record = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    if not isinstance(record, dict) or record.get("format") != FORMAT or not isinstance(record.get("files"), dict):
        return None
    return record


def _is_sound(out: Path, name: str, facts: Any) -> bool:
    path = out / name
    try:
        inside = path.resolve().is_relative_to(out.resolve())  # a record is data: it may name any path
        return inside and path.is_file() and msgspec.to_builtins(file_facts(path)) == facts
    except OSError:
        return False


def _plain(plan: Mapping[str, Any]) -> Any:
    """As JSON gives it back."""
    return json.loads(json.dumps(plan))
