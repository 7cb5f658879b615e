from __future__ import annotations

import pytest
import torch

from gendata.errors import RecipeError, SpecError
from gendata.generators.pixel_bank import PixelBank
from gendata.registry import GENERATORS
from gendata.spec import SampleSpec

SPEC = SampleSpec(channels=3, height=2, width=5, classes=("a", "b"))


def _bank(slots: int = 4) -> PixelBank:
    bank = PixelBank(GENERATORS.config("pixel-bank", {"slots": slots}, where="generator"), spec=SPEC, latent_dim=1)
    bank.images.copy_(torch.randint(256, bank.images.shape, generator=torch.Generator().manual_seed(0)))
    return bank


def test_every_stored_image_comes_back_as_its_bytes() -> None:
    bank = _bank()
    y, slot = torch.tensor([0, 1, 1, 0]), torch.tensor([3.0, 0.0, 2.0, 3.0])
    x = bank(slot[:, None], y)
    assert x.shape == (4, 3, 2, 5) and x.dtype == torch.float32
    assert x.min() >= 0 and x.max() <= 1
    assert torch.equal(x.mul(255).round().to(torch.uint8), bank.images[y, slot.long()])


def test_the_bank_is_one_uint8_tensor_and_costs_no_arithmetic() -> None:
    bank = _bank()
    assert {name: t.dtype for name, t in bank.state_dict().items()} == {"images": torch.uint8}
    assert bank.images.shape == (2, 4, 3, 2, 5) and bank.macs_per_image() == 0


@pytest.mark.parametrize("slot", [-1.0, 4.0, 0.5, float("nan")])
def test_a_slot_that_is_not_in_the_bank_is_refused(slot: float) -> None:
    with pytest.raises(SpecError, match="whole numbers 0 to 3"):
        _bank()(torch.tensor([[slot]]), torch.tensor([0]))


def test_it_is_built_on_the_meta_device_without_taking_memory() -> None:
    config = GENERATORS.config("pixel-bank", {"slots": 2**20}, where="generator")
    huge = SampleSpec(channels=3, height=4096, width=4096, classes=tuple(map(str, range(1000))))
    with torch.device("meta"):
        assert PixelBank(config, spec=huge, latent_dim=1).images.shape[1] == 2**20


def test_latents_of_another_length_name_the_law_to_use() -> None:
    with pytest.raises(SpecError, match="Use the latent law 'slot'"):
        PixelBank(PixelBank.Config(slots=1), spec=SPEC, latent_dim=32)


@pytest.mark.parametrize("options", [{}, {"slots": 0}, {"slots": 1.5}, {"slots": 2, "ipc": 2}])
def test_wrong_options_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(RecipeError, match=r"generator\.options"):
        GENERATORS.config("pixel-bank", options, where="generator")
