from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from gendata.errors import RecipeError, SpecError
from gendata.generators.multi_formation_bank import MultiFormationBank
from gendata.registry import GENERATORS
from gendata.spec import SampleSpec


def build(side: int = 8, factor: int = 2, values: str = "float32") -> MultiFormationBank:
    options = {"slots": 3, "factor": factor, "values": values}
    config = GENERATORS.config("multi-formation-bank", options, where="generator")
    spec = SampleSpec(channels=3, height=side, width=side, classes=("a", "b"))
    bank = MultiFormationBank(config, spec=spec, latent_dim=1)
    bank.images.copy_(torch.rand(bank.images.shape, generator=torch.Generator().manual_seed(0)) * 255)
    return bank


@pytest.mark.parametrize(("side", "factor"), [(8, 2), (9, 3), (8, 3)])
def test_every_tile_of_every_image_is_cut_out_and_enlarged(side: int, factor: int) -> None:
    bank = build(side, factor)
    tile = -(-side // factor)
    padded = F.pad(bank.images[1], (0, tile * factor - side, 0, tile * factor - side), value=0.5)
    enlarge = nn.Upsample(size=(side, side), mode="bilinear")
    number = 0
    for row in range(factor):
        for column in range(factor):
            cut = padded[:, :, row * tile : (row + 1) * tile, column * tile : (column + 1) * tile]
            for slot in range(3):
                x = bank(torch.tensor([[float(number)]]), torch.tensor([1]))
                assert torch.allclose(x, enlarge(cut[slot : slot + 1]))
                number += 1


def test_bytes_come_back_as_numbers_from_0_to_1() -> None:
    x = build(values="uint8")(torch.tensor([[5.0]]), torch.tensor([0]))
    assert x.dtype == torch.float32 and 0.2 < x.max() <= 1


def test_a_sample_that_is_not_there_is_refused() -> None:
    for number in (-1.0, 12.0, 0.5):
        with pytest.raises(SpecError, match="whole numbers 0 to 11"):
            build()(torch.tensor([[number]]), torch.tensor([0]))


def test_options_that_make_no_sense_are_refused() -> None:
    for options in ({"slots": 1, "factor": 1}, {"slots": 0, "factor": 2}, {"slots": 2**20, "factor": 2}):
        with pytest.raises(RecipeError, match="must be"):
            GENERATORS.config("multi-formation-bank", options, where="generator")
    config = MultiFormationBank.Config(slots=1, factor=2)
    with pytest.raises(SpecError, match="a square"):
        MultiFormationBank(config, spec=SampleSpec(channels=1, height=4, width=6, classes=("a",)), latent_dim=1)
    with pytest.raises(SpecError, match="law 'slot'"):
        MultiFormationBank(config, spec=SampleSpec(channels=1, height=4, width=4, classes=("a",)), latent_dim=2)


@pytest.mark.parametrize(("side", "factor"), [(4, 8), (8, 5), (8, 6), (28, 8)])
def test_a_factor_that_leaves_tiles_empty_is_refused(side: int, factor: int) -> None:
    with pytest.raises(SpecError, match="last tiles are empty"):
        build(side, factor)
