"""Every recipe under recipes/: found by its path, valid, and honest about what was measured."""

from __future__ import annotations

from pathlib import Path

import pytest

from gendata.recipe import list_recipes, load_recipe
from gendata.sweeping.sweep import list_sweeps, load_sweep

ROOT = Path(__file__).resolve().parents[2] / "recipes"
FILES = sorted(path.relative_to(ROOT).with_suffix("").as_posix() for path in ROOT.rglob("*.yaml"))
SWEEPS = [name for name in FILES if name.startswith("sweeps/")]
NAMES = [name for name in FILES if name not in SWEEPS]


def test_the_list_is_exactly_the_files() -> None:
    assert list_recipes() == NAMES
    assert list_sweeps() == SWEEPS


def test_the_folder_holds_recipes_and_a_readme_and_nothing_else() -> None:
    others = [path for path in ROOT.rglob("*") if path.is_file() and path.suffix != ".yaml"]
    assert others == [ROOT / "README.md"]


@pytest.mark.parametrize("name", NAMES)
def test_it_is_valid_to_the_last_option(name: str) -> None:
    load_recipe(name).resolved(where=name)


@pytest.mark.parametrize("name", SWEEPS)
def test_every_recipe_of_a_sweep_is_valid_and_differs_from_the_others(name: str) -> None:
    sweep = load_sweep(name)
    assert len({cell.key for cell in sweep.cells}) == len(sweep.cells)
    assert 10 <= len(sweep.file.summary) <= 100


@pytest.mark.parametrize("name", NAMES)
def test_its_path_says_its_source_and_its_method(name: str) -> None:
    recipe = load_recipe(name)
    folder, _, stem = name.partition("/")
    assert recipe.source.name == folder
    assert stem == recipe.method.name or stem.startswith(f"{recipe.method.name}-")


@pytest.mark.parametrize("name", NAMES)
def test_its_summary_fits_a_line_of_the_list(name: str) -> None:
    summary = load_recipe(name).summary
    assert 10 <= len(summary) <= 100
    assert "\n" not in summary


@pytest.mark.parametrize("name", NAMES)
def test_what_it_says_was_measured_names_how_and_where(name: str) -> None:
    for row in load_recipe(name).reference:
        assert 0 < row.mean <= 1, "accuracies are fractions"
        assert 0 <= row.std < 0.5
        assert row.n >= 1
        assert row.hardware
        assert row.version
        assert "gendata" in row.command or "make" in row.command
