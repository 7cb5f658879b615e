from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from gendata.artifact.artifact import CondensedArtifact
from gendata.evaluation import evaluate, unfinished
from gendata.evaluation.protocol import Protocol
from gendata.evaluation.report import Row
from gendata.evaluation.training import Training
from gendata.evaluation.unfinished import SoFar, Unfinished
from gendata.recipe import Choice

RENEWED = {"schedule": Choice(name="drop-renewed", options={"after": "half", "factor": 0.1}), "epochs": 8}
ADAMW = {
    "optimiser": Choice(name="adamw", options={"weight_decay": 0.01, "decay_vectors": False}),
    "schedule": Choice(name="cosine"),
    "lr": 0.01,
    "epochs": 8,
}
TESTED_OFTEN = {"selection": Choice(name="best", options={"every": 2}), "epochs": 8}
TWO_RATES = {"lr_trials": (0.01, 0.1), "selection": Choice(name="best", options={"every": 2}), "epochs": 4}


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where networks in training are kept, after every pass."""
    monkeypatch.setenv("GENDATA_CACHE", str(tmp_path))
    monkeypatch.setattr(unfinished, "_EVERY_SEC", 0.0)
    return tmp_path / "evaluations"


def _killed_in_pass(number: int, monkeypatch: pytest.MonkeyPatch, **asked: Any) -> None:
    """An evaluation that ends in the pass of that number, counted over all its networks."""
    passes, run_pass = [0], Training.run_pass

    def dying(training: Training) -> Tensor:
        passes[0] += 1
        if passes[0] == number:
            raise KeyboardInterrupt
        return run_pass(training)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Training, "run_pass", dying)
        evaluate(**asked)


def _counted_passes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    run_pass, done = Training.run_pass, []

    def counted(training: Training) -> Tensor:
        done.append(training.finished)
        return run_pass(training)

    monkeypatch.setattr(Training, "run_pass", counted)
    return done


def _told(row: Row) -> Row:
    return msgspec.structs.replace(row, minutes=0.0)


@pytest.mark.parametrize(
    ("row", "network", "changes"),
    [
        ("frozen", "convnet1-w4-in", RENEWED),
        ("fresh-matched", "convnet1-w4-bn", ADAMW),
        ("real-stream", "vit-p4-d8-l1-h1", {"epochs": 8}),  # dropout
        ("random-real", "convnet1-w4-in", TESTED_OFTEN),
        ("frozen", "convnet1-w4-in", RENEWED | {"drawing": "dim"}),
    ],
)
def test_a_network_goes_on_where_it_was_killed_to_the_last_bit(
    opened: CondensedArtifact,
    brief: Protocol,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    row: str,
    network: str,
    changes: dict[str, Any],
) -> None:
    protocol = msgspec.structs.replace(brief, network=network, **changes)
    asked: dict[str, Any] = {"artifact": opened, "protocol": protocol, "rows": (row,), "runs": 1}
    whole = evaluate(**asked, resume=False)
    assert not folder.exists()
    _killed_in_pass(6, monkeypatch, **asked)
    assert len(list(folder.glob("*.safetensors"))) == 1
    done = _counted_passes(monkeypatch)
    resumed = evaluate(**asked)
    assert done == [5, 6, 7]
    assert [_told(row) for row in resumed.rows] == [_told(row) for row in whole.rows]
    assert not list(folder.glob("*.safetensors"))


def test_steps_of_fresh_images_go_on_within_a_set(
    opened: CondensedArtifact, brief: Protocol, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {"artifact": opened, "protocol": brief, "rows": ("fresh@1k",), "runs": 1}
    keep = Unfinished.keep_now_and_then

    def keep_last(kept: Unfinished, training: Training, so_far: SoFar) -> None:
        if training.finished > 990:  # a thousand files would take a minute
            keep(kept, training, so_far)

    monkeypatch.setattr(Unfinished, "keep_now_and_then", keep_last)
    _killed_in_pass(994, monkeypatch, **asked)  # a set has five steps
    done = _counted_passes(monkeypatch)
    resumed = evaluate(**asked)
    assert done == [*range(993, 1000)]
    assert [_told(row) for row in resumed.rows] == [_told(row) for row in evaluate(**asked, resume=False).rows]


def test_the_rate_that_was_tried_is_not_tried_again(
    opened: CondensedArtifact, brief: Protocol, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    protocol = msgspec.structs.replace(brief, **TWO_RATES)
    asked: dict[str, Any] = {"artifact": opened, "protocol": protocol, "rows": ("frozen",), "runs": 1}
    _killed_in_pass(7, monkeypatch, **asked)
    done = _counted_passes(monkeypatch)
    resumed = evaluate(**asked)
    assert done == [2, 3]
    assert [_told(row) for row in resumed.rows] == [_told(row) for row in evaluate(**asked, resume=False).rows]
    assert not list(folder.glob("*.safetensors"))


def test_files_that_nobody_came_back_for_are_removed(
    opened: CondensedArtifact, brief: Protocol, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.mkdir(parents=True)
    old, recent = folder / "old.safetensors", folder / "recent.safetensors"
    half = folder / ".a.safetensors.partial-1"
    for path, days in ((old, 31), (half, 31), (recent, 2)):
        path.touch()
        os.utime(path, (time.time() - days * 24 * 3600,) * 2)
    monkeypatch.setattr(unfinished, "_EVERY_SEC", 120.0)  # in an evaluation that keeps nothing itself
    evaluate(opened, protocol=brief, rows=("frozen",), runs=1)
    assert [path.name for path in folder.glob("*safetensors*")] == ["recent.safetensors"]


@pytest.mark.parametrize("every_sec", [0.0, 120.0], ids=["long", "short"])
def test_a_cache_that_cannot_be_written_costs_no_result(
    opened: CondensedArtifact,
    brief: Protocol,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    every_sec: float,
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("GENDATA_CACHE", str(tmp_path / "file"))
    monkeypatch.setattr(unfinished, "_EVERY_SEC", every_sec)
    asked: dict[str, Any] = {"artifact": opened, "protocol": brief, "rows": ("frozen",), "runs": 1}
    found = evaluate(**asked)
    assert found.rows[0].reported == evaluate(**asked, resume=False).rows[0].reported
    told = [record.message for record in caplog.records if "not kept" in record.message]
    assert len(told) == (1 if every_sec else 2)  # the network in training once, however many passes; its result


@pytest.mark.parametrize("damage", ["cut", "other shape", "no random state", "other images", "other groups"])
def test_a_file_that_does_not_fit_is_begun_again(
    opened: CondensedArtifact,
    brief: Protocol,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    damage: str,
) -> None:
    asked: dict[str, Any] = {"artifact": opened, "protocol": brief, "rows": ("frozen",), "runs": 1}
    _killed_in_pass(3, monkeypatch, **asked)
    (file,) = folder.glob("*.safetensors")
    file.write_bytes(_damaged(file, damage))
    done = _counted_passes(monkeypatch)
    resumed = evaluate(**asked)
    assert done == [0, 1, 2]
    assert [record.message.startswith(str(file)) for record in caplog.records if "begins again" in record.message] == [
        True
    ]
    assert resumed.rows[0].reported == evaluate(**asked, resume=False).rows[0].reported


def _damaged(file: Path, damage: str) -> bytes:
    if damage == "cut":
        return file.read_bytes()[:-9]
    with safe_open(file, framework="pt") as opened:
        state = json.loads(opened.metadata()["state"])
        tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118  (no dict)
    if damage == "other shape":
        name = next(name for name in tensors if name.startswith("network."))
        tensors[name] = tensors[name][:1].repeat(9, *[1] * (tensors[name].dim() - 1))
    elif damage == "no random state":
        del tensors["random.cpu"]
    elif damage == "other images":
        state["set"] = "0" * 64
    else:
        state["rates"] *= 2
    return save(tensors, {"state": json.dumps(state)})


def test_a_network_that_diverged_is_gone_on_with_and_not_measured_again(
    opened: CondensedArtifact, brief: Protocol, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    protocol = msgspec.structs.replace(brief, lr=1e30, epochs=6)
    asked: dict[str, Any] = {"artifact": opened, "protocol": protocol, "rows": ("frozen",), "runs": 1}
    _killed_in_pass(5, monkeypatch, **asked)
    done = _counted_passes(monkeypatch)
    assert evaluate(**asked).rows[0].curve[-1].loss is None
    evaluate(**asked)
    assert done == [4, 5]


def test_what_evaluations_keep_is_counted_and_cleared(
    opened: CondensedArtifact, brief: Protocol, folder: Path, monkeypatch: pytest.MonkeyPatch, command: Any
) -> None:
    assert json.loads(command("cache", "list", "--json").out)["evaluations"]["num_results"] == 0
    evaluate(opened, protocol=brief, rows=("random-real",), runs=1)
    _killed_in_pass(2, monkeypatch, artifact=opened, protocol=brief, rows=("frozen",), runs=1)
    (folder / "notes.txt").write_text("a person's")
    size = sum(file.stat().st_size for file in folder.iterdir() if file.name != "notes.txt")
    kept = json.loads(command("cache", "list", "--json").out)["evaluations"]
    assert kept == {"path": str(folder), "num_results": 1, "num_unfinished": 1, "num_bytes": size}
    assert f"networks of evaluations: 1 measured, 1 unfinished, {size:,} bytes" in command("cache", "list").out

    assert command("cache", "clear").code == 0
    assert json.loads(command("cache", "list", "--json").out)["evaluations"] == kept
    refused = command("cache", "clear", "0123", "--evaluations")
    assert refused.code == 2 and "not kept by artifact" in refused.err
    assert json.loads(command("cache", "clear", "--evaluations", "--json").out)["evaluations"] == kept
    assert [file.name for file in folder.iterdir()] == ["notes.txt"]
