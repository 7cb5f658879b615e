from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from gendata import condensation
from gendata.errors import RecipeError
from gendata.recipe import Choice, load_recipe
from gendata.registry import LOSSES, METHODS


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


def test_a_run_with_every_term_and_a_learned_sampler_that_dies_ends_with_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(condensation, "_CHECKPOINT_SEC", 0.0)
    monkeypatch.setattr(condensation, "_CHECKPOINT_SHARE", float("inf"))
    terms = [{"name": name} for name in LOSSES.names() if name != "characteristic"]
    learned = {"name": "characteristic", "options": {"sampler": "learned", "frequencies": 32}}
    options = {
        "network": "convnet2-w4-in", "networks": 1, "network_ages": [2], "reconstruct_steps": 0, "steps": 6,
        "samples_per_class": 4, "real_per_class": 6, "pool": "interpolated", "losses": [*terms, learned],
    }  # fmt: skip
    recipe = msgspec.structs.replace(
        load_recipe("digits/generative-demo", overrides=("generator.options.widths=[8]", "latent.options.codes=4")),
        method=Choice(name="generative", options=options),
    )

    class Killed(BaseException):
        """Stands for a death that leaves no time to clean up."""

    def die(progress: condensation.Progress) -> None:
        if (progress.stage, progress.step) == ("match", 3):
            raise Killed

    whole = condensation.condense(recipe, out=tmp_path / "whole")
    with pytest.raises(Killed):
        condensation.condense(recipe, out=tmp_path / "halves", on_progress=die)
    halves = condensation.condense(recipe, out=tmp_path / "halves")
    assert halves.artifact_id == whole.artifact_id
