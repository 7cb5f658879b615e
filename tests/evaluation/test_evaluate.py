from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import fmean, pstdev
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest
import torch

from gendata.artifact.artifact import CondensedArtifact, Draft, open_artifact, save_artifact
from gendata.errors import SourceError, SpecError, UnknownNameError
from gendata.evaluation import equal_bytes, evaluate, protocols
from gendata.evaluation.baselines import random_real, real_full, real_stream
from gendata.evaluation.bench import Bench
from gendata.evaluation.evaluator import _plan, named_source
from gendata.evaluation.modes import fresh_matched, fresh_steps, frozen
from gendata.evaluation.page.reproduction import command
from gendata.evaluation.preparation import Normaliser
from gendata.evaluation.protocols import QUICK
from gendata.evaluation.recheck import recheck
from gendata.evaluation.record import record_report
from gendata.evaluation.report import Row
from gendata.generators.label_head import LabelHead, LabelHeadConfig
from gendata.recipe import Choice, EvaluationPlan
from gendata.sources.source import Source, hold_out, open_source

TINY = msgspec.structs.replace(
    QUICK, name="tiny/v1", network="convnet1-w4-in", epochs=3, extra_pass=True, batch=16, full_epochs=1, runs=2
)


@pytest.fixture(scope="module")
def artifact(digits_artifact: Path) -> CondensedArtifact:
    return open_artifact(digits_artifact)


@pytest.fixture(scope="module")
def source() -> Source:
    return open_source(Choice(name="digits"))


@pytest.fixture
def bench(artifact: CondensedArtifact, source: Source) -> Bench:
    return Bench(
        protocol=TINY,
        source=source,
        spec=artifact.spec,
        ipc=artifact.ipc,
        artifact=artifact,
        artifact_bytes=artifact.artifact_bytes,
        normalise=Normaliser((0.3,), (0.4,)),
    )


class Heard:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.promised = self.done = 0

    def begin(self, name: str, mode: str, *, steps: int) -> None:
        self.promised += steps

    def advance(self, steps: int) -> None:
        self.done += steps

    def end(self, row: Row) -> None:
        self.rows.append(row)


@pytest.fixture
def short_trials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(equal_bytes, "_TRIAL", msgspec.structs.replace(equal_bytes._TRIAL, epochs=2))
    monkeypatch.setattr(equal_bytes, "CANDIDATES", equal_bytes.CANDIDATES[:4])


@pytest.mark.usefixtures("short_trials")
def test_every_row_is_measured_and_says_what_it_cost(digits_artifact: Path, artifact: CondensedArtifact) -> None:
    heard = Heard()
    report = evaluate(digits_artifact, protocol=TINY, progress=heard)
    rows = {(row.name, row.mode): row for row in report.rows}
    assert list(rows) == [
        ("artifact", "frozen(30)"),
        ("artifact", "fresh-matched"),
        ("random-real", "real"),
        ("equal-bytes-real", "real"),
        ("real-stream", "real"),
        ("real-full", "real"),
    ]
    assert report.skipped == {}
    assert heard.rows == list(report.rows)
    assert heard.promised == heard.done
    for row in report.rows:
        # Sheets of bytes are drawn three times at least.
        assert row.n == len(row.last) == len(row.seeds) == (3 if row.name == "equal-bytes-real" else 2)
        assert row.mean == fmean(row.reported)
        assert row.std == pstdev(row.reported)
        assert all(0 <= accuracy <= 1 for accuracy in row.last)
    matched = [rows[key] for key in rows if key[0] in ("artifact", "random-real", "real-stream")]
    assert {(row.images_seen, row.steps, row.passes) for row in matched} == {(4 * 30, 4 * 2, 4)}
    assert [row.distinct_images for row in matched] == [30, 30, 30, 120]  # a bank of 30
    assert rows["artifact", "frozen(30)"].bytes == artifact.artifact_bytes
    assert rows["equal-bytes-real", "real"].bytes <= artifact.artifact_bytes  # type: ignore[operator]
    assert rows["equal-bytes-real", "real"].steps == 8
    assert rows["equal-bytes-real", "real"].images_seen == 4 * 30
    assert rows["real-full", "real"].images_seen == 2 * 1297


