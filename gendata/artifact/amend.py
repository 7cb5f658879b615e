"""What may change after an artifact is made: its evaluations, its licence and its source. Never its samples.

Every step leaves a folder that verifies, whenever the process is killed; fields that this gendata does not know stay.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec

from gendata.artifact import layout
from gendata.artifact.artifact import (
    MAX_EVALUATIONS_BYTES,
    CondensedArtifact,
    open_artifact,
    read_evaluations,
)
from gendata.artifact.canonical import parse_json, pretty
from gendata.artifact.card import render_card
from gendata.artifact.manifest import read_fields, seal, to_bytes
from gendata.errors import ArtifactError
from gendata.spec import SourceFacts

_PATIENCE_SEC, _LOOK_AGAIN_SEC = 60.0, 0.05


def write_evaluations(path: str | Path, rows: Sequence[Mapping[str, Any]]) -> CondensedArtifact:
    """Replaces evaluations.json and lists it; artifact_id stays.

    Args:
        path: the artifact's folder.
        rows: plain data, one mapping per measured row; all of them, the old ones are dropped. Whoever has read those
            before does it all within `amending`.

    Raises:
        ArtifactError: the folder is no sound artifact or cannot be written, or a row is not plain finite data.
    """
    folder = Path(path)
    artifact, card_is_ours = _opened(folder)
    data = _encoded(rows, where=str(folder / layout.EVALUATIONS))
    fields = read_fields(folder)
    fields["files"] = {**fields["files"], layout.EVALUATIONS: msgspec.to_builtins(layout.facts_of(data))}
    manifest = to_bytes(seal(fields), where=str(folder / layout.MANIFEST))
    # A listed file may be absent, but neither differ nor be unlisted: so the old rows go first and the new come last.
    # Meanwhile both have hidden names, and the manifest's hash says which of them counts.
    listed, kept = folder / layout.MANIFEST, folder / layout.EVALUATIONS
    before, after = (kept.with_name(f".{kept.name}.{when}") for when in ("before", "after"))
    with layout.written_beside(listed, manifest) as new_manifest, layout.written_beside(kept, data) as new_rows:
        new_rows.rename(after)
        with suppress(FileNotFoundError):
            kept.rename(before)
        new_manifest.rename(listed)
        after.rename(kept)
        layout.sync_folder(folder)
        before.unlink(missing_ok=True)
    return _finished(folder, artifact, card_is_ours=card_is_ours)


@contextmanager
def amending(path: str | Path) -> Iterator[None]:
    """One process at a time, from reading what it is to change to having changed it.

    Raises:
        ArtifactError: another one is at it for a minute.
    """
    try:
        import fcntl
    except ImportError:  # not POSIX: nobody is kept out
        yield
        return
    if not (Path(path) / layout.MANIFEST).is_file():
        yield  # whoever opens it says what is wrong
        return
    folder, patient_until = os.open(path, os.O_RDONLY), time.monotonic() + _PATIENCE_SEC
    try:
        while True:
            try:
                fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > patient_until:
                    raise ArtifactError(
                        "another process is changing it", where=str(path), remedy="Try again when it has ended."
                    ) from None
                time.sleep(_LOOK_AGAIN_SEC)
        yield
    finally:
        os.close(folder)  # and with it the lock, which is the folder's own: no file is left behind


def annotate(
    path: str | Path,
    *,
    license: str | None = None,
    citation: str | None = None,
    source: SourceFacts | str | None = None,
) -> CondensedArtifact:
    """Changes what the manifest tells people; artifact_id stays.

    Args:
        path: the artifact's folder.
        license: SPDX identifier where one exists; None: as it is.
        citation: text; None: as it is.
        source: facts; or text, which names the source of an artifact that has none and is the homepage of one that has;
            None: as it is.

    Raises:
        ArtifactError: the folder is no sound artifact or cannot be written.
    """
    folder = Path(path)
    for text in (license, citation, source):
        if isinstance(text, str) and _is_no_utf8(text):
            raise ArtifactError(f"{text!r} is not text", where=str(folder), expected="UTF-8")
    with amending(folder):
        artifact, card_is_ours = _opened(folder)
        fields = read_fields(folder)
        told = {"license": license, "citation": citation, "source": _source_fields(fields.get("source"), source)}
        fields.update({name: value for name, value in told.items() if value is not None})
        layout.replace_file(folder / layout.MANIFEST, to_bytes(seal(fields), where=str(folder / layout.MANIFEST)))
        return _finished(folder, artifact, card_is_ours=card_is_ours)


def _is_no_utf8(text: str) -> bool:
    """Whether it came from a terminal of another encoding."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _opened(folder: Path) -> tuple[CondensedArtifact, bool]:
    """The artifact, and whether its card is as rendered, so that nobody's own words are lost by rendering it again."""
    artifact = open_artifact(folder, verify="none")
    _settle(folder, artifact)
    rows = read_evaluations(folder, artifact.manifest, verify=True)
    card = None
    with suppress(ArtifactError):  # one that leads elsewhere, or is too large, is not ours: it stays
        card = layout.read_card(folder)
    return artifact, card == render_card(artifact.manifest, rows)


def _settle(folder: Path, artifact: CondensedArtifact) -> None:
    """Gives the rows back their name where an amendment was killed; what else it left goes."""
    kept, facts = folder / layout.EVALUATIONS, artifact.manifest.files.get(layout.EVALUATIONS)
    with layout.writing(kept):
        if facts is not None and (path := layout.listed_path(folder, kept.name, facts)).exists():
            path.rename(kept)
        for left in layout.hidden_beside(kept):
            left.unlink()


def _finished(folder: Path, before: CondensedArtifact, *, card_is_ours: bool) -> CondensedArtifact:
    after = open_artifact(folder, verify="none")
    assert after.artifact_id == before.artifact_id, "an amendment changed what decides the samples"
    if card_is_ours:
        rows = read_evaluations(folder, after.manifest, verify=True)
        layout.replace_file(folder / layout.CARD, render_card(after.manifest, rows))
    return open_artifact(folder)


def _encoded(rows: Sequence[Mapping[str, Any]], *, where: str) -> bytes:
    try:
        data = pretty(msgspec.to_builtins(list(rows)))
    except (TypeError, ValueError) as error:
        raise ArtifactError(
            f"a row is not plain data ({error})", where=where, expected="finite numbers and text"
        ) from None
    parse_json(data, where=where)
    if len(data) > MAX_EVALUATIONS_BYTES:
        raise ArtifactError(f"takes {len(data)} bytes", where=where, expected=f"at most {MAX_EVALUATIONS_BYTES}")
    return data


def _source_fields(old: dict[str, Any] | None, source: SourceFacts | str | None) -> dict[str, Any] | None:
    if isinstance(source, str):
        if old:
            return {**old, "homepage": source}
        source = SourceFacts(name=source, fingerprint="")
    facts: dict[str, Any] | None = msgspec.to_builtins(source)
    return facts
