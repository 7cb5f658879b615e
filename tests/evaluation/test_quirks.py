"""What single protocols do that others do not."""

from __future__ import annotations

import math
from pathlib import Path

import msgspec
import pytest
import torch
from torch import nn

from gendata.artifact.artifact import CondensedArtifact, Normalisation
from gendata.errors import SpecError, UnknownNameError
from gendata.evaluation import evaluate, training
from gendata.evaluation.adaptation import adapted
from gendata.evaluation.drawing import drawing_of
from gendata.evaluation.modes import by_steps
from gendata.evaluation.optimisers import optimiser_of
from gendata.evaluation.preparation import BankSpace, Normaliser, Preparation, preparation_of
from gendata.evaluation.protocol import Protocol
from gendata.evaluation.protocols import DC, DDRANKING_HARD, DIM_PAPER, IDC, NCFM, RDED, SRE2L, members_of
from gendata.evaluation.schedules import Clock, schedule_of
from gendata.evaluation.selection import selection_of
from gendata.evaluation.statistics import Statistics, statistics_of
from gendata.evaluation.steps import Batch, step_of
from gendata.evaluation.teaching import train_teacher
from gendata.evaluation.training import Feed, train
from gendata.labels.teacher import save_teacher
from gendata.networks import build_network
from gendata.recipe import Choice
from gendata.spec import SampleSpec

RGB = SampleSpec(channels=3, height=8, width=8, classes=tuple("0123456789"))


def rates(protocol: Protocol) -> list[float]:
    """The learning rate of every pass."""
    weight = nn.Parameter(torch.zeros(1))
    optimiser: torch.optim.Optimizer = torch.optim.SGD([weight], lr=protocol.lr)
    schedule, found = schedule_of(protocol.schedule), []
    for finished in range(protocol.passes):
        found.append(optimiser.param_groups[0]["lr"])
        optimiser = schedule(
            Clock(finished, protocol.epochs, protocol.lr), optimiser, lambda lr: torch.optim.SGD([], lr=lr)
        )
    return found


def test_idc_drops_by_five_after_two_thirds_and_five_sixths() -> None:
    found = rates(IDC)
    assert [found[i] for i in (0, 665, 666, 832, 833, 999)] == pytest.approx([0.01, 0.01, 2e-3, 2e-3, 4e-4, 4e-4])


def test_ncfm_halves_at_every_fifth() -> None:
    found = rates(NCFM)
    assert [found[i] for i in (399, 400, 800, 1200, 1600)] == pytest.approx([1e-3, 5e-4, 2.5e-4, 1.25e-4, 6.25e-5])


def test_sre2l_falls_to_nothing_and_rded_to_half() -> None:
    assert rates(SRE2L)[150] == pytest.approx(0.0005)
    assert rates(SRE2L)[299] == pytest.approx(0.0005 * (1 + math.cos(math.pi * 299 / 300)))
    assert rates(RDED)[299] == pytest.approx(0.0005 * (1 + math.cos(math.pi * 299 / 600)))


def test_dim_takes_ten_times_ipc_images_whatever_the_classes() -> None:
    count = drawing_of(DIM_PAPER.drawing).num_images
    assert [count(1, 10, 64), count(10, 10, 64), count(50, 10, 64), count(50, 100, 64)] == [64, 128, 512, 512]


def test_dim_trains_on_random_labels_and_is_tested_in_train_mode(opened: CondensedArtifact) -> None:
    short = msgspec.structs.replace(DIM_PAPER, name="short/v1", epochs=2, network="convnet1-w4-bn", batch=16)
    report = evaluate(opened, protocol=short, rows=("frozen", "fresh-matched", "real-stream"), runs=1)
    assert [row.images_seen for row in report.rows] == [2 * 32] * 3
    assert all(row.selects_on_test for row in report.rows)
    assert all("picked on test data" in " ".join(cells) for cells in report.cells())


def test_the_best_of_several_tests_is_told_beside_the_last(opened: CondensedArtifact, brief: Protocol) -> None:
    picky = msgspec.structs.replace(brief, selection=Choice(name="best", options={"every": 1}), lr=0.3)
    (row,) = evaluate(opened, protocol=picky, rows=("frozen",), runs=2).rows
    assert row.reported == row.best
    assert all(best >= last for best, last in zip(row.best, row.last, strict=True))
    tested = [point.accuracy for point in row.curve if point.accuracy is not None]
    assert (len(tested), max(tested), tested[-1]) == (3, row.best[0], row.last[0])