def test_a_report_is_json_and_a_table(artifact: CondensedArtifact) -> None:
    report = evaluate(artifact, protocol=TINY, rows=("frozen",), runs=1)
    read = json.loads(report.to_json())
    assert read["protocol"] == "tiny/v1"
    assert read["artifact_id"] == artifact.artifact_id
    assert {"name", "mode", "mean", "std", "n", "bytes", "images_seen"} <= set(read["rows"][0])
    assert read == json.loads(json.dumps(report.to_dict()))
    assert "frozen(30)" in report.markdown()
    assert [len(line) for line in report.cells()] == [len(report.columns())]


def test_the_same_arguments_give_the_same_numbers_and_touch_no_global_randomness(artifact: CondensedArtifact) -> None:
    chosen: dict[str, Any] = {
        "protocol": TINY,
        "rows": ("frozen", "fresh-matched", "random-real"),
        "runs": 2,
        "resume": False,
    }
    before = torch.get_rng_state()
    one = evaluate(artifact, **chosen)
    assert torch.equal(before, torch.get_rng_state())
    torch.rand(7)
    again, other = evaluate(artifact, **chosen), evaluate(artifact, **chosen, seed=1)
    assert [row.last for row in one.rows] == [row.last for row in again.rows]
    assert [row.last for row in one.rows] != [row.last for row in other.rows]
    assert not set(one.rows[0].seeds) & set(other.rows[0].seeds)


def test_more_runs_keep_the_first_ones(artifact: CondensedArtifact) -> None:
    few, many = (evaluate(artifact, protocol=TINY, rows=("frozen",), runs=runs).rows[0] for runs in (1, 3))
    assert many.last[:1] == few.last


def test_frozen_shows_the_stored_set_and_fresh_matched_new_images_at_the_same_budget(bench: Bench) -> None:
    stored, fresh = frozen(bench).feed(0), fresh_matched(bench).feed(0)
    assert torch.equal(stored.images(0)[0], stored.images(1)[0])
    assert not torch.equal(fresh.images(0)[0], fresh.images(1)[0])
    assert torch.equal(fresh.images(1)[0], fresh_matched(bench).feed(0).images(1)[0])
    assert not torch.equal(fresh.images(1)[0], fresh_matched(bench).feed(1).images(1)[0])
    assert torch.equal(stored.images(0)[1], fresh.images(0)[1])
    assert (stored.steps, stored.steps_per_pass, stored.protocol) == (fresh.steps, fresh.steps_per_pass, TINY)


