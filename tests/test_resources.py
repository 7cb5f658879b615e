"""Where the shipped folders are found."""

from __future__ import annotations

import pytest

from gendata._resources import shipped
from gendata.errors import GendataError


@pytest.mark.parametrize(("name", "holds"), [("recipes", "README.md"), ("hub", "catalog.yaml")])
def test_shipped_folders_are_found_in_the_wheel_or_the_checkout(name: str, holds: str) -> None:
    assert (shipped(name) / holds).is_file()


def test_a_folder_that_nobody_ships_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(GendataError, match="the shipped folder 'nothing' is missing"):
        shipped("nothing")
