from __future__ import annotations

import os
import pickle
import time
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from gendata.artifact.artifact import CondensedArtifact
from gendata.errors import GendataError
from gendata.evaluation import evaluate, measurement, processes
from gendata.evaluation.bench import Bench
from gendata.evaluation.evaluator import Conditions, Subject, _bench, planner_of
from gendata.evaluation.ledger import key_of
from gendata.evaluation.progress import Silence
from gendata.evaluation.protocol import Protocol
from gendata.evaluation.protocols import DSA
from gendata.evaluation.result import NetworkResult
from gendata.recipe import Choice
from gendata.sources.source import Split, open_source

ROWS = ("frozen", "random-real")


@pytest.fixture
def trainings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[int]:
    """Seeds of the networks that are really trained, with a cache of their own."""
    monkeypatch.setenv("GENDATA_CACHE", str(tmp_path / "cache"))
    seeds: list[int] = []
    real = measurement.train_network

    def counted(*arguments: Any, seed: int) -> Any:
        seeds.append(seed)
        return real(*arguments, seed=seed)

    monkeypatch.setattr(measurement, "train_network", counted)
    return seeds


def test_a_killed_evaluation_goes_on_after_the_networks_that_were_finished(
    opened: CondensedArtifact, brief: Protocol, trainings: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = measurement.train_network

    def killed(*arguments: Any, seed: int) -> Any:
        if len(trainings) == 3:
            raise KeyboardInterrupt
        return counted(*arguments, seed=seed)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(measurement, "train_network", killed)
        evaluate(opened, protocol=brief, rows=ROWS)
    resumed = evaluate(opened, protocol=brief, rows=ROWS)
    assert len(trainings) == 4
    whole = evaluate(opened, protocol=brief, rows=ROWS, resume=False)
    assert [row.reported for row in resumed.rows] == [row.reported for row in whole.rows]
    assert len(trainings) == 8


def test_a_name_alone_makes_no_other_result_but_every_setting_does(
    opened: CondensedArtifact, brief: Protocol, trainings: list[int]
) -> None:
    def runs_of(**changes: Any) -> int:
        before = len(trainings)
        evaluate(opened, protocol=msgspec.structs.replace(brief, **changes), rows=("frozen",), runs=1)
        return len(trainings) - before

    assert runs_of() == 1
    assert runs_of(name="same/v1", summary="as before", status="exact") == 0
    assert [runs_of(lr=0.04), runs_of(epochs=4), runs_of(test_mode="train"), runs_of(no_flip_sources=())] == [1] * 4


def test_a_damaged_file_of_the_cache_is_measured_again(
    opened: CondensedArtifact, brief: Protocol, trainings: list[int], tmp_path: Path
) -> None:
    before = evaluate(opened, protocol=brief, rows=("frozen",), runs=1)
    (file,) = (tmp_path / "cache" / "evaluations").glob("*.json")
    file.write_bytes(file.read_bytes()[:-9])
    assert evaluate(opened, protocol=brief, rows=("frozen",), runs=1).rows[0].reported == before.rows[0].reported
    assert len(trainings) == 2


@pytest.mark.slow
def test_several_processes_give_the_numbers_of_one(opened: CondensedArtifact, brief: Protocol) -> None:
    chosen: dict[str, Any] = {"protocol": brief, "rows": ("frozen", "fresh-matched"), "runs": 3, "resume": False}
    one, two = evaluate(opened, **chosen), evaluate(opened, **chosen, jobs=2)
    assert [row.reported for row in one.rows] == [row.reported for row in two.rows]
    for left, right in zip(one.rows, two.rows, strict=True):
        losses = [[point.loss for point in row.curve] for row in (left, right)]
        assert losses[0] == pytest.approx(losses[1], rel=1e-5)  # sums of another process may round otherwise


def test_a_worker_that_died_is_told_with_what_to_do() -> None:
    future: Future[NetworkResult] = Future()
    future.set_exception(BrokenProcessPool())
    with pytest.raises(GendataError, match="fewer --jobs"):
        processes.result_of(future)


@pytest.mark.slow
def test_an_interruption_ends_the_workers_at_once() -> None:
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt), processes.runner(2, planner_of=planner_of) as run:
        pool = run.args[0]  # type: ignore[attr-defined]
        pool.submit(abs, 1).result()
        pool.submit(time.sleep, 600)
        raise KeyboardInterrupt
    assert time.monotonic() - started < 300