def test_students_of_an_artifact_with_a_label_head_learn_its_soft_labels_or_the_hard_ones_that_are_asked_for(
    artifact: CondensedArtifact, bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(protocols.PROTOCOLS, TINY.name, TINY)
    law, spec = artifact.law, artifact.spec
    with torch.random.fork_rng(devices=[]):
        head = LabelHead(LabelHeadConfig(), num_classes=spec.num_classes, code_dim=law.dim - law.num_noise)
    draft = Draft(
        generator_name=artifact.manifest.generator.name, generator=artifact.generator, law=law, label_head=head,
        latent_name=artifact.manifest.latent.name, spec=spec, ipc=artifact.ipc, frozen_seed=0, micro_batch=32,
        storage="int8", normalisation=artifact.manifest.normalisation, recipe=None, source=artifact.manifest.source,
    )  # fmt: skip
    headed = save_artifact(tmp_path / "headed", draft)
    with_head = replace(bench, artifact=headed, artifact_bytes=headed.artifact_bytes)
    for plan in (frozen(with_head), fresh_matched(with_head), fresh_steps(with_head, thousands=1)):
        x, y = plan.feed(0).images(0)
        assert plan.labels == "soft" and y.shape == (len(x), spec.num_classes)
        torch.testing.assert_close(y.sum(1), torch.ones(len(y)))
    hard, soft = fresh_matched(bench).feed(0).images(1), fresh_matched(with_head).feed(0).images(1)
    assert torch.equal(hard[0], soft[0]) and hard[1].shape == (len(hard[0]),)
    for rows in ("fresh-matched",), ("frozen",):
        own, asked = (evaluate(headed, protocol=TINY, rows=rows, runs=1, labels=labels) for labels in ("own", "hard"))
        (plain,) = evaluate(artifact, protocol=TINY, rows=rows, runs=1).rows
        assert (own.rows[0].labels, asked.rows[0].labels) == ("soft", "hard")
        assert asked.rows[0].last == plain.last != own.rows[0].last
        assert "--labels hard" in command(asked, headed) and "--labels" not in command(own, headed)
        record_report(headed.path, own)
        record_report(headed.path, asked)
    assert [row["labels"] for row in open_artifact(headed.path).evaluations()] == ["soft", "hard"] * 2
    assert [row.verdict for row in recheck(headed.path)] == ["equal"] * 4
    with pytest.raises(SpecError, match="labels are 'soft'"):
        evaluate(headed, protocol=TINY, labels="soft")  # type: ignore[arg-type]


def test_a_smaller_ipc_is_the_first_images_of_every_class_and_stands_in_the_report(
    artifact: CondensedArtifact, bench: Bench
) -> None:
    x, y = frozen(replace(bench, ipc=2)).feed(0).images(0)
    whole, labels = artifact.frozen_images()
    rows = torch.cat([(labels == c).nonzero()[:2, 0] for c in range(10)])
    assert torch.equal(x, whole[rows])
    assert torch.equal(y, labels[rows])

    report = evaluate(artifact, protocol=TINY, rows=("frozen", "random-real"), runs=1, ipc=2)
    assert report.ipc == 2
    assert [(row.mode, row.distinct_images) for row in report.rows] == [("frozen(20)", 20), ("real", 20)]


def test_a_frozen_row_of_more_images_than_are_stored_is_refused(artifact: CondensedArtifact) -> None:
    with pytest.raises(SpecError, match="images stored per class: 3"):
        evaluate(artifact, protocol=TINY, rows=("frozen",), runs=1, ipc=4)
    assert evaluate(artifact, protocol=TINY, rows=("fresh-matched",), runs=1, ipc=4).rows[0].images_seen == 4 * 40


def test_fresh_at_names_its_own_budget(bench: Bench) -> None:
    plan = fresh_steps(bench, thousands=10)
    feed = plan.feed(0)
    x, y = feed.images(0)
    assert plan.mode == "fresh@10k"
    assert feed.distinct_images == 30  # all that the bank holds
    assert (feed.steps, feed.protocol.batch, feed.protocol.lr) == (10_000, 256, 0.01)
    assert len(x) % 256 == 0
    assert torch.bincount(y).unique().numel() == 1


def test_fresh_at_counts_no_image_of_its_last_set_that_no_step_takes(bench: Bench) -> None:
    spec = msgspec.structs.replace(bench.spec, classes=tuple(map(str, range(37))))
    endless = SimpleNamespace(
        law=SimpleNamespace(num_distinct_per_class=None), manifest=SimpleNamespace(labels=SimpleNamespace(kind="hard")),
        artifact_bytes=9, has_fresh_soft_labels=False, spec=spec,
    )  # fmt: skip
    feed = fresh_steps(replace(bench, spec=spec, artifact=endless), thousands=1).feed(0)
    assert feed.distinct_images == feed.steps * 256 == 256_000


def test_images_drawn_with_repetition_are_counted_once(bench: Bench) -> None:
    drawn = replace(bench, protocol=msgspec.structs.replace(TINY, drawing="dim", batching="in-order"))
    for plan in (real_stream(drawn), random_real(drawn), frozen(drawn)):
        feed = plan.feed(0)
        images = [image.numpy().tobytes() for index in range(4) for image in feed.images(index)[0]]
        assert feed.distinct_images == len(set(images)) < len(images)


def test_random_real_draws_other_images_for_every_network_and_none_that_choices_are_made_on(bench: Bench) -> None:
    held_out = {image.numpy().tobytes() for image in bench.validation.x}
    (x_one, y_one), (x_two, _) = (random_real(bench).feed(seed).images(0) for seed in (1, 2))
    assert not torch.equal(x_one, x_two)
    assert torch.bincount(y_one).tolist() == [3] * 10
    assert not held_out & {image.numpy().tobytes() for image in x_one}


def test_a_real_stream_repeats_no_image_before_its_class_is_through(bench: Bench) -> None:
    feed = real_stream(bench).feed(0)
    passes = int(torch.bincount(bench.pool.y).min()) // 3
    seen = [image.numpy().tobytes() for index in range(passes) for image in feed.images(index)[0]]
    pool = [image.numpy().tobytes() for image in bench.pool.x]
    assert len(set(seen)) >= len(seen) - (len(pool) - len(set(pool)))
    assert not torch.equal(feed.images(0)[0], feed.images(passes)[0])
    assert feed.distinct_images == 4 * 30


def test_real_full_is_all_of_train(bench: Bench) -> None:
    feed = real_full(bench).feed(0)
    assert len(feed.images(0)[1]) == 1297
    assert feed.protocol.passes == 2


@pytest.mark.parametrize("how", [equal_bytes.CANDIDATES[0], equal_bytes.CANDIDATES[-1]], ids=str)
def test_a_sheet_is_filled_up_to_the_artifacts_bytes(bench: Bench, how: equal_bytes.SheetFormat) -> None:
    sheet = equal_bytes.fill_sheet(bench, how, seed=0)
    assert sheet.num_bytes <= bench.artifact_bytes
    assert len(sheet.x) == len(sheet.y) == 10 * sheet.per_class
    chosen = equal_bytes.balanced_indices(
        bench.pool.y, per_class=_available(bench), seed=0, purpose="equal-bytes"
    ).reshape(10, -1)[:, : sheet.per_class + 1]
    larger = equal_bytes.encode_sheet(bench.pool.x[torch.from_numpy(np.ascontiguousarray(chosen)).view(-1)], how)
    assert len(larger) > bench.artifact_bytes


def _available(bench: Bench) -> int:
    return int(torch.bincount(bench.pool.y).min())


def test_a_sheet_is_dealt_out_at_the_frozen_rows_images_per_pass_until_all_had_their_turn(bench: Bench) -> None:
    y = torch.arange(7)
    sheet = equal_bytes.Sheet(equal_bytes.CANDIDATES[0], 7, 1, y[:, None, None, None].to(torch.uint8), y)
    dealt = torch.cat([equal_bytes._dealt(sheet, index, count=5, seed=0)[1] for index in range(7)])
    assert all(sorted(turn.tolist()) == list(range(7)) for turn in dealt.split(7))
    assert len(equal_bytes._dealt(sheet, 3, count=30, seed=0)[1]) == 30


def test_the_recipe_says_how_its_artifact_is_evaluated(artifact: CondensedArtifact) -> None:
    assert _plan(artifact) == EvaluationPlan(protocol="quick/v1", runs=3)

    class Other:
        path = artifact.path
        manifest = msgspec.structs.replace(artifact.manifest, recipe={"evaluation": {"protocol": "dsa/v1", "runs": 1}})

    assert _plan(Other()) == EvaluationPlan(protocol="dsa/v1", runs=1)  # type: ignore[arg-type]


def test_where_no_sheet_fits_the_row_is_skipped_with_a_reason(
    artifact: CondensedArtifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(artifact), "artifact_bytes", 20)
    quick = {"protocol": msgspec.structs.replace(TINY, epochs=1, full_epochs=1), "runs": 1}
    report = evaluate(artifact, **quick)  # type: ignore[arg-type]
    assert list(report.skipped) == ["equal-bytes-real"]
    assert "20 bytes" in report.skipped["equal-bytes-real"]
    with pytest.raises(SpecError, match="20 bytes"):
        evaluate(artifact, **quick, rows=("equal-bytes-real",))  # type: ignore[arg-type]


def test_a_row_that_cannot_be_measured_loses_none_of_the_others(
    artifact: CondensedArtifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable(bench: Bench, **options: Any) -> None:
        raise SourceError("no such image")

    monkeypatch.setattr("gendata.evaluation.baselines.balanced_indices", unreadable)  # fails in measure, not in plan
    quick = {"protocol": msgspec.structs.replace(TINY, epochs=1), "runs": 1, "resume": False}
    report = evaluate(artifact, **quick, rows=("frozen", "random-real"))  # type: ignore[arg-type]
    assert [row.name for row in report.rows] == ["artifact"]
    assert report.skipped == {"random-real": "no such image"}
    with pytest.raises(SourceError, match="no such image"):
        evaluate(artifact, **quick, rows=("random-real",))  # type: ignore[arg-type]


def test_unknown_rows_protocols_and_networks_are_refused_before_anything_is_trained(
    artifact: CondensedArtifact,
) -> None:
    with pytest.raises(UnknownNameError, match="fresh-matched"):
        evaluate(artifact, rows=("frozen", "fresh"))
    with pytest.raises(UnknownNameError, match="quick/v1"):
        evaluate(artifact, protocol="quik/v1")
    with pytest.raises(UnknownNameError, match="network"):
        evaluate(artifact, protocol=TINY, networks=("resnet-9",), rows=("frozen",), resume=False)


def test_other_data_under_the_manifests_name_are_refused(artifact: CondensedArtifact) -> None:
    facts = artifact.manifest.source
    assert facts is not None

    class Pretender:
        path = artifact.path
        manifest = msgspec.structs.replace(
            artifact.manifest, source=msgspec.structs.replace(facts, fingerprint="0" * 64)
        )

    with pytest.raises(SourceError, match="fingerprint"):
        named_source(Pretender(), None)  # type: ignore[arg-type]


def test_a_source_of_another_shape_is_refused(artifact: CondensedArtifact) -> None:
    class Wide(type(open_source(Choice(name="digits")))):  # type: ignore[misc]
        spec = msgspec.structs.replace(artifact.spec, width=16)

    with pytest.raises(SpecError, match="as the artifact's"):
        evaluate(artifact, source=Wide(None))


@pytest.mark.parametrize("wrong", [{"device": "nonsense"}, {"device": "cuda:99"}, {"runs": 10**9}])
def test_conditions_that_cannot_be_had_are_refused_before_anything_is_trained(
    artifact: CondensedArtifact, wrong: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gendata.evaluation.evaluator.measure", lambda *given, **chosen: pytest.fail("it trained"))
    with pytest.raises(SpecError, match=r"no device|runs is"):
        evaluate(artifact, protocol=TINY, rows=("frozen",), **wrong)


def test_a_wrong_network_among_right_ones_is_refused_before_anything_is_trained(
    artifact: CondensedArtifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gendata.evaluation.evaluator.measure", lambda *given, **chosen: pytest.fail("it trained"))
    with pytest.raises(UnknownNameError, match="points outside"):
        evaluate(artifact, protocol=TINY, networks=("convnet1-w4-in", "hf-hub:a/b"))


def test_one_network_has_no_spread(artifact: CondensedArtifact) -> None:
    report = evaluate(artifact, protocol=TINY, rows=("frozen",), runs=1)
    assert "±" not in report.markdown()


def test_classes_in_another_order_are_refused(artifact: CondensedArtifact, source: Source) -> None:
    class Turned(type(source)):  # type: ignore[misc]
        spec = msgspec.structs.replace(artifact.spec, classes=artifact.spec.classes[::-1])

    with pytest.raises(SpecError, match="another order"):
        evaluate(artifact, protocol=TINY, rows=("frozen",), source=Turned(None))


def test_validation_rows_are_scored_on_images_that_no_row_is_trained_on(bench: Bench, source: Source) -> None:
    choosing = replace(bench, tested_on="validation")
    fit, held_out = hold_out(source.split("train"))
    assert torch.equal(choosing.test.x, held_out.x)
    assert torch.equal(choosing.train.x, fit.x)
    assert choosing.test_digest != bench.test_digest
    assert real_full(choosing).note == ""
    assert real_full(choosing).feed(0).images(0)[1].tolist() == fit.y.tolist()


def test_a_row_and_its_table_say_which_images_scored_them(artifact: CondensedArtifact) -> None:
    chosen: dict[str, Any] = {"protocol": TINY, "rows": ("frozen",), "runs": 1}
    tested, chosen_on = evaluate(artifact, **chosen), evaluate(artifact, split="validation", **chosen)
    assert (tested.rows[0].split, chosen_on.rows[0].split) == ("test", "validation")
    assert "test accuracy %" in tested.columns()
    assert "validation accuracy %" in chosen_on.columns()
    assert tested.rows[0].reported != chosen_on.rows[0].reported
    with pytest.raises(SpecError, match="split is 'train'; expected 'test' or 'validation'"):
        evaluate(artifact, split="train", **chosen)  # type: ignore[arg-type]


def test_validation_rows_are_neither_written_nor_shown_on_a_page(
    command: Callable[..., Any], digits_artifact: Path
) -> None:
    for option in (["--write"], ["--out", "page"]):
        shown = command("evaluate", digits_artifact, "--split", "validation", *option)
        assert (shown.code, "--split validation is for choices" in shown.err) == (2, True)
