from __future__ import annotations

import pytest
import torch

from gendata.errors import RecipeError
from gendata.latents.slot import Slot
from gendata.registry import LATENTS


def _law(slots: int) -> Slot:
    return Slot(LATENTS.config("slot", {"slots": slots}, where="latent"), num_classes=3)


def _draw(law: Slot, uniforms: torch.Tensor, slot: torch.Tensor) -> torch.Tensor:
    count = len(slot)
    return law(uniforms[:, None], torch.zeros(count, 0), torch.zeros(count, dtype=torch.int64), slot)


def test_in_the_frozen_set_the_latent_is_the_slot() -> None:
    slot = torch.arange(10)
    z = _draw(_law(10), torch.rand(10), slot)
    assert z.shape == (10, 1) and z.dtype == torch.float32
    assert z[:, 0].tolist() == list(range(10))


def test_a_fresh_sample_takes_each_stored_image_alike() -> None:
    uniforms = (torch.arange(1000) + 0.5) / 1000
    z = _draw(_law(10), uniforms, torch.full((1000,), -1))
    assert z[:, 0].long().bincount().tolist() == [100] * 10


@pytest.mark.parametrize("slots", [1, 3, 5, 10, 1023, 2**20 - 1, 2**20])
def test_the_largest_uniform_still_names_a_stored_image(slots: int) -> None:
    z = _draw(_law(slots), torch.tensor([1 - 2**-24, 0.0]), torch.tensor([-1, -1]))
    assert z[:, 0].tolist() == [slots - 1, 0]


def test_the_law_stores_nothing() -> None:
    law = _law(4)
    law.prepare()
    assert (law.dim, law.num_uniforms, law.num_normals) == (1, 1, 0) and not law.state_dict()


@pytest.mark.parametrize("slots", [0, -1, 2**20 + 1])
def test_absurd_numbers_of_slots_are_refused(slots: int) -> None:
    with pytest.raises(RecipeError, match=f"got {slots}"):
        LATENTS.config("slot", {"slots": slots}, where="latent")
