from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest

import gendata
from gendata.artifact.amend import write_evaluations
from gendata.artifact.seals import broken_seals
from gendata.artifact.seals import sealed as seal
from gendata.errors import SpecError
from gendata.evaluation import evaluate, protocols
from gendata.evaluation.protocol import Protocol
from gendata.evaluation.recheck import Rechecked, recheck
from gendata.evaluation.record import record_report
from gendata.evaluation.teaching import train_teacher
from gendata.labels.teacher import open_teacher
from gendata.recipe import Choice


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


def forged(artifact: gendata.CondensedArtifact, number: int = 0, **changes: Any) -> Rechecked:
    """What recheck says of one sealed row that is changed and sealed again."""
    row = seal({**artifact.evaluations()[number], **changes}, artifact_id=artifact.artifact_id)
    write_evaluations(artifact.path, [row])
    (found,) = recheck(artifact.path)
    return found


def test_a_strangers_row_cannot_ask_for_all_memory(sealed: gendata.CondensedArtifact) -> None:
    many = 10_001
    row = forged(sealed, n=many, reported=[0.5] * many, mean=0.5, std=0.0)
    assert (row.verdict, "runs is" in row.reason) == ("not measured", True)


@pytest.mark.parametrize("changes", [{"mean": 0.95}, {"std": 0.1}, {"n": 3}, {"mean": 0.95, "std": 0.1}])
def test_a_row_whose_sums_do_not_follow_from_its_accuracies_differs(
    sealed: gendata.CondensedArtifact, changes: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gendata.evaluation.recheck.evaluate", lambda *given, **chosen: pytest.fail("it was measured"))
    row = forged(sealed, **changes)
    assert (row.verdict, row.again) == ("differs", None)
    assert row.reason == f"does not follow from `reported`: {', '.join(changes)}"


@pytest.mark.parametrize("reported", [[], [1e308, 1e308]])
def test_accuracies_that_are_none_differ(sealed: gendata.CondensedArtifact, reported: list[float]) -> None:
    row = forged(sealed, reported=reported, n=len(reported))
    assert (row.verdict, row.reason) == ("differs", "`reported` holds no accuracies")


def test_a_wide_spread_of_the_sealed_row_excuses_no_other_mean(sealed: gendata.CondensedArtifact) -> None:
    now = sealed.evaluations()[0]
    row = forged(sealed, reported=[0.0, 1.0], mean=0.5, std=0.5)
    assert row.again == now["mean"] and abs(now["mean"] - 0.5) > max(0.01, 3 * now["std"])
    assert row.verdict == "differs"


@pytest.mark.parametrize(
    ("changes", "reason"), [({"bytes": 100}, "bytes, not 100"), ({"images_seen": 7}, "images are seen, not 7")]
)
def test_other_bytes_or_images_differ_whatever_the_accuracies(
    sealed: gendata.CondensedArtifact, changes: dict[str, int], reason: str
) -> None:
    row = forged(sealed, number=1, **changes)
    assert row.verdict == "differs" and row.again == row.sealed
    assert reason in row.reason


def test_accuracies_per_class_that_were_never_measured_differ(sealed: gendata.CondensedArtifact) -> None:
    measured = sealed.evaluations()[0]["per_class"]
    row = forged(sealed, per_class=[0.0 if accuracy > 0.5 else 1.0 for accuracy in measured])
    assert (row.verdict, row.reason) == ("differs", "other accuracies per class")


def test_corrupted_images_are_tested_on_again(sealed: gendata.CondensedArtifact) -> None:
    chosen: dict[str, Any] = {"rows": ("frozen",), "runs": 1, "seed": 3, "corruptions": ("contrast",)}
    (measured,) = evaluate(sealed.path, protocol=sealed.evaluations()[0]["protocol"], **chosen).rows
    one = {"n": 1, "reported": measured.reported, "mean": measured.mean, "std": 0.0, "per_class": measured.per_class}
    row = forged(sealed, **one, corrupted=measured.corrupted)
    assert (row.verdict, row.reason) == ("equal", "")
    row = forged(gendata.open_artifact(sealed.path), **one, corrupted={"contrast": 0.99})
    assert (row.verdict, row.reason) == ("differs", "other accuracies on corrupted images")
    near = {"contrast": measured.corrupted["contrast"] + 0.03}
    assert forged(gendata.open_artifact(sealed.path), **one, corrupted=near).verdict == "within noise"


@pytest.mark.parametrize(
    "changes", [{"corrupted": {"all": 0.8}}, {"corrupted": {"contrast": 1.5}}, {"per_class": [0.0, 1.8]}]
)
def test_parts_that_are_none_differ_before_anything_is_measured(
    sealed: gendata.CondensedArtifact, changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gendata.evaluation.recheck.evaluate", lambda *given, **chosen: pytest.fail("it was measured"))
    assert forged(sealed, **changes).verdict == "differs"


def test_other_test_images_are_not_measured_on(sealed: gendata.CondensedArtifact) -> None:
    assert len(sealed.evaluations()[0]["test_digest"]) == 64
    row = forged(sealed, test_digest="0" * 64)
    assert (row.verdict, "test images of digits found here are not those" in row.reason) == ("not measured", True)


def test_rows_of_before_tell_no_test_images_and_are_measured(sealed: gendata.CondensedArtifact) -> None:
    old = {name: value for name, value in sealed.evaluations()[0].items() if name != "test_digest"}
    write_evaluations(sealed.path, [seal(old, artifact_id=sealed.artifact_id)])
    assert [row.verdict for row in recheck(sealed.path)] == ["equal"]


@pytest.fixture
def teachers(tmp_path: Path) -> list[Path]:
    return [
        train_teacher("digits", network="mlp1-w4", out=tmp_path / f"t{seed}", epochs=1, seed=seed, device="cpu").path
        for seed in (0, 1)
    ]


def test_only_rows_of_a_teacher_are_given_it_and_only_their_own(
    sealed: gendata.CondensedArtifact, brief: Protocol, teachers: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    taught = msgspec.structs.replace(
        brief, name="taught/v1", teacher=True, step=Choice(name="teacher-divergence", options={"temperature": 20.0})
    )
    monkeypatch.setitem(protocols.PROTOCOLS, taught.name, taught)
    report = evaluate(sealed.path, protocol=taught.name, rows=("frozen",), runs=1, teacher=teachers[0])
    record_report(sealed.path, report)
    assert report.teacher == open_teacher(teachers[0]).sha256
    assert [row.get("teacher") for row in gendata.open_artifact(sealed.path).evaluations()] == [
        None, None, report.teacher,
    ]  # fmt: skip
    assert [row.verdict for row in recheck(sealed.path, teacher=teachers[0])] == ["equal"] * 3
    other = recheck(sealed.path, teacher=teachers[1])
    assert [row.verdict for row in other] == ["equal", "equal", "not measured"]
    assert "not the one of sha256" in other[-1].reason

    again = evaluate(sealed.path, protocol=taught.name, rows=("frozen",), runs=1, teacher=teachers[1])
    record_report(sealed.path, again)  # another teacher, another row
    assert len(gendata.open_artifact(sealed.path).evaluations()) == 4


def test_without_rows_there_is_nothing_to_recheck(digits_artifact: Path) -> None:
    with pytest.raises(SpecError, match="no sealed rows"):
        recheck(digits_artifact)