def test_rded_tests_every_ten_passes_of_the_last_fifth() -> None:
    tests_after = selection_of(RDED.selection).tests_after
    assert [i + 1 for i in range(300) if tests_after(i, 300)] == [250, 260, 270, 280, 290, 300]


def test_rates_are_tried_on_test_data_unless_the_artifact_carries_one(opened: CondensedArtifact) -> None:
    short = msgspec.structs.replace(
        DDRANKING_HARD, name="short/v1", network="convnet1-w4-in", epochs=2, lr_trials=(1e-6, 0.3), batch=16
    )
    (row,) = evaluate(opened, protocol=short, rows=("frozen",), runs=1).rows
    alone = [
        evaluate(opened, protocol=msgspec.structs.replace(short, lr=lr, lr_trials=()), rows=("frozen",), runs=1)
        for lr in short.lr_trials
    ]
    assert row.reported[0] == max(report.rows[0].reported[0] for report in alone)


def test_fresh_at_is_tested_once_at_its_own_rate_whatever_the_protocol_picks(opened: CondensedArtifact) -> None:
    picky = msgspec.structs.replace(DDRANKING_HARD, network="convnet1-w4-in")
    short = by_steps(picky, 3)
    assert (short.lr_trials, short.learned_lr, short.selects_on_test) == ((), False, False)
    assert by_steps(DIM_PAPER, 3).selects_on_test  # its sets were picked by their publishers
    ticks = [i for i in range(10_000) if selection_of(by_steps(picky, 10_000).selection).tests_after(i, 10_000)]
    assert ticks == [9_999]


def test_a_teacher_of_other_classes_is_refused(opened: CondensedArtifact, brief: Protocol, tmp_path: Path) -> None:
    spec = msgspec.structs.replace(opened.spec, classes=tuple(reversed(opened.spec.classes)))
    network = build_network("convnet1-w4-in", spec=spec, seed=0)
    normalisation = Normalisation(mean=(0.3,), std=(0.4,))
    save_teacher(tmp_path / "t", network, name="convnet1-w4-in", spec=spec, normalisation=normalisation)
    taught = msgspec.structs.replace(brief, teacher=True, step=RDED.step)
    with pytest.raises(SpecError, match="teacher answers for"):
        evaluate(opened, protocol=taught, rows=("frozen",), runs=1, teacher=tmp_path / "t")


def test_vectors_do_not_decay_where_the_protocol_says_so() -> None:
    network = nn.Sequential(nn.Linear(2, 2), nn.LayerNorm(2))
    groups = optimiser_of(SRE2L.optimiser, network)(0.1).param_groups
    decay = {id(p): group["weight_decay"] for group in groups for p in group["params"]}
    assert {p.dim(): decay[id(p)] for p in network.parameters()} == {2: 0.01, 1: 0.0}
    network.register_parameter("positions", nn.Parameter(torch.zeros(3, 3)))
    others = optimiser_of(SRE2L.optimiser, network)(0.1).param_groups[1]["params"]
    assert any(p is network.positions for p in others)  # no weight by its name


class _Batches(nn.Module):
    """Sees images whose mean it keeps."""

    def __init__(self) -> None:
        super().__init__()
        self.scale, self.seen = nn.Parameter(torch.ones(())), []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.seen.append((len(x), float(x.mean()), self.training))
        return self.scale * x.flatten(1)[:, :2]


def test_the_extra_forward_of_rded_is_on_the_very_batch() -> None:
    network, x = _Batches(), torch.rand(4, 1, 2, 2)
    step_of(RDED.step)(network, Batch(x=x, y=torch.zeros(4).long(), teacher=lambda x: x.flatten(1)[:, :2]))
    assert network.seen[0] == network.seen[1] and len(network.seen) == 2


def test_statistics_of_test_batches_are_of_as_many_images_as_in_a_step() -> None:
    network, images = _Batches(), (torch.zeros(150, 1, 2, 2), torch.zeros(150).long())
    prepare = preparation_of(DC, source_name=None, normalise=lambda x: x)
    training.tested(network, images, prepare=prepare, statistics_of=DIM_PAPER.test_batch)
    assert [(count, training) for count, _, training in network.seen] == [(64, True), (64, True), (22, True)]
    assert DC.test_batch is None


def test_the_batch_of_rded_follows_ipc_and_classes() -> None:
    def batch(ipc: int, classes: int) -> int:
        spec = msgspec.structs.replace(RGB, classes=tuple(map(str, range(classes))))
        return adapted(RDED, ipc=ipc, spec=spec, source_name="x").batch

    assert [batch(1, 10), batch(10, 10), batch(50, 10), batch(10, 100), batch(10, 200)] == [10, 50, 100, 100, 100]


