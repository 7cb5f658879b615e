"""What was measured, kept beside the artifact in its evaluations.json, each row under a seal."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import torch

from gendata.artifact.amend import amending, write_evaluations
from gendata.artifact.artifact import CondensedArtifact, open_artifact
from gendata.artifact.seals import is_sealed, key_of, sealed
from gendata.errors import IntegrityError, SpecError
from gendata.evaluation.report import Report, Row


def record_report(path: str | Path, report: Report) -> list[str]:
    """Adds the rows of `report` to the artifact's evaluations; a row measured again replaces the older one, unless that
    is sealed and of more networks.

    Returns:
        The rows that stayed as they were, in words.

    Raises:
        IntegrityError: the report is of another artifact.
        SpecError: its rows were scored on validation images, which are for choices alone, on other data than the
            artifact was made from, or on other test images than rows of the same source that are sealed.
    """
    if report.split != "test":
        raise SpecError(
            f"the rows were scored on {report.split} images",
            where=str(path),
            expected="rows of test images, once all choices are made",
            remedy="Evaluate again without --split.",
        )
    with amending(path):
        artifact = open_artifact(path)
        if report.artifact_id != artifact.artifact_id:
            raise IntegrityError(
                f"artifact_id is {artifact.artifact_id[:12]}",
                where=str(path),
                expected=f"{str(report.artifact_id)[:12]}, which the report is about",
                remedy="The artifact changed while it was measured; evaluate it again.",
            )
        facts = artifact.manifest.source
        if facts is not None and facts.fingerprint and report.fingerprint != facts.fingerprint:
            raise SpecError(
                f"the rows were measured on data of fingerprint {report.fingerprint[:12]}...",
                where=str(path),
                expected=f"{facts.fingerprint[:12]}..., the data that the artifact was made from",
                remedy="Keep such rows apart: report.to_json().",
            )
        told = [_told(msgspec.to_builtins(row)) | _circumstances(report, row) for row in report.rows]
        if other := _other_digest(report.test_digest, report.source, artifact):
            raise SpecError(
                f"the rows were tested on images of digest {str(report.test_digest)[:12]}...",
                where=str(path),
                expected=f"{other[:12]}..., on which the sealed rows of {report.source} were tested",
                remedy="Keep such rows apart: report.to_json().",
            )
        rows = {key_of(row): row for row in artifact.evaluations()}  # a row measured again keeps its place
        new = [
            sealed(_with_corruptions(row, rows.get(key_of(row)), artifact), artifact_id=artifact.artifact_id)
            for row in told
        ]
        left = [row for row in new if _is_of_more(rows.get(key_of(row)), row, artifact)]
        rows |= {key_of(row): row for row in new if row not in left}
        write_evaluations(path, list(rows.values()))
        return [f"{row['row']} {row['mode']}" for row in left]


def _is_of_more(old: Mapping[str, Any] | None, new: Mapping[str, Any], artifact: CondensedArtifact) -> bool:
    n = old.get("n") if old is not None and is_sealed(old, artifact) else None
    return isinstance(n, int) and n > int(new["n"])


def _with_corruptions(
    new: Mapping[str, Any], old: Mapping[str, Any] | None, artifact: CondensedArtifact
) -> Mapping[str, Any]:
    """The row with what its very networks came to on corrupted images before, too."""
    if old is None or not is_sealed(old, artifact) or not new["reported"]:
        return new
    if any(list(new[name]) != list(old.get(name, ())) for name in ("seeds", "reported")):
        return new
    return {**new, "corrupted": {**old.get("corrupted", {}), **new["corrupted"]}}


def _other_digest(digest: str | None, source: str, artifact: CondensedArtifact) -> str | None:
    """Of other test images than those of `digest`, on which a sealed row of the source was tested; None: of none."""
    rows = (row for row in artifact.evaluations() if row.get("source") == source and is_sealed(row, artifact))
    known = {str(row["test_digest"]) for row in rows if row.get("test_digest")}
    return next(iter(sorted(known - {digest})), None) if digest else None


def adopt_rows(path: str | Path, other: CondensedArtifact) -> int:
    """Adds rows that were measured with another artifact and would come out the same with this one.

    Those of real images follow from data, protocol and IPC, `equal-bytes-real` from the artifact's bytes as well, none
    from its samples (`RowPlan.follows_from`); a frozen row follows from the stored images. So an artifact that is made
    anew keeps what it need not measure again, each row with what it was measured with.

    Args:
        path: of the artifact that gets the rows; those that it has already stay.
        other: whose rows are read; one without its seal, or changed under it, is left.

    Returns:
        How many rows were added.
    """
    with amending(path):
        artifact = open_artifact(path)
        rows = artifact.evaluations()
        present = {key_of(row) for row in rows}
        adopted = [
            sealed(_adopted(row, artifact), artifact_id=artifact.artifact_id)
            for row in other.evaluations()
            if key_of(row) not in present and is_sealed(row, other) and _fits(row, artifact, other)
        ]
        if adopted:
            write_evaluations(path, [*rows, *adopted])
        return len(adopted)


def _adopted(row: Mapping[str, Any], artifact: CondensedArtifact) -> Mapping[str, Any]:
    """The row with this artifact's bytes, where it is one of its samples."""
    return {**row, "bytes": artifact.artifact_bytes} if row["row"] == "artifact" else row


def _fits(row: Mapping[str, Any], artifact: CondensedArtifact, other: CondensedArtifact) -> bool:
    """Whether a row of `other` does not depend on what tells the two artifacts apart."""
    source = artifact.manifest.source
    if source is None or row["fingerprint"] != source.fingerprint or artifact.space != other.space:
        return False
    if _other_digest(row.get("test_digest"), row["source"], artifact):
        return False
    if row["row"] == "artifact":
        return row["labels"] == "hard" and _stores_the_same(row, artifact, other)
    return artifact.artifact_bytes == other.artifact_bytes or row["row"] != "equal-bytes-real"


def _stores_the_same(row: Mapping[str, Any], artifact: CondensedArtifact, other: CondensedArtifact) -> bool:
    """Whether the row is of stored images, and both store the very same ones."""
    both = (artifact, other)
    if artifact.manifest.training != other.manifest.training:  # the rate that its students are to have
        return False
    if not row["mode"].startswith("frozen(") or row["ipc"] > min(one.max_ipc for one in both):
        return False
    if artifact.spec != other.spec or artifact.manifest.normalisation != other.manifest.normalisation:
        return False
    images, others = (one.frozen_images(ipc=row["ipc"])[0] for one in both)
    return torch.equal(images, others)


def _circumstances(report: Report, row: Row) -> dict[str, Any]:
    """Without which a number can be neither repeated nor compared."""
    facts = report.environment
    packages = facts.get("packages", {})
    hardware = {name: facts.get(name) for name in ("processor", "cpus", "cpu_capability", "accelerators")}
    teacher = report.teacher if row.labels == "teacher" else None
    return {
        "ipc": report.ipc,
        "seed": report.seed,  # of the evaluation: `seeds`, one per network, follow from it
        "source": report.source,
        "fingerprint": report.fingerprint,
        "device": report.device,
        "versions": {"gendata": facts.get("gendata"), "torch": packages.get("torch")},
        "hardware": hardware | {"torch_threads": report.threads},
        **({"test_digest": report.test_digest} if report.test_digest else {}),
        **({"teacher": teacher} if teacher else {}),
    }


def _told(row: dict[str, Any]) -> dict[str, Any]:
    return {"row": row.pop("name"), **row}
