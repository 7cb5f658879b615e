"""NCFM."""

from __future__ import annotations

import pytest
import torch

from gendata.errors import RecipeError
from gendata.generators.multi_formation_bank import MultiFormationBank
from gendata.latents.slot import Slot
from gendata.methods.characteristic_matching import CharacteristicMatching, NcfmConfig
from gendata.methods.method import RealData
from gendata.registry import METHODS
from gendata.spec import SampleSpec

SPEC = SampleSpec(channels=1, height=8, width=8, classes=("a", "b"))
TINY = {
    "network": "convnet1-w4-in", "networks": 2, "network_steps": 3, "network_batch": 8,
    "real_per_class": 8, "frequencies": 64, "steps": 2,
}  # fmt: skip


def method_with(**options: object) -> CharacteristicMatching:
    """On a dark class and a bright one, ready to match."""
    x = torch.randint(0, 128, (40, 1, 8, 8), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    y = torch.arange(40) % 2
    real = RealData(x_u8=x + 100 * y.to(torch.uint8)[:, None, None, None], y=y, spec=SPEC, mean=(0.4,), std=(0.3,))
    bank = MultiFormationBank(MultiFormationBank.Config(slots=2, factor=2, values="uint8"), spec=SPEC, latent_dim=1)
    config = NcfmConfig(**(TINY | options))  # type: ignore[arg-type]
    method = CharacteristicMatching(
        config, generator=bank, law=Slot(Slot.Config(slots=8), num_classes=2), real=real, seed=0
    )
    method.begin(None)
    for i in range(method.stages()[0].num_steps):
        sum(method.step(method.stages()[0], i).values()).backward()  # type: ignore[union-attr]
        with torch.no_grad():
            for weight in method.pool.networks.parameters():
                if weight.grad is not None:
                    weight -= 0.1 * weight.grad
                    weight.grad = None
    method.begin(method.stages()[1])
    return method


def test_stages_train_the_networks_and_then_the_images() -> None:
    method = method_with()
    pool, match = method.stages()
    assert (pool.num_steps, match.num_steps) == (6, 2)
    assert len(list(method.trainable(match).parameters())) == 1
    assert [tuple(p.shape) for p in method.trainable(match).parameters()] == [(2, 2, 1, 8, 8)]


def test_both_terms_have_gradients_on_every_image_and_none_on_the_networks() -> None:
    method = method_with(initial="noise")
    for name, loss in method.step(method.stages()[1], 0).items():
        (gradient,) = torch.autograd.grad(loss, [method.pixels], retain_graph=True)
        assert bool((gradient.flatten(2).abs().amax(2) > 0).all()), name
    assert not any(weight.requires_grad for weight in method.pool.snapshots.parameters())


def test_without_calibration_only_matching_is_left() -> None:
    method = method_with(calibration_weight=0.0)
    assert list(method.step(method.stages()[1], 0)) == ["characteristic"]


def test_images_of_the_other_class_are_farther_away() -> None:
    method = method_with(augmentation="")
    stage = method.stages()[1]
    own = float(method.step(stage, 0)["characteristic"].detach())
    with torch.no_grad():
        method.pixels.copy_(method.pixels.flip(0))
    assert float(method.step(stage, 0)["characteristic"].detach()) > own


def test_a_learned_sampler_plays_against_the_images() -> None:
    method = method_with(learned_sampler=True)
    stage = method.stages()[1]
    sampler = method.opponent(stage)
    assert sampler is not None and method.opponent(method.stages()[0]) is None
    method.step(stage, 0)["characteristic"].backward()
    assert all(weight.grad is not None for weight in sampler.parameters())
    assert stage.opponent_lr == 1.0e-3
    assert method_with().opponent(stage) is None


def test_images_stay_pixels() -> None:
    method = method_with()
    with torch.no_grad():
        method.pixels += 10
    method.step(method.stages()[1], 0)
    assert float(method.pixels.detach().max()) == 1.0
    method.finish()
    assert method.space is None and int(method.generator.images.min()) == 255


@pytest.mark.parametrize(
    "options", [{"augmentation": "blur"}, {"networks": 0}, {"frequencies": 7}, {"calibration_weight": -1.0}]
)
def test_options_that_make_no_sense_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(RecipeError):
        METHODS.config("ncfm", options, where="method")