def test_rded_leaves_small_images_whole() -> None:
    large = msgspec.structs.replace(RGB, height=224, width=224)
    small, whole = (adapted(RDED, ipc=1, spec=spec, source_name="x").augmentation for spec in (RGB, large))
    assert [each.name for each in small] == ["flip"]
    assert [each.name for each in whole] == ["patch-shuffle", "random-resized-crop", "flip"]


def test_ncfm_shortens_the_larger_sets_of_tiny_imagenet() -> None:
    tiny = msgspec.structs.replace(RGB, height=64, width=64, classes=tuple(map(str, range(200))))

    def passes(ipc: int, spec: SampleSpec) -> tuple[int, int]:
        protocol = adapted(NCFM, ipc=ipc, spec=spec, source_name="x")
        return protocol.epochs, protocol.selection.options["every"]

    assert [passes(ipc, tiny) for ipc in (4, 10, 40, 200)] == [(2000, 100), (300, 50), (300, 50), (40, 5)]
    assert passes(200, RGB) == (2000, 100)
    assert NCFM.augmentation[0].options["strategy"] == "color_crop_flip_scale_rotate"  # no cutout beside CutMix


def test_dc_augments_mnist_and_students_with_batch_norm() -> None:
    plain = adapted(DC, ipc=1, spec=RGB, source_name="fashion-mnist")
    assert (plain.epochs, plain.augmentation) == (300, ())
    assert adapted(DC, ipc=1, spec=RGB, source_name="mnist").augmentation[0].options["strategy"] == "crop_scale_rotate"
    normed = msgspec.structs.replace(DC, network="convnet3-w128-bn")
    assert adapted(normed, ipc=1, spec=RGB, source_name="cifar10").epochs == 1000
    on_mnist = adapted(normed, ipc=1, spec=RGB, source_name="mnist").augmentation[0]
    assert on_mnist.options["strategy"] == "crop_noise"  # the published code asks for batch norm last


def test_statistics_for_three_channels_are_refused_for_one() -> None:
    grey = msgspec.structs.replace(RGB, channels=1)
    with pytest.raises(SpecError, match="3 channels"):
        statistics_of("imagenet", Statistics((0.5,), (0.5,)), spec=grey, source_name="digits")
    assert statistics_of("dim", Statistics((0.1,), (0.2,)), spec=grey, source_name="fashion-mnist") == (
        Statistics((0.286,), (0.353,)),
        Statistics((0.5,), (0.5,)),
    )


def test_a_step_in_parts_has_the_gradient_of_the_whole() -> None:
    draws = torch.Generator().manual_seed(0)
    data = torch.randint(0, 256, (6, 3, 8, 8), generator=draws, dtype=torch.uint8), torch.arange(6)
    outcomes = []
    for micro_batch in (None, 4):
        protocol = msgspec.structs.replace(DC, epochs=1, extra_pass=False, micro_batch=micro_batch)
        torch.manual_seed(0)
        network = nn.Sequential(nn.Flatten(), nn.Linear(192, 10)).double()
        feed = Feed(images=lambda index: data, protocol=protocol, steps_per_pass=1, distinct_images=6, num_bytes=None)
        prepare = Preparation(normalise=Normaliser((0.5,) * 3, (0.5,) * 3, dtype=torch.float64))
        train(network, feed, seed=0, prepare=prepare)
        outcomes.append(torch.cat([p.detach().flatten() for p in network.parameters()]))
    torch.testing.assert_close(*outcomes, rtol=0, atol=1e-12)


def test_a_mixed_image_is_taught_by_both_its_labels() -> None:
    class Half:
        other = torch.tensor([1, 0])

        def share(self, height: int, width: int) -> float:
            return 0.25

    logits = torch.tensor([[2.0, 0.0], [0.0, 1.0]])
    y = torch.tensor([0, 1])
    mixed = Batch(x=torch.zeros(2, 1, 2, 2), y=y, mix=Half())  # type: ignore[arg-type]
    loss = step_of(Choice(name="cross-entropy"))(lambda x: logits, mixed)  # type: ignore[arg-type]
    cross_entropy = nn.functional.cross_entropy
    torch.testing.assert_close(loss, 0.25 * cross_entropy(logits, y) + 0.75 * cross_entropy(logits, y.flip(0)))


def test_a_protocol_with_a_teacher_asks_for_one(opened: CondensedArtifact, brief: Protocol) -> None:
    taught = msgspec.structs.replace(
        brief, step=Choice(name="teacher-divergence", options={"temperature": 2.0}), teacher=True
    )
    with pytest.raises(SpecError, match="teacher"):
        evaluate(opened, protocol=taught, rows=("frozen",), runs=1)


