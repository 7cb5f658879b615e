"""Herding and k-center."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import pytest
import torch
from torch import Tensor

import gendata
from gendata.errors import SpecError
from gendata.generators.conv_decoder import ConvDecoder
from gendata.generators.pixel_bank import PixelBank
from gendata.latents.normal import Normal
from gendata.latents.slot import Slot
from gendata.methods.feature_network import FeatureConfig, feature_loss, real_features
from gendata.methods.feature_subset import FeatureSubset
from gendata.methods.herding import Herding, herd
from gendata.methods.k_center import KCenter, farthest_first
from gendata.methods.method import RealData
from gendata.spec import SampleSpec

SPEC = SampleSpec(channels=1, height=8, width=8, classes=("a", "b"))
CONFIG = FeatureConfig(network="convnet1-w4-in", steps=3, batch=8)
SELECTIONS = [herd, farthest_first]


def points(num: int = 40, dim: int = 5) -> Tensor:
    return torch.randn(num, dim, generator=torch.Generator().manual_seed(0))


def _real() -> RealData:
    """Forty different images in alternating classes."""
    x = torch.randint(0, 256, (40, 1, 8, 8), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    return RealData(x_u8=x, y=torch.arange(40) % 2, spec=SPEC, mean=(0.5,), std=(0.3,))


def _method(kind: type[FeatureSubset], *, slots: int = 4, seed: int = 0) -> FeatureSubset:
    bank = PixelBank(PixelBank.Config(slots=slots), spec=SPEC, latent_dim=1)
    return kind(CONFIG, generator=bank, law=Slot(Slot.Config(slots=slots), num_classes=2), real=_real(), seed=seed)


def _filled(kind: type[FeatureSubset], *, slots: int = 4, seed: int = 0) -> Tensor:
    """What a loop of plain gradient descent leaves in the bank."""
    method = _method(kind, slots=slots, seed=seed)
    method.begin(None)
    for stage in method.stages():
        method.begin(stage)
        for i in range(stage.num_steps):
            sum(method.step(stage, i).values()).backward()  # type: ignore[union-attr]
            with torch.no_grad():
                for parameter in method.trainable(stage).parameters():
                    parameter -= 0.01 * parameter.grad
                    parameter.grad = None
    assert isinstance(method.generator, PixelBank)
    return method.generator.images


def test_herding_follows_the_mean_better_than_chance_and_begins_nearest_to_it() -> None:
    h = points()
    chosen = herd(h, 8)
    distance = float((h[chosen].mean(0) - h.mean(0)).norm())
    rng = torch.Generator().manual_seed(1)
    drawn = [float((h[torch.randperm(40, generator=rng)[:8]].mean(0) - h.mean(0)).norm()) for _ in range(200)]
    assert sum(distance < other for other in drawn) > 190
    assert int(chosen[0]) == int((h - h.mean(0)).norm(dim=1).argmin())


def test_each_herding_step_is_the_best_single_step() -> None:
    h = points(num=12).double()
    chosen = herd(h, 5).tolist()
    for k in range(1, 5):
        rest = [i for i in range(12) if i not in chosen[:k]]
        errors = {i: float((h[[*chosen[:k], i]].mean(0) - h.mean(0)).norm()) for i in rest}
        assert chosen[k] == min(errors, key=lambda i: errors[i])


def test_all_of_them_are_herded_to_the_mean_itself() -> None:
    assert sorted(herd(points(num=9), 9).tolist()) == list(range(9))


def test_farthest_first_reaches_at_most_twice_the_best_radius() -> None:
    h = points(num=12, dim=2)

    def radius(centres: tuple[int, ...]) -> float:
        return float(torch.cdist(h, h[list(centres)]).min(1).values.max())

    best = min(radius(centres) for centres in combinations(range(12), 3))
    assert radius(tuple(farthest_first(h, 3).tolist())) <= 2 * best


def test_k_center_begins_in_the_middle_and_goes_to_the_ends() -> None:
    h = torch.tensor([[0.0], [1.0], [2.0], [3.0], [10.0]])
    assert farthest_first(h, 4).tolist() == [3, 4, 0, 1]


@pytest.mark.parametrize("select", SELECTIONS)
def test_a_larger_choice_begins_with_a_smaller_one(select: Callable[[Tensor, int], Tensor]) -> None:
    assert torch.equal(select(points(), 20)[:7], select(points(), 7))


@pytest.mark.parametrize("select", SELECTIONS)
def test_equal_images_are_still_different_choices(select: Callable[[Tensor, int], Tensor]) -> None:
    assert sorted(select(torch.ones(6, 3), 6).tolist()) == list(range(6))


@pytest.mark.parametrize("kind", [Herding, KCenter])
def test_each_class_gets_the_chosen_real_images_of_its_own(kind: type[FeatureSubset]) -> None:
    real, images = _real(), _filled(kind)
    for c in range(2):
        own = {tuple(image.flatten().tolist()) for image in real.x_u8[real.y == c]}
        got = [tuple(image.flatten().tolist()) for image in images[c]]
        assert len(set(got)) == 4
        assert set(got) <= own


@pytest.mark.parametrize("kind", [Herding, KCenter])
def test_the_choice_is_a_function_of_the_seed(kind: type[FeatureSubset]) -> None:
    assert torch.equal(_filled(kind, seed=1), _filled(kind, seed=1))
    assert not torch.equal(_filled(kind, seed=1), _filled(kind, seed=2))


def test_the_choice_is_made_by_the_trained_network() -> None:
    method = _method(Herding)
    untrained = real_features(method.network, method.real)
    method.begin(None)
    stage = method.stages()[0]
    loss = feature_loss(method.network, method.real, CONFIG, seed=0, step=2)
    assert torch.equal(loss, method.step(stage, 2)["cross entropy"])
    assert not torch.equal(loss, method.step(stage, 1)["cross entropy"])
    assert untrained.shape == (40, 4 * 6 * 6)  # one channel is padded by 3: 8 pixels become 12, then 6
    assert [(s.name, s.num_steps) for s in method.stages()] == [("features", 3), ("select", 0)]


def test_without_steps_only_the_choice_is_left() -> None:
    method = Herding(
        FeatureConfig(network="convnet1-w4-in", steps=0),
        generator=PixelBank(PixelBank.Config(slots=2), spec=SPEC, latent_dim=1),
        law=Slot(Slot.Config(slots=2), num_classes=2),
        real=_real(),
        seed=0,
    )
    assert [stage.name for stage in method.stages()] == ["select"]


def test_a_class_with_too_few_images_is_named_before_anything_is_trained() -> None:
    with pytest.raises(SpecError, match=r"herding: class 'a' has 20 images; expected at least .*slots = 21"):
        _method(Herding, slots=21).begin(None)


def test_another_generator_is_refused_with_the_remedy() -> None:
    generator = ConvDecoder(ConvDecoder.Config(), spec=SPEC, latent_dim=32)
    with pytest.raises(SpecError, match=r"k-center: generator is ConvDecoder; expected PixelBank.\n.*pixel-bank"):
        KCenter(CONFIG, generator=generator, law=Normal(Normal.Config(), num_classes=2), real=_real(), seed=0)


@pytest.mark.parametrize(("option", "value"), [("steps", -1), ("batch", 0), ("lr", 0.0)])
def test_settings_that_make_no_sense_are_refused(option: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{option} must be"):
        FeatureConfig(**{option: value})  # type: ignore[arg-type]


def test_a_run_that_was_stopped_goes_on_to_the_same_artifact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changes = (
        "method.options.network=convnet1-w4-in", "method.options.steps=6", "method.options.batch=16",
        "generator.options.slots=2", "latent.options.slots=2", "artifact.ipc=2",
    )  # fmt: skip
    whole = gendata.condense("digits/herding", out=tmp_path / "whole", overrides=changes)
    monkeypatch.setattr("gendata.condensation.stage_training._CHECKPOINT_SEC", 0.0)
    monkeypatch.setattr("gendata.condensation.stage_training._CHECKPOINT_SHARE", 1e9)

    class Stopped(Exception):
        pass

    def stop(progress: object) -> None:
        if progress.step == 4:  # type: ignore[attr-defined]
            raise Stopped

    with pytest.raises(Stopped):
        gendata.condense("digits/herding", out=tmp_path / "stopped", overrides=changes, on_progress=stop)
    again = gendata.condense("digits/herding", out=tmp_path / "stopped", overrides=changes)
    assert again.artifact_id == whole.artifact_id
    assert torch.equal(again.frozen_images()[0], whole.frozen_images()[0])
