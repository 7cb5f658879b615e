from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import gendata
from gendata.artifact.amend import write_evaluations
from gendata.artifact.seals import broken_seals
from gendata.artifact.seals import sealed as seal
from gendata.errors import SpecError
from gendata.evaluation import evaluate, protocols
from gendata.evaluation.protocol import Protocol
from gendata.evaluation.recheck import recheck
from gendata.evaluation.record import record_report


@pytest.fixture
def sealed(
    digits_artifact: Path, tmp_path: Path, brief: Protocol, monkeypatch: pytest.MonkeyPatch
) -> gendata.CondensedArtifact:
    """An artifact whose evaluations hold two rows."""
    monkeypatch.setitem(protocols.PROTOCOLS, brief.name, brief)
    path = shutil.copytree(digits_artifact, tmp_path / "digits")
    record_report(path, evaluate(path, protocol=brief.name, rows=("frozen", "random-real"), runs=2, seed=3))
    return gendata.open_artifact(path)


def test_sealed_rows_are_found_again(sealed: gendata.CondensedArtifact) -> None:
    assert broken_seals(sealed) == []
    assert [(row.row, row.verdict) for row in recheck(sealed.path)] == [("artifact", "equal"), ("random-real", "equal")]


def test_an_edited_row_breaks_its_seal_and_is_not_measured(sealed: gendata.CondensedArtifact) -> None:
    rows = sealed.evaluations()
    rows[0]["mean"] = 0.99
    artifact = write_evaluations(sealed.path, rows)
    (fault,) = broken_seals(artifact)
    assert "changed after it was measured" in fault
    with pytest.raises(SpecError, match="changed after"):
        recheck(sealed.path)


def test_a_row_without_a_seal_is_told(sealed: gendata.CondensedArtifact) -> None:
    rows = sealed.evaluations()
    del rows[1]["seal"]
    assert "random-real" in broken_seals(write_evaluations(sealed.path, rows))[0]


def test_a_strangers_row_that_cannot_be_read_is_told_not_measured(sealed: gendata.CondensedArtifact) -> None:
    rows = sealed.evaluations()
    del rows[0]["reported"]
    write_evaluations(sealed.path, [seal(rows[0], artifact_id=sealed.artifact_id), rows[1]])
    with pytest.raises(SpecError, match="cannot be read"):
        recheck(sealed.path)


def test_a_strangers_row_cannot_ask_for_all_memory(sealed: gendata.CondensedArtifact) -> None:
    rows = [seal({**sealed.evaluations()[0], "n": 10**12}, artifact_id=sealed.artifact_id)]
    write_evaluations(sealed.path, rows)
    (row,) = recheck(sealed.path)
    assert (row.verdict, "runs is" in row.reason) == ("not measured", True)


def test_without_rows_there_is_nothing_to_recheck(digits_artifact: Path) -> None:
    with pytest.raises(SpecError, match="no sealed rows"):
        recheck(digits_artifact)