def test_the_loss_of_a_teacher_is_the_divergence_of_softened_answers() -> None:
    student, teacher = torch.tensor([[1.0, -1.0, 0.5]]), torch.tensor([[0.3, 0.2, -2.0]])
    batch = Batch(x=torch.zeros(1, 1, 1, 1), y=torch.tensor([0]), teacher=lambda x: teacher)
    step = step_of(Choice(name="teacher-divergence", options={"temperature": 4.0}))
    wanted, given = (teacher / 4).softmax(1), (student / 4).log_softmax(1)
    torch.testing.assert_close(step(lambda x: student, batch), (wanted * (wanted.log() - given)).sum())  # type: ignore[arg-type]


def test_a_suite_is_its_members_each_shown_and_then_summed_up(opened: CondensedArtifact) -> None:
    assert [member.name for member in members_of("dc-bench")] == [
        f"dc-bench-{name}/v1" for name in ("none", "dsa", "autoaug", "randaug", "imagenet-aug", "cifar-aug")
    ]


def test_several_networks_are_several_rows(opened: CondensedArtifact, brief: Protocol) -> None:
    report = evaluate(opened, protocol=brief, rows=("frozen",), runs=1, networks=("mlp1-w4", "convnet1-w4-in"))
    assert [row.network for row in report.rows] == ["mlp1-w4", "convnet1-w4-in"]
    assert report.columns()[:2] == ["protocol", "network"]


def test_a_teacher_s_labels_cost_its_bytes_and_change_the_student(
    opened: CondensedArtifact, brief: Protocol, tmp_path: Path
) -> None:
    teacher = train_teacher("digits", network="convnet1-w4-bn", out=tmp_path / "teacher", epochs=1)
    step = Choice(name="teacher-divergence", options={"temperature": 4.0, "extra_forward": True})
    mixing = Choice(name="cutmix", options={"prob": 1.0, "beta": 1.0})
    taught = msgspec.structs.replace(brief, step=step, teacher=True, mixing=mixing, network="convnet1-w4-bn")
    (row,) = evaluate(opened, protocol=taught, rows=("frozen",), runs=1, teacher=teacher.path).rows
    assert row.labels == "teacher"
    assert row.bytes == opened.artifact_bytes + teacher.num_bytes
    (plain,) = evaluate(
        opened, protocol=msgspec.structs.replace(brief, network="convnet1-w4-bn"), rows=("frozen",), runs=1
    ).rows
    assert row.curve != plain.curve


def test_networks_are_tested_on_corrupted_images_too(opened: CondensedArtifact, brief: Protocol) -> None:
    report = evaluate(
        opened, protocol=brief, rows=("frozen", "random-real"), runs=1, corruptions=("brightness", "gaussian_noise")
    )
    assert set(report.rows[0].corrupted) == {"brightness", "gaussian_noise"}
    assert set(report.scores) == {"IOR"}
    with pytest.raises(UnknownNameError, match="brightness"):
        evaluate(opened, protocol=brief, corruptions=("brigthness",))


def test_a_bank_of_floats_is_augmented_as_bytes_where_the_protocol_says_so() -> None:
    def to_bytes(x: torch.Tensor) -> torch.Tensor:
        return (x * 0.3 + 0.4).clamp(0, 1).mul(255).to(torch.uint8)

    normalise = BankSpace(Normaliser((0.4,) * 3, (0.3,) * 3))
    prepare = preparation_of(
        members_of("dc-bench-autoaug")[0], source_name=None, normalise=normalise, to_bytes=to_bytes
    )
    x, y = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(0)), torch.arange(4)
    seen = torch.cat([prepare(x, y, seed=0, step=step).x for step in range(30)])
    assert seen.dtype == torch.float32
    assert -1.34 < seen.min() and seen.max() < 2.01  # what bytes can be, normalised


def test_a_teacher_that_no_protocol_asks_is_refused(opened: CondensedArtifact, brief: Protocol, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="takes no labels from a teacher"):
        evaluate(opened, protocol=brief, teacher=tmp_path)


def test_autoaug_takes_imagenet_s_policy_for_tiny_imagenet() -> None:
    (autoaug,) = members_of("dc-bench-autoaug")
    tiny = SampleSpec(channels=3, height=64, width=64, classes=tuple(map(str, range(200))))
    assert adapted(autoaug, ipc=1, spec=tiny, source_name="huggingface").augmentation[0].options["policy"] == "imagenet"
    assert adapted(autoaug, ipc=1, spec=RGB, source_name="cifar10").augmentation == autoaug.augmentation
