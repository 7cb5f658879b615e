from __future__ import annotations

from typing import Literal

import pytest
import torch

from gendata.errors import SpecError
from gendata.generators.conv_decoder import ConvDecoder
from gendata.generators.pixel_bank import PixelBank
from gendata.latents.normal import Normal
from gendata.latents.slot import Slot
from gendata.methods.method import RealData
from gendata.methods.random_real import RandomReal
from gendata.spec import SampleSpec

SPEC = SampleSpec(channels=1, height=1, width=1, classes=("a", "b", "c"))


def _real() -> RealData:
    """Sixty images that hold their own position; class i % 3."""
    x = torch.arange(60, dtype=torch.uint8).reshape(60, 1, 1, 1)
    return RealData(x_u8=x, y=torch.arange(60) % 3, spec=SPEC, mean=(0.5,), std=(0.5,))


def _filled(*, slots: int = 5, seed: int = 0, values: Literal["uint8", "float32"] = "uint8") -> torch.Tensor:
    bank = PixelBank(PixelBank.Config(slots=slots, values=values), spec=SPEC, latent_dim=1)
    law = Slot(Slot.Config(slots=slots), num_classes=3)
    method = RandomReal(RandomReal.Config(), generator=bank, law=law, real=_real(), seed=seed)
    assert method.stages() == ()
    method.begin(None)
    return bank.images.flatten(1)


def test_each_class_gets_different_real_images_of_its_own() -> None:
    images = _filled()
    for c, row in enumerate(images.tolist()):
        assert len(set(row)) == 5 and all(value % 3 == c for value in row)


def test_a_bank_of_floats_holds_the_same_images_as_fractions() -> None:
    torch.testing.assert_close(_filled(values="float32"), _filled().float() / 255)


def test_the_draw_is_a_function_of_the_seed() -> None:
    assert torch.equal(_filled(seed=4), _filled(seed=4))
    assert not torch.equal(_filled(seed=4), _filled(seed=5))


def test_a_larger_bank_begins_with_the_images_of_a_smaller_one() -> None:
    assert torch.equal(_filled(slots=20)[:, :5], _filled(slots=5))


def test_a_class_with_too_few_images_is_named() -> None:
    with pytest.raises(SpecError, match=r"class 'a' has 20 images; expected at least generator\.options\.slots = 21"):
        _filled(slots=21)


def test_another_generator_is_refused_with_the_remedy() -> None:
    spec = SampleSpec(channels=1, height=8, width=8, classes=("a", "b", "c"))
    generator = ConvDecoder(ConvDecoder.Config(), spec=spec, latent_dim=32)
    law = Normal(Normal.Config(), num_classes=3)
    with pytest.raises(SpecError, match=r"ConvDecoder; expected PixelBank.\n.*pixel-bank"):
        RandomReal(RandomReal.Config(), generator=generator, law=law, real=_real(), seed=0)
    bank = PixelBank(PixelBank.Config(slots=2), spec=spec, latent_dim=1)
    with pytest.raises(SpecError, match=r"Slot of 1 slots; expected Slot of 2, as the bank holds.\n.*slots to 2"):
        RandomReal(
            RandomReal.Config(), generator=bank, law=Slot(Slot.Config(slots=1), num_classes=3), real=_real(), seed=0
        )
