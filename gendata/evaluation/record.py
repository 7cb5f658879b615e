"""What was measured, kept beside the artifact in its evaluations.json, each row under a seal.

The seal is a digest over the row and the artifact_id: it catches a row that was edited, or copied from another
artifact, by mistake. It proves nothing against somebody who means to cheat; `gendata evaluate --recheck`
measures again.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from gendata.artifact.amend import write_evaluations
from gendata.artifact.artifact import CondensedArtifact, open_artifact
from gendata.artifact.canonical import sha256_of
from gendata.errors import IntegrityError
from gendata.evaluation.report import Report

SEAL = "seal"
_SAME = ("row", "mode", "protocol", "network")  # a row that agrees in these was measured again


def record_report(path: str | Path, report: Report) -> None:
    """Adds the rows of `report` to the artifact's evaluations; a row measured again replaces the older one.

    Raises:
        IntegrityError: the report is of another artifact.
    """
    artifact = open_artifact(path)
    if report.artifact_id != artifact.artifact_id:
        raise IntegrityError(
            f"artifact_id is {artifact.artifact_id[:12]}",
            where=str(path),
            expected=f"{str(report.artifact_id)[:12]}, which the report is about",
            remedy="The artifact changed while it was measured; evaluate it again.",
        )
    new = [
        sealed({**_told(msgspec.to_builtins(row)), **_circumstances(report)}, artifact_id=artifact.artifact_id)
        for row in report.rows
    ]
    measured_again = {_key(row) for row in new}
    kept = [row for row in artifact.evaluations() if _key(row) not in measured_again]
    write_evaluations(path, [*kept, *new])


def sealed(row: dict[str, Any], *, artifact_id: str) -> dict[str, Any]:
    """`row` with its seal."""
    unsealed = {name: value for name, value in row.items() if name != SEAL}
    return {**unsealed, SEAL: sha256_of({"artifact_id": artifact_id, "row": unsealed})}


def broken_seals(artifact: CondensedArtifact) -> list[str]:
    """Which rows of the artifact's evaluations do not match their seal, or have none: what is wrong with each."""
    faults = []
    for row in artifact.evaluations():
        name = " ".join(_key(row))[:200]
        if SEAL not in row:
            faults.append(f"{name}: has no seal")
        elif sealed(row, artifact_id=artifact.artifact_id)[SEAL] != row[SEAL]:
            faults.append(f"{name}: was changed after it was measured, or is of another artifact")
    return faults


def _circumstances(report: Report) -> dict[str, Any]:
    """Without which a number can be neither repeated nor compared."""
    facts = report.environment
    packages = facts.get("packages", {})
    return {
        "ipc": report.ipc,
        "seed": report.seed,  # of the evaluation: `seeds`, one per network, follow from it
        "source": report.source,
        "fingerprint": report.fingerprint,
        "device": report.device,
        "versions": {"gendata": facts.get("gendata"), "torch": packages.get("torch")},
        "hardware": {name: facts.get(name) for name in ("processor", "cpus", "cpu_capability", "accelerators")},
    }


def _told(row: dict[str, Any]) -> dict[str, Any]:
    return {"row": row.pop("name"), **row}


def _key(row: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(row.get(name)) for name in _SAME)
