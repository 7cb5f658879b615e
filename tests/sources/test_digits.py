from __future__ import annotations

from importlib.resources import files

import pytest
import torch

from gendata.errors import RecipeError, SourceError
from gendata.recipe import Choice
from gendata.sources.source import open_source


def test_digits_are_complete_and_need_no_folder() -> None:
    digits = open_source(Choice(name="digits"))
    train, test = digits.split("train"), digits.split("test")
    assert train.x.shape == (1297, 1, 8, 8) and test.x.shape == (500, 1, 8, 8)
    assert train.x.dtype == torch.uint8 and train.y.dtype == torch.int64
    assert test.y.bincount().tolist() == [50] * 10
    assert (train.y.bincount() + test.y.bincount()).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_digit_values_span_the_uint8_range_in_seventeen_steps() -> None:
    x = open_source(Choice(name="digits")).split("train").x
    expected = (torch.arange(17, dtype=torch.float64) * 255 / 16).round().to(torch.uint8)
    assert torch.equal(x.unique(), expected)


def test_the_fingerprint_of_digits_never_changes() -> None:
    fingerprint = open_source(Choice(name="digits")).fingerprint
    assert fingerprint == "0ec3626630a413593776b08cf88434ae25a800504a6ec97c12836bac950d0db1"


def test_digits_ship_with_their_licence_and_stay_small() -> None:
    data = files("gendata.sources") / "data"
    assert len((data / "digits.npz").read_bytes()) < 60_000
    licence = (data / "digits.LICENSE.txt").read_text(encoding="utf-8")
    assert "Alpaydin" in licence and "CC BY 4.0" in licence and "10.24432/C50P49" in licence
    assert open_source(Choice(name="digits")).facts().license == "CC-BY-4.0"


def test_facts_say_that_the_test_images_are_held_out_of_train() -> None:
    facts = open_source(Choice(name="digits")).facts()
    assert (facts.options, facts.tested_on) == ({}, "held out of train")


def test_an_unknown_option_is_refused_with_its_field() -> None:
    with pytest.raises(RecipeError, match=r"source\.options.*unknown field `size`"):
        open_source(Choice(name="digits", options={"size": 8}))


def test_an_unknown_split_is_refused() -> None:
    with pytest.raises(SourceError, match="expected 'train' or 'test'"):
        open_source(Choice(name="digits")).split("validation")  # type: ignore[arg-type]
