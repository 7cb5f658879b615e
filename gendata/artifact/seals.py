"""Seals of measured rows: a digest over the row and the artifact it is of.

A seal catches a row that was edited, or copied from another artifact, by mistake. It proves nothing against somebody
who means to cheat; `gendata evaluate --recheck` measures again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gendata.artifact.artifact import CondensedArtifact
from gendata.artifact.canonical import sha256_of

SEAL = "seal"
_SAME = ("row", "mode", "protocol", "network", "ipc", "labels")  # a row that agrees in these was measured again


def sealed(row: Mapping[str, Any], *, artifact_id: str) -> dict[str, Any]:
    """`row` with its seal."""
    unsealed = {name: value for name, value in row.items() if name != SEAL}
    return {**unsealed, SEAL: sha256_of({"artifact_id": artifact_id, "row": unsealed})}


def is_sealed(row: Mapping[str, Any], artifact: CondensedArtifact) -> bool:
    """Whether a row of the artifact's evaluations is as it was measured."""
    return SEAL in row and sealed(row, artifact_id=artifact.artifact_id)[SEAL] == row[SEAL]


def broken_seals(artifact: CondensedArtifact) -> list[str]:
    """Which rows of the artifact's evaluations do not match their seal, or have none: what is wrong with each."""
    faults = []
    for row in artifact.evaluations():
        name = " ".join(key_of(row))[:200]
        if SEAL not in row:
            faults.append(f"{name}: has no seal")
        elif not is_sealed(row, artifact):
            faults.append(f"{name}: was changed after it was measured, or is of another artifact")
    return faults


def key_of(row: Mapping[str, Any]) -> tuple[str, ...]:
    """What makes two rows the same measurement; the teacher too, where one is told."""
    return tuple(str(row.get(name)) for name in _SAME) + ((str(row["teacher"]),) if row.get("teacher") else ())
