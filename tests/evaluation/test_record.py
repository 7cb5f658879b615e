"""Measured rows beside the artifact."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

import gendata
from gendata._environment import environment
from gendata.artifact.amend import write_evaluations
from gendata.artifact.manifest import seal, to_bytes
from gendata.artifact.row_options import option_of
from gendata.artifact.seals import broken_seals, sealed
from gendata.errors import IntegrityError, SpecError
from gendata.evaluation.evaluator import planner_of
from gendata.evaluation.record import adopt_rows, record_report
from gendata.evaluation.report import Report, Row
from gendata.recipe import Choice
from gendata.sources.source import open_source

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


FINGERPRINT = open_source(Choice(name="digits")).fingerprint


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
        fingerprint=FINGERPRINT,
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
    told = msgspec.structs.replace(report(artifact.artifact_id, ROW), environment=environment(), seed=4, threads=3)
    record_report(artifact.path, told)
    (row,) = gendata.open_artifact(artifact.path).evaluations()
    assert (row["seed"], row["source"], row["device"]) == (4, "digits", "cpu")
    assert row["fingerprint"] == told.fingerprint
    assert row["versions"] == {"gendata": gendata.__version__, "torch": environment()["packages"]["torch"]}
    assert {"processor", "accelerators"} <= set(row["hardware"])
    assert row["hardware"]["torch_threads"] == 3


def test_a_row_measured_again_takes_the_place_of_the_older_one(artifact: gendata.CondensedArtifact) -> None:
    other = msgspec.structs.replace(ROW, mode="fresh-matched")
    record_report(artifact.path, report(artifact.artifact_id, ROW, other))
    record_report(artifact.path, report(artifact.artifact_id, msgspec.structs.replace(ROW, mean=0.7)))
    rows = gendata.open_artifact(artifact.path).evaluations()
    assert [(row["mode"], row["mean"]) for row in rows] == [("frozen(30)", 0.7), ("fresh-matched", 0.5)]


def test_a_sealed_row_of_more_networks_stays_and_is_told(artifact: gendata.CondensedArtifact) -> None:
    record_report(artifact.path, report(artifact.artifact_id, ROW))
    fewer = msgspec.structs.replace(ROW, mean=0.7, n=1)
    assert record_report(artifact.path, report(artifact.artifact_id, fewer)) == ["artifact frozen(30)"]
    assert [row["mean"] for row in gendata.open_artifact(artifact.path).evaluations()] == [0.5]
    more = msgspec.structs.replace(ROW, mean=0.6, n=3)
    assert record_report(artifact.path, report(artifact.artifact_id, more)) == []
    assert [row["mean"] for row in gendata.open_artifact(artifact.path).evaluations()] == [0.6]


def test_a_report_of_another_artifact_is_refused(artifact: gendata.CondensedArtifact) -> None:
    with pytest.raises(IntegrityError, match="which the report is about"):
        record_report(artifact.path, report("0" * 64, ROW))


def test_rows_of_validation_images_are_never_kept(artifact: gendata.CondensedArtifact) -> None:
    row = msgspec.structs.replace(ROW, split="validation")
    with pytest.raises(SpecError, match="scored on validation images"):
        record_report(artifact.path, report(artifact.artifact_id, row))
    assert artifact.evaluations() == []


def test_rows_of_other_data_are_never_kept(artifact: gendata.CondensedArtifact) -> None:
    other = msgspec.structs.replace(report(artifact.artifact_id, ROW), fingerprint="0" * 64)
    with pytest.raises(SpecError, match="measured on data of fingerprint 000000000000"):
        record_report(artifact.path, other)
    assert artifact.evaluations() == []


def test_rows_of_other_test_images_than_those_of_sealed_rows_are_refused(artifact: gendata.CondensedArtifact) -> None:
    told = msgspec.structs.replace(report(artifact.artifact_id, ROW), test_digest="1" * 64)
    record_report(artifact.path, report(artifact.artifact_id, msgspec.structs.replace(ROW, mode="fresh-matched")))
    record_report(artifact.path, told)  # a row of before tells no test images: it refuses none
    with pytest.raises(SpecError, match="digest 222222222222"):
        record_report(artifact.path, msgspec.structs.replace(told, test_digest="2" * 64))
    assert [row.get("test_digest") for row in gendata.open_artifact(artifact.path).evaluations()] == [None, "1" * 64]


def test_rows_of_other_test_images_are_not_adopted(
    artifact: gendata.CondensedArtifact, sister: gendata.CondensedArtifact
) -> None:
    record_report(artifact.path, real(artifact, "random-real", test_digest="1" * 64))
    record_report(sister.path, real(sister, "real-full", test_digest="2" * 64))
    assert adopt_rows(sister.path, gendata.open_artifact(artifact.path)) == 0


def test_a_rerun_without_corruptions_keeps_those_of_the_very_same_networks(artifact: gendata.CondensedArtifact) -> None:
    measured = msgspec.structs.replace(ROW, reported=(0.4, 0.6), corrupted={"snow": 0.3})
    record_report(artifact.path, report(artifact.artifact_id, measured))
    found = []
    for changes in ({}, {"corrupted": {"fog": 0.2}}, {"reported": (0.5, 0.5)}):
        again = msgspec.structs.replace(measured, **{"corrupted": {}, **changes})
        record_report(artifact.path, report(artifact.artifact_id, again))
        found += [row["corrupted"] for row in gendata.open_artifact(artifact.path).evaluations()]
    assert found == [{"snow": 0.3}, {"snow": 0.3, "fog": 0.2}, {}]
    assert not broken_seals(gendata.open_artifact(artifact.path))


def test_rows_of_stored_images_are_not_adopted_where_their_students_had_another_rate(
    artifact: gendata.CondensedArtifact, sister: gendata.CondensedArtifact
) -> None:
    record_report(artifact.path, report(artifact.artifact_id, ROW))
    fields = json.loads((sister.path / "config.json").read_text())
    (sister.path / "config.json").write_bytes(to_bytes(seal({**fields, "training": {"lr": 0.5}}), where="sister"))
    assert adopt_rows(sister.path, gendata.open_artifact(artifact.path)) == 0


@pytest.mark.parametrize(
    ("name", "mode", "option"),
    [
        ("artifact", "frozen(30)", "frozen"),
        ("artifact", "fresh@10k", "fresh@10k"),
        ("random-real", "real", "random-real"),
        ("equal-bytes-real", "real@10k", "equal-bytes-real@10k"),
    ],
)
def test_a_row_knows_the_name_by_which_it_is_asked_for(name: str, mode: str, option: str) -> None:
    assert option_of(name, mode) == msgspec.structs.replace(ROW, name=name, mode=mode).option == option
    assert planner_of(option)


@pytest.fixture
def sister(artifact: gendata.CondensedArtifact, tmp_path: Path) -> gendata.CondensedArtifact:
    """Another artifact of the same data, bytes and stored images: a bank draws nothing for its frozen set."""
    fields = json.loads((artifact.path / "config.json").read_text())
    fields["frozen"]["seed"] += 1
    shutil.copytree(artifact.path, tmp_path / "sister")
    (tmp_path / "sister" / "probes.safetensors").unlink()
    (tmp_path / "sister" / "config.json").write_bytes(to_bytes(seal(fields), where="sister"))
    return gendata.open_artifact(tmp_path / "sister")


def real(artifact: gendata.CondensedArtifact, *names: str, **changes: str) -> Report:
    source = artifact.manifest.source
    assert source is not None
    rows = [msgspec.structs.replace(ROW, name=name, mode="real") for name in names]
    told = report(artifact.artifact_id, ROW, *rows)
    return msgspec.structs.replace(told, **{"fingerprint": source.fingerprint, **changes})


def names(artifact: gendata.CondensedArtifact) -> set[str]:
    return {row["row"] for row in gendata.open_artifact(artifact.path).evaluations()}


def test_an_artifact_made_anew_keeps_the_rows_that_would_come_out_the_same(
    artifact: gendata.CondensedArtifact, sister: gendata.CondensedArtifact
) -> None:
    record_report(artifact.path, real(artifact, "random-real", "equal-bytes-real"))
    assert sister.artifact_id != artifact.artifact_id
    assert adopt_rows(sister.path, gendata.open_artifact(artifact.path)) == 3
    assert names(sister) == {"artifact", "random-real", "equal-bytes-real"}
    assert not broken_seals(gendata.open_artifact(sister.path))
    assert adopt_rows(sister.path, gendata.open_artifact(artifact.path)) == 0


def codebook(name: str, tmp_path: Path, *more: str) -> gendata.CondensedArtifact:
    options = {
        "network": "convnet2-w8-in", "networks": 1, "network_ages": [2], "reconstruct_steps": 2, "steps": 0,
    }  # fmt: skip
    latent = ["latent.options.codes=4", "latent.options.frozen=codes"]
    chosen = [f"method.options.{field}={value}" for field, value in options.items()]
    overrides = ("generator.options.widths=[8]", *latent, *chosen, *more)
    return gendata.condense("digits/generative-16kb", out=tmp_path / name, overrides=overrides)


def test_rows_of_stored_images_are_kept_where_the_images_are_the_same_and_told_with_the_new_bytes(
    tmp_path: Path,
) -> None:
    old, far = codebook("old", tmp_path), codebook("far", tmp_path, "latent.options.reach=0.9")
    other = codebook("other", tmp_path, "seed=1")
    rows = [
        msgspec.structs.replace(ROW, name="artifact", mode=mode, labels=labels)
        for mode, labels in (("frozen(10)", "hard"), ("frozen(10)", "soft"), ("fresh-matched", "hard"))
    ]
    told = msgspec.structs.replace(report(old.artifact_id, *rows), ipc=1)
    record_report(old.path, msgspec.structs.replace(told, fingerprint=real(old).fingerprint))
    assert len({one.artifact_id for one in (old, far, other)}) == 3

    assert adopt_rows(far.path, gendata.open_artifact(old.path)) == 1
    (kept,) = gendata.open_artifact(far.path).evaluations()
    assert (kept["mode"], kept["labels"], kept["bytes"]) == ("frozen(10)", "hard", far.artifact_bytes)
    assert not broken_seals(gendata.open_artifact(far.path))
    assert adopt_rows(other.path, gendata.open_artifact(old.path)) == 0


def test_a_row_that_was_measured_here_is_not_replaced_by_an_adopted_one(
    artifact: gendata.CondensedArtifact, sister: gendata.CondensedArtifact
) -> None:
    record_report(artifact.path, real(artifact, "random-real"))
    better = [msgspec.structs.replace(row, mean=0.9) for row in real(sister, "random-real").rows]
    record_report(sister.path, msgspec.structs.replace(real(sister), rows=tuple(better)))
    assert adopt_rows(sister.path, gendata.open_artifact(artifact.path)) == 0
    assert {row["mean"] for row in gendata.open_artifact(sister.path).evaluations()} == {0.9}


def test_rows_of_other_data_or_without_a_right_seal_are_not_adopted(
    artifact: gendata.CondensedArtifact, sister: gendata.CondensedArtifact
) -> None:
    record_report(artifact.path, real(artifact, "random-real"))
    rows = gendata.open_artifact(artifact.path).evaluations()
    others = [sealed({**row, "fingerprint": "0" * 64}, artifact_id=artifact.artifact_id) for row in rows]
    write_evaluations(artifact.path, others)
    assert adopt_rows(sister.path, gendata.open_artifact(artifact.path)) == 0
    write_evaluations(artifact.path, [{**row, "mean": 0.99} for row in rows])
    assert adopt_rows(sister.path, gendata.open_artifact(artifact.path)) == 0


def test_real_images_in_as_many_bytes_are_adopted_only_where_the_bytes_are_as_many(
    artifact: gendata.CondensedArtifact, tmp_path: Path
) -> None:
    record_report(artifact.path, real(artifact, "random-real", "equal-bytes-real"))
    two = ("artifact.ipc=2", "generator.options.slots=2", "latent.options.slots=2")
    other = gendata.condense("digits/random-real", out=tmp_path / "two", overrides=two)
    assert other.artifact_bytes != artifact.artifact_bytes
    assert adopt_rows(other.path, gendata.open_artifact(artifact.path)) == 1
    assert names(other) == {"random-real"}


ANOTHER = """
import sys
from pathlib import Path
from gendata.artifact.amend import write_evaluations
from gendata.evaluation import record
import msgspec
from gendata.evaluation.report import Report

