"""What pixel methods share: how images begin, what a student would see of them, how they end in the bank."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gendata import condensation
from gendata.errors import ArtifactError, RecipeError, SpecError
from gendata.generators.conv_decoder import ConvDecoder
from gendata.generators.multi_formation_bank import MultiFormationBank
from gendata.generators.pixel_bank import PixelBank
from gendata.latents.normal import Normal
from gendata.latents.slot import Slot
from gendata.latents.stored import Stored
from gendata.methods.distribution_matching import DistributionMatching, DmConfig
from gendata.methods.method import RealData
from gendata.recipe import load_recipe
from gendata.registry import METHODS
from gendata.spec import SampleSpec

SPEC = SampleSpec(channels=1, height=8, width=8, classes=("a", "b"))
CONFIG = DmConfig(network="convnet1-w4-in", real_per_class=4, steps=2, lr=0.1)


def real_data() -> RealData:
    """Forty different images in alternating classes."""
    x = torch.randint(0, 256, (40, 1, 8, 8), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    return RealData(x_u8=x, y=torch.arange(40) % 2, spec=SPEC, mean=(0.4,), std=(0.3,))


def method_on(values: str = "uint8", *, factor: int = 1, config: DmConfig = CONFIG, seed: int = 0):
    if factor == 1:
        bank = PixelBank(PixelBank.Config(slots=3, values=values), spec=SPEC, latent_dim=1)
    else:
        bank = MultiFormationBank(
            MultiFormationBank.Config(slots=3, factor=factor, values=values), spec=SPEC, latent_dim=1
        )
    law = Slot(Slot.Config(slots=3 * factor**2), num_classes=2)
    method = DistributionMatching(config, generator=bank, law=law, real=real_data(), seed=seed)
    method.begin(None)
    return method


def from_the_bank(method: DistributionMatching) -> Tensor:
    """What a reader of the artifact gets, class-major."""
    y = method.labels()
    z = torch.arange(method.samples_per_class, dtype=torch.float32).repeat(2)[:, None]
    return method.generator(z, y)


def test_images_begin_as_different_real_ones_of_their_class() -> None:
    method = method_on()
    method.finish()
    real = method.real
    for c in range(2):
        own = {tuple(image.flatten().tolist()) for image in real.x_u8[real.y == c]}
        got = [tuple(image.flatten().tolist()) for image in method.generator.images[c]]
        assert len(set(got)) == 3 and set(got) <= own
    assert not torch.equal(method.pixels, method_on(seed=1).pixels)


def test_noise_begins_with_the_mean_and_deviation_that_networks_are_used_to() -> None:
    config = DmConfig(network="convnet1-w4-in", initial="noise")
    pixels = method_on("float32", config=config).pixels.detach()
    assert abs(float(pixels.mean())) < 0.2 and abs(float(pixels.std()) - 1) < 0.2


@pytest.mark.parametrize("factor", [1, 2, 3])
def test_what_is_matched_is_what_the_bank_gives_afterwards(factor: int) -> None:
    method = method_on("float32", factor=factor)
    with torch.no_grad():
        method.pixels += 3 * torch.randn(method.pixels.shape, generator=torch.Generator().manual_seed(1))
    matched = method.samples()
    method.finish()
    given = from_the_bank(method)
    # The bank's order inside a class is tile by tile, not image by image.
    order = torch.arange(3 * factor**2).reshape(3, factor**2).T.flatten() if factor > 1 else torch.arange(3)
    assert torch.allclose(matched.unflatten(0, (2, -1))[:, order].flatten(0, 1), given, atol=1e-5)
    assert method.space is not None and method.space.name == "normalised"


def test_an_image_of_a_mosaic_begins_as_the_small_real_ones() -> None:
    method = method_on("float32", factor=2)
    first = method.pixels[0, 0, 0] * 0.3 + 0.4
    corner = first[:4, 4:]
    small = torch.nn.functional.avg_pool2d(method.real.x_u8[method.real.y == 0].float() / 255, 2)[:, 0]
    assert float((small - corner.detach()).abs().amax((1, 2)).min()) < 1e-5


def test_a_bank_of_bytes_keeps_its_images_within_what_bytes_hold() -> None:
    method = method_on("uint8")
    with torch.no_grad():
        method.pixels[0] += 100
        method.pixels[1] -= 100
    method.step(method.stages()[0], 0)
    images = method.samples() * 0.3 + 0.4
    assert images.min() > -1e-5 and images.max() < 1 + 1e-5
    method.finish()
    assert method.generator.images[0].min() == 255 and method.generator.images[1].max() == 0
    assert method.space is None


def test_a_class_with_fewer_images_than_slots_repeats_them() -> None:
    real = real_data()
    few = RealData(x_u8=real.x_u8[:3], y=real.y[:3], spec=SPEC, mean=real.mean, std=real.std)
    bank = PixelBank(PixelBank.Config(slots=4), spec=SPEC, latent_dim=1)
    method = DistributionMatching(
        CONFIG, generator=bank, law=Slot(Slot.Config(slots=4), num_classes=2), real=few, seed=0
    )
    method.begin(None)
    method.finish()
    assert torch.equal(bank.images[1, 0], bank.images[1, 3])


def test_another_generator_or_law_is_refused_with_the_remedy() -> None:
    generator = ConvDecoder(ConvDecoder.Config(), spec=SPEC, latent_dim=32)
    with pytest.raises(SpecError, match=r"ConvDecoder; expected PixelBank or MultiFormationBank.\n.*pixel-bank"):
        DistributionMatching(
            CONFIG, generator=generator, law=Normal(Normal.Config(), num_classes=2), real=real_data(), seed=0
        )
    bank = MultiFormationBank(MultiFormationBank.Config(slots=3, factor=2), spec=SPEC, latent_dim=1)
    with pytest.raises(SpecError, match=r"Slot of 3 slots; expected Slot of 12"):
        DistributionMatching(
            CONFIG, generator=bank, law=Slot(Slot.Config(slots=3), num_classes=2), real=real_data(), seed=0
        )
    law = Stored(Stored.Config(dim=1, codes=12), num_classes=2)  # as many, but they are no numbers of images
    with pytest.raises(SpecError, match=r"latent law is Stored; expected Slot of 12"):
        DistributionMatching(CONFIG, generator=bank, law=law, real=real_data(), seed=0)


@pytest.mark.parametrize("recipe", ["digits/dm", "digits/random-real"])
def test_more_images_than_the_bank_holds_are_refused_before_anything_is_made(recipe: str) -> None:
    slots = load_recipe(recipe).generator.options["slots"]
    with pytest.raises(ArtifactError, match=f"artifact.ipc: {slots + 1} images per class, of which {slots} are stored"):
        condensation.plan(recipe, overrides=(f"artifact.ipc={slots + 1}",))


@pytest.mark.parametrize(
    "options",
    [
        {"initial": "ones"},
        {"augmentation": "blur"},
        {"real_per_class": 0},
        {"steps": 0},
        {"lr": 0.0},
        {"momentum": 1},
        {"final_lr_share": 2.0},
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(RecipeError):
        METHODS.config("dm", options, where="method")
