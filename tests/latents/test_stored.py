from __future__ import annotations

import pytest
import torch

from gendata.errors import RecipeError
from gendata.latents.stored import Stored, StoredConfig
from gendata.registry import LATENTS


def law(codes: int = 3) -> Stored:
    made = Stored(StoredConfig(dim=2, codes=codes), num_classes=4)
    with torch.no_grad():
        made.codes.copy_(torch.arange(4 * codes * 2).reshape(4, codes, 2))
    return made


def test_a_frozen_set_holds_every_code_of_a_class_in_its_order_and_then_again() -> None:
    y, none = torch.full((5,), 2), torch.empty(5, 0)
    z = law()(torch.rand(5, 1), none, y, torch.arange(5))
    assert torch.equal(z, law().codes[2, [0, 1, 2, 0, 1]])


def test_a_fresh_sample_is_any_code_of_its_class_with_equal_chance() -> None:
    y = torch.ones(300, dtype=torch.int64)
    u = (torch.arange(300)[:, None] + 0.5) / 300
    z = law()(u, torch.empty(300, 0), y, torch.full_like(y, -1))
    codes, counts = z.unique(dim=0, return_counts=True)
    assert torch.equal(codes, law().codes[1]) and counts.tolist() == [100, 100, 100]


def test_it_says_how_many_different_latents_there_are() -> None:
    assert law(codes=3).num_distinct_per_class == 3


def test_absurd_sizes_are_refused() -> None:
    with pytest.raises(RecipeError, match="codes must be 1 to"):
        LATENTS.config("stored", {"codes": 0}, where="latent")
    with pytest.raises(RecipeError, match="dim must be 1 to"):
        LATENTS.config("stored", {"dim": 5000}, where="latent")
