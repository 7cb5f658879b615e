"""DM."""

from __future__ import annotations

import torch

from gendata.generators.pixel_bank import PixelBank
from gendata.latents.slot import Slot
from gendata.methods.distribution_matching import DistributionMatching, DmConfig
from gendata.methods.method import RealData
from gendata.networks import build_network
from gendata.spec import SampleSpec

SPEC = SampleSpec(channels=1, height=8, width=8, classes=("a", "b"))


def method_with(**options: object) -> DistributionMatching:
    """On two classes of one repeated image each: real batches are then the same whatever is drawn."""
    images = torch.randint(0, 256, (2, 1, 8, 8), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    y = torch.arange(10) % 2
    real = RealData(x_u8=images[y], y=y, spec=SPEC, mean=(0.4,), std=(0.3,))
    bank = PixelBank(PixelBank.Config(slots=2, values="float32"), spec=SPEC, latent_dim=1)
    config = DmConfig(network="convnet1-w4-in", real_per_class=4, **options)  # type: ignore[arg-type]
    method = DistributionMatching(
        config, generator=bank, law=Slot(Slot.Config(slots=2), num_classes=2), real=real, seed=0
    )
    method.begin(None)
    return method


def loss_of(method: DistributionMatching, i: int = 0) -> torch.Tensor:
    return method.step(method.stages()[0], i)["mean"]


def test_the_loss_is_the_squared_distance_of_class_means_summed_over_features() -> None:
    method = method_with(augmentation="", initial="noise")
    rng = torch.Generator().manual_seed(5)
    x_real = torch.randn(2, 4, 1, 8, 8, generator=rng)
    method.real_batch = lambda c, rng: x_real[c]  # type: ignore[method-assign, assignment]
    seen = []
    original = build_network

    def remembered(*args: object, **kwargs: object) -> object:
        seen.append(original(*args, **kwargs))  # type: ignore[arg-type]
        return seen[-1]

    import gendata.methods.distribution_matching as module

    module.build_network = remembered  # type: ignore[assignment]
    try:
        loss = loss_of(method)
    finally:
        module.build_network = original
    with torch.no_grad():
        expected = sum(
            (seen[0].embed(x_real[c]).mean(0) - seen[0].embed(method.pixels[c]).mean(0)).square().sum()
            for c in range(2)
        )
    assert torch.allclose(loss, torch.as_tensor(expected), rtol=1e-4)


def test_real_and_synthetic_images_see_the_same_augmentation() -> None:
    method = method_with()  # begins with the very images that the real batches hold
    assert all(loss_of(method, i) < 1e-6 for i in range(12))


def test_every_step_has_its_own_network_and_is_the_same_whenever_it_is_taken() -> None:
    method = method_with(initial="noise", augmentation="")
    losses = [float(loss_of(method, i).detach()) for i in (0, 1, 0)]
    assert losses[0] == losses[2] != losses[1]


def test_gradient_steps_bring_noise_nearer_to_the_class_means() -> None:
    method = method_with(initial="noise", augmentation="")
    before = [float(loss_of(method, i).detach()) for i in range(100, 110)]
    for i in range(100):
        loss_of(method, i).backward()
        with torch.no_grad():
            assert method.pixels.grad is not None
            method.pixels -= 0.1 * method.pixels.grad
            method.pixels.grad = None
    after = [float(loss_of(method, i).detach()) for i in range(100, 110)]
    assert sum(after) < 0.5 * sum(before)


def test_the_published_settings_are_the_defaults() -> None:
    config, stage = DmConfig(), method_with().stages()[0]
    assert (config.network, config.steps, config.real_per_class) == ("convnet3-w128-in", 20_000, 256)
    assert (stage.optimiser, stage.lr, stage.momentum, stage.final_lr_share) == ("sgd", 1.0, 0.5, 1.0)
