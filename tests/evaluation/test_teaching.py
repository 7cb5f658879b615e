from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
import torch

from gendata.errors import ArtifactError, SpecError
from gendata.evaluation import teaching, unfinished
from gendata.evaluation.preparation import Normaliser
from gendata.evaluation.teaching import train_teacher
from gendata.evaluation.training import Training
from gendata.labels.teacher import open_teacher
from gendata.recipe import Choice
from gendata.sources.source import Source, Split, hold_out, open_source
from gendata.spec import SampleSpec


class WithoutTest(Source):
    """Two classes apart in brightness; whoever reads the test split fails."""

    class Config(msgspec.Struct, frozen=True):
        pass

    name = "without-test"
    spec = SampleSpec(channels=1, height=8, width=8, classes=("dark", "bright"))

    def _read(self, name: str) -> Split:
        assert name == "train"
        y = torch.arange(40) % 2
        x = torch.randint(0, 100, (40, 1, 8, 8), generator=torch.Generator().manual_seed(0)) + 150 * y.view(-1, 1, 1, 1)
        return Split(x.to(torch.uint8), y)


def test_a_teacher_learns_digits_in_a_few_passes(tmp_path: Path) -> None:
    teacher = train_teacher("digits", network="mlp1-w64", out=tmp_path / "t", epochs=5, device="cpu")
    trained = teacher.record.trained
    assert trained is not None and trained.accuracy is not None
    assert trained.accuracy > 0.8
    assert (trained.images, trained.held_out, trained.epochs) == (1177, 120, 5)
    _, held_out = hold_out(open_source(Choice(name="digits")).split("train"))
    normalise = Normaliser(teacher.normalisation.mean, teacher.normalisation.std)
    found = open_teacher(tmp_path / "t").network(normalise(held_out.x)).argmax(1)
    assert (found == held_out.y).double().mean().item() == pytest.approx(trained.accuracy)


def test_test_images_are_not_read(tmp_path: Path) -> None:
    teacher = train_teacher(
        WithoutTest(WithoutTest.Config()), network="mlp1-w4", out=tmp_path / "t", epochs=2, device="cpu"
    )
    assert teacher.record.source is not None
    assert teacher.record.source.name == "without-test"


@pytest.mark.parametrize("network", ["mlp1-w4", "vit-p4-d8-l1-h1"], ids=["plain", "with dropout"])
def test_one_seed_one_teacher_whatever_was_drawn_before(network: str, tmp_path: Path) -> None:
    source = WithoutTest(WithoutTest.Config())
    options = {"network": network, "epochs": 2, "device": "cpu"}
    one = train_teacher(source, out=tmp_path / "one", seed=3, **options)
    torch.rand(7)
    before = torch.get_rng_state()
    same = train_teacher(source, out=tmp_path / "same", seed=3, **options)
    assert torch.equal(before, torch.get_rng_state())
    other = train_teacher(source, out=tmp_path / "other", seed=4, **options)
    assert one.record.weights == same.record.weights != other.record.weights


def test_a_teacher_goes_on_where_it_was_killed_to_the_last_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = WithoutTest(WithoutTest.Config())
    options = {"network": "vit-p4-d8-l1-h1", "epochs": 4, "device": "cpu"}
    monkeypatch.setenv("GENDATA_CACHE", str(tmp_path / "cache"))
    whole = train_teacher(source, out=tmp_path / "whole", **options)
    monkeypatch.setattr(unfinished, "_EVERY_SEC", 0.0)
    run_pass, begun = Training.run_pass, []

    def dying(training: Training) -> torch.Tensor:
        begun.append(training.finished)
        if len(begun) == 3:
            raise KeyboardInterrupt
        return run_pass(training)

    monkeypatch.setattr(Training, "run_pass", dying)
    with pytest.raises(KeyboardInterrupt):
        train_teacher(source, out=tmp_path / "t", **options)
    resumed = train_teacher(source, out=tmp_path / "t", **options)
    assert begun == [0, 1, 2, 2, 3]
    assert resumed.record.weights == whole.record.weights
    assert not list((tmp_path / "cache" / "teachers").iterdir())


def test_a_teacher_that_could_not_be_written_is_not_trained_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"source": WithoutTest(WithoutTest.Config()), "network": "mlp1-w4", "epochs": 2, "out": tmp_path / "t"}
    monkeypatch.setenv("GENDATA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(unfinished, "_EVERY_SEC", 0.0)

    def full(*arguments: object, **named: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space"):
        patch.setattr(teaching, "save_teacher", full)
        train_teacher(**options)
    monkeypatch.setattr(Training, "run_pass", lambda training: pytest.fail("trained"))
    assert train_teacher(**options).record.trained is not None


def test_half_precision_is_measured_as_it_is_stored(tmp_path: Path) -> None:
    source = WithoutTest(WithoutTest.Config())
    half = train_teacher(source, network="mlp1-w4", out=tmp_path / "t", epochs=2, dtype="f16", device="cpu")
    assert half.record.dtype == "f16"
    assert half.record.trained is not None and half.record.trained.accuracy is not None


def test_a_folder_that_is_taken_and_a_network_that_does_not_fit_fail_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(teaching, "Training", lambda *arguments, **options: pytest.fail("trained"))
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "file").touch()
    with pytest.raises(ArtifactError, match="exists already"):
        train_teacher("digits", network="mlp1-w4", out=tmp_path / "t")
    with pytest.raises(SpecError):
        train_teacher("digits", network="vgg11-bn", out=tmp_path / "u")


def test_progress_is_told_every_step(tmp_path: Path) -> None:
    told: list[int] = []

    class Watch:
        def begin(self, name: str, mode: str, *, steps: int) -> None:
            told.append(-steps)

        def advance(self, steps: int) -> None:
            told.append(steps)

        def end(self, row: object) -> None: ...

    source = WithoutTest(WithoutTest.Config())
    train_teacher(source, network="mlp1-w4", out=tmp_path / "t", epochs=3, device="cpu", progress=Watch())
    assert told[0] < 0
    assert sum(told) == 0