folder, told, marks = map(Path, sys.argv[1:])
about = msgspec.json.decode(told.read_bytes(), type=Report)

def slowly(path, rows):
    (marks / "read").touch()
    while not (marks / "other").exists():
        pass
    import time; time.sleep(1)  # the other one has begun: time to write, if nothing keeps it out
    return write_evaluations(path, rows)

record.write_evaluations = slowly
record.record_report(folder, about)
"""


def test_two_processes_that_add_rows_both_keep_theirs(artifact: gendata.CondensedArtifact, tmp_path: Path) -> None:
    both = [msgspec.structs.replace(ROW, mode=mode) for mode in ("frozen(30)", "fresh-matched")]
    (tmp_path / "report.json").write_bytes(report(artifact.artifact_id, both[0]).to_json())
    command = [sys.executable, "-c", ANOTHER, str(artifact.path), str(tmp_path / "report.json"), str(tmp_path)]
    with subprocess.Popen(command) as other:
        while not (tmp_path / "read").exists():
            assert other.poll() is None
            time.sleep(0.01)
        (tmp_path / "other").touch()
        record_report(artifact.path, report(artifact.artifact_id, both[1]))
        assert other.wait() == 0
    assert {row["mode"] for row in gendata.open_artifact(artifact.path).evaluations()} == {row.mode for row in both}
