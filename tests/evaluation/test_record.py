"""Measured rows beside the artifact."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import pytest

import gendata
from gendata._environment import environment
from gendata.errors import IntegrityError, SpecError
from gendata.evaluation.record import record_report
from gendata.evaluation.report import Report, Row

ROW = Row(
    name="artifact",
    mode="frozen(30)",
    mean=0.5,
    std=0.1,
    n=2,
    bytes=100,
    images_seen=300,
    distinct_images=30,
    steps=10,
    passes=10,
    network="mlp",
    protocol="quick/v1",
    seeds=(0, 1),
    last=(0.4, 0.6),
)


@pytest.fixture
def artifact(digits_artifact: Path, tmp_path: Path) -> gendata.CondensedArtifact:
    shutil.copytree(digits_artifact, tmp_path / "digits")
    return gendata.open_artifact(tmp_path / "digits")


def report(artifact_id: str, *rows: Row) -> Report:
    return Report(
        protocol="quick/v1",
        networks=("mlp",),
        ipc=3,
        artifact_id=artifact_id,
        source="digits",
        fingerprint="",
        seed=0,
        device="cpu",
        environment={},
        rows=rows,
    )


def test_rows_are_kept_and_the_samples_stay_what_they_are(artifact: gendata.CondensedArtifact) -> None:
    record_report(artifact.path, report(artifact.artifact_id, ROW))
    after = gendata.open_artifact(artifact.path)
    (row,) = after.evaluations()
    assert (row["row"], row["mean"], row["n"]) == ("artifact", 0.5, 2)
    assert after.artifact_id == artifact.artifact_id


def test_a_kept_row_says_with_what_it_was_measured(artifact: gendata.CondensedArtifact) -> None:
    told = msgspec.structs.replace(report(artifact.artifact_id, ROW), environment=environment(), seed=4)
    record_report(artifact.path, told)
    (row,) = gendata.open_artifact(artifact.path).evaluations()
    assert (row["seed"], row["source"], row["device"]) == (4, "digits", "cpu")
    assert row["fingerprint"] == told.fingerprint
    assert row["versions"] == {"gendata": gendata.__version__, "torch": environment()["packages"]["torch"]}
    assert {"processor", "accelerators"} <= set(row["hardware"])


def test_a_row_measured_again_replaces_the_older_one_and_no_other(artifact: gendata.CondensedArtifact) -> None:
    other = msgspec.structs.replace(ROW, mode="fresh-matched")
    record_report(artifact.path, report(artifact.artifact_id, ROW, other))
    record_report(artifact.path, report(artifact.artifact_id, msgspec.structs.replace(ROW, mean=0.7)))
    rows = gendata.open_artifact(artifact.path).evaluations()
    assert {row["mode"]: row["mean"] for row in rows} == {"frozen(30)": 0.7, "fresh-matched": 0.5}


def test_a_report_of_another_artifact_is_refused(artifact: gendata.CondensedArtifact) -> None:
    with pytest.raises(IntegrityError, match="which the report is about"):
        record_report(artifact.path, report("0" * 64, ROW))


def test_rows_of_validation_images_are_never_kept(artifact: gendata.CondensedArtifact) -> None:
    row = msgspec.structs.replace(ROW, split="validation")
    with pytest.raises(SpecError, match="scored on validation images"):
        record_report(artifact.path, report(artifact.artifact_id, row))
    assert artifact.evaluations() == []
