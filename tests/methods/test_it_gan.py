"""IT-GAN: the generator stays frozen, latents find their images, a run that dies ends with the same bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from gendata import condensation
from gendata.condensation import stage_training
from gendata.errors import RecipeError, SpecError
from gendata.generators.conv_decoder import ConvDecoder, ConvDecoderConfig
from gendata.latents.law import LatentLaw
from gendata.latents.normal import Normal, NormalConfig
from gendata.latents.stored import Stored, StoredConfig
from gendata.methods.it_gan import ItGan, ItGanConfig
from gendata.methods.method import RealData
from gendata.networks import build_network
from gendata.registry import METHODS
from gendata.spec import SampleSpec

SPEC = SampleSpec(channels=1, height=8, width=8, classes=("a", "b", "c"))
TINY = (
    "generator.options.widths=[4]",
    "latent.options.codes=3",
    "method.options.critic_width=4",
    "method.options.gan_steps=4",
    "method.options.gan_batch=8",
    "method.options.network=convnet1-w4-in",
    "method.options.invert_steps=4",
    "method.options.match_steps=4",
    "method.options.real_per_class=4",
    "method.options.samples_per_class=2",
)


def it_gan(law: LatentLaw | None = None, **options: Any) -> ItGan:
    x = torch.randint(0, 256, (30, 1, 8, 8), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    real = RealData(x_u8=x, y=torch.arange(30) % 3, spec=SPEC, mean=(0.5,), std=(0.3,))
    law = law or Stored(StoredConfig(dim=4, codes=5), num_classes=3)
    generator = ConvDecoder(ConvDecoderConfig(widths=(4,)), spec=SPEC, latent_dim=4)
    sizes = {"critic_width": 4, "gan_batch": 8, "network": "convnet1-w4-in", "real_per_class": 4}
    return ItGan(ItGanConfig(**sizes | options), generator=generator, law=law, real=real, seed=0)


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


class Killed(BaseException):
    """Stands for a death that leaves no time to clean up."""


def test_a_run_that_dies_at_any_stage_ends_with_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage_training, "_CHECKPOINT_SEC", 0.0)
    monkeypatch.setattr(stage_training, "_CHECKPOINT_SHARE", float("inf"))
    deaths = [("adversarial", 3), ("invert", 1), ("invert", 4), ("match", 2)]

    def die(progress: condensation.Progress) -> None:
        if deaths and (progress.stage, progress.step) == deaths[0]:
            deaths.pop(0)
            raise Killed

    condensation.condense("digits/it-gan", out=tmp_path / "undisturbed", overrides=TINY)
    while deaths:
        with pytest.raises(Killed):
            condensation.condense("digits/it-gan", out=tmp_path / "died", overrides=TINY, on_progress=die)
    condensation.condense("digits/it-gan", out=tmp_path / "died", overrides=TINY)
    assert files_of(tmp_path / "died") == files_of(tmp_path / "undisturbed")


@pytest.mark.parametrize("stage", [1, 2])
def test_once_the_generator_is_trained_only_latents_get_a_gradient(stage: int) -> None:
    method = it_gan()
    sum(method.step(method.stages()[stage], 0).values()).backward()  # type: ignore[union-attr]
    assert method.law.codes.grad is not None and method.law.codes.grad.abs().sum() > 0
    assert all(weight.grad is None for weight in method.generator.parameters())
    assert list(method.trainable(method.stages()[stage]).parameters()) == [method.law.codes]


def test_inversion_brings_images_to_those_they_are_paired_with() -> None:
    method = it_gan(feature_weight=0.0)
    with torch.no_grad():  # images that can be found: the generator's own
        x = method.generator(torch.randn(30, 4, generator=torch.Generator().manual_seed(1)), method.real.y)
    method.real.x_u8.copy_((255 * x).round())
    stage = method.stages()[1]
    optimiser = torch.optim.Adam([method.law.codes], lr=0.1)
    distances = []
    for i in range(60):
        losses = method.step(stage, i)
        distances.append(losses["pixels"].item())
        optimiser.zero_grad()
        losses["pixels"].backward()
        optimiser.step()
    assert distances[-1] < 0.3 * distances[0]


def test_images_equal_to_their_pairs_have_no_pair_loss_and_every_pair_is_of_one_class() -> None:
    method = it_gan(augmentation="flip", real_per_class=10, samples_per_class=5)
    assert torch.equal(method.real.y[method._pairs], torch.arange(3)[:, None].expand(3, 5))
    assert all(len(set(rows)) == 5 for rows in method._pairs.tolist())
    network = build_network("convnet1-w4-in", spec=SPEC, seed=0)
    x = method.real.x_u8[method._pairs.flatten()].float() / 255
    losses = method._match(network, x, x, torch.arange(3), torch.Generator().manual_seed(0))
    assert losses["pairs"].item() == 0 < losses["mean"].item()


def test_another_law_and_more_codes_than_images_are_refused() -> None:
    with pytest.raises(SpecError, match=r"(?s)latent law is Normal.*latent\.name to stored"):
        it_gan(Normal(NormalConfig(dim=4), num_classes=3))
    with pytest.raises(SpecError, match=r"class 'a' has 10 images.*codes = 11"):
        it_gan(Stored(StoredConfig(dim=4, codes=11), num_classes=3))


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("pair_weight", 1.1, "pair_weight must be 0 to 1"),
        ("invert_steps", -1, "invert_steps must be 0 to"),
        ("match_lr", 0.0, "match_lr must be above 0"),
        ("samples_per_class", 0, "samples_per_class must be 1 to"),
    ],
)
def test_an_option_without_use_is_refused_by_name(option: str, value: Any, told: str) -> None:
    with pytest.raises(RecipeError, match=told):
        METHODS.config("it-gan", {option: value}, where="method")
