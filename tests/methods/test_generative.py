from __future__ import annotations

from typing import Any

import pytest

from gendata.errors import RecipeError
from gendata.registry import METHODS


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("networks", 1001),
        ("network_ages", list(range(1, 34))),
        ("network_ages", [10**6 + 1]),
        ("samples_per_class", 65538),
        ("real_per_class", 65537),
        ("classes_per_step", 65537),
        ("network_batch", 65537),
        ("reconstruct_batch", 65537),
        ("steps", 10**8 + 1),
        ("reconstruct_steps", 10**8 + 1),
    ],
)
def test_an_option_beyond_any_use_is_refused_with_the_bound(option: str, value: Any) -> None:
    with pytest.raises(RecipeError, match=rf"{option} must be at most \d+"):
        METHODS.config("generative", {option: value}, where="method")


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"losses": []}, "losses must hold a term"),
        ({"losses": [{"name": "cross-entropy"}]}, "losses must hold a term"),
        ({"pool": "interpolated", "networks": 0, "network_ages": []}, "needs networks"),
        ({"pool": "best"}, "Invalid enum value|invalid enum value"),
    ],
)
def test_a_matching_that_would_have_nothing_to_do_is_refused(options: dict[str, Any], match: str) -> None:
    with pytest.raises(RecipeError, match=match):
        METHODS.config("generative", options, where="method")


def test_a_term_for_trained_networks_alone_is_enough_when_no_fresh_one_is_drawn() -> None:
    METHODS.config("generative", {"losses": [{"name": "cross-entropy"}], "fresh_share": 0.0}, where="method")