def test_other_test_images_are_another_result(opened: CondensedArtifact, brief: Protocol, trainings: list[int]) -> None:
    source = open_source(Choice(name="digits"))
    before = evaluate(opened, protocol=brief, rows=("frozen",), runs=1, source=source)
    corrected = open_source(Choice(name="digits"))
    x, y = corrected.split("test")
    corrected._splits["test"] = Split(x, y.roll(1))
    assert corrected.fingerprint == source.fingerprint
    after = evaluate(opened, protocol=brief, rows=("frozen",), runs=1, source=corrected)
    assert len(trainings) == 2
    assert before.test_digest is not None and before.test_digest != after.test_digest


@pytest.mark.parametrize("row", ["fresh@1k", "equal-bytes-real@1k", "real-full"])
def test_rows_whose_loop_is_ours_say_so_and_are_found_under_the_key_of_before(
    row: str, opened: CondensedArtifact
) -> None:
    subject = Subject(source=open_source(Choice(name="digits")), ipc=1, artifact=opened)
    bench = _bench(subject, Conditions(), DSA)
    plan, taken = planner_of(row)(bench), planner_of("frozen")(bench)
    assert plan.protocol is not None and (plan.protocol.status, bench.protocol.status) == ("implemented", "exact")
    assert taken.protocol is None
    before = replace(plan, protocol=msgspec.structs.replace(plan.protocol, status="exact"))
    assert key_of(bench, plan, seed=0) == key_of(bench, before, seed=0)
    if row == "real-full":  # its key told the protocol's own record
        assert key_of(bench, plan, seed=0) == key_of(bench, replace(plan, protocol=None), seed=0)


def test_a_kept_result_that_counts_images_nobody_saw_is_told_by_those_seen(
    opened: CondensedArtifact, brief: Protocol, trainings: list[int], tmp_path: Path
) -> None:
    (row,) = evaluate(opened, protocol=brief, rows=("frozen",), runs=1).rows
    (file,) = (tmp_path / "cache" / "evaluations").glob("*.json")
    entry = msgspec.json.decode(file.read_bytes())
    entry["result"]["distinct_images"] = row.images_seen + 9
    file.write_bytes(msgspec.json.encode(entry))
    assert evaluate(opened, protocol=brief, rows=("frozen",), runs=1).rows[0].distinct_images == row.images_seen
    assert len(trainings) == 1


@pytest.mark.slow
def test_a_row_after_the_one_in_which_a_worker_died_is_told_too() -> None:
    with processes.runner(2, planner_of=planner_of) as run:
        pool = run.args[0]  # type: ignore[attr-defined]
        with pytest.raises(BrokenProcessPool):
            pool.submit(os._exit, 1).result()
        plan = SimpleNamespace(
            name="artifact", mode="frozen(10)", row="frozen", feed=lambda seed: SimpleNamespace(steps=1)
        )
        with pytest.raises(GendataError, match="fewer --jobs"):
            run(SimpleNamespace(progress=Silence()), plan, (0,), lambda seed, result: None)  # type: ignore[arg-type]


def test_a_worker_holds_one_row_and_the_data_of_one_bench(opened: CondensedArtifact, brief: Protocol) -> None:
    made: list[Bench] = []

    def planned(name: str) -> Any:
        def plan(bench: Bench) -> Any:
            made.append(bench)
            return planner_of(name)(bench)

        return plan

    subject = Subject(source=open_source(Choice(name="digits")), ipc=1, artifact=opened)
    benches = [_bench(subject, Conditions(), brief) for _ in range(2)]
    for bench, row in [(benches[0], "frozen"), (benches[0], "random-real"), (benches[1], "frozen")]:
        for seed in (0, 1):
            processes._work(planned, pickle.loads(pickle.dumps(bench)), row, seed)  # as a pool sends it
        assert len(processes._held) == len(processes._planned) == 1
    assert len(made) == 3 and made[0] is made[1] and made[1] is not made[2]


def test_a_rate_that_the_artifact_carries_is_part_of_what_decides(opened: CondensedArtifact, brief: Protocol) -> None:
    subject = Subject(source=open_source(Choice(name="digits")), ipc=1, artifact=opened)

    def key(learned: bool, lr: float | None) -> dict[str, Any]:
        protocol = msgspec.structs.replace(brief, learned_lr=learned)
        bench = replace(_bench(subject, Conditions(), protocol), learned_lr=lr)
        return key_of(bench, planner_of("frozen")(bench), seed=0)

    assert key(True, None) != key(True, 0.5)
    assert key(False, None) == key(False, 0.5)
