"""Sweep files: what is read, what is refused, which recipes they make."""

from __future__ import annotations

from pathlib import Path

import pytest

from gendata.errors import GendataError, RecipeError, UnknownNameError
from gendata.recipe import load_recipe
from gendata.sweeping.sweep import load_sweep, read_sweep

TEXT = """\
summary: Counts and storages
base: digits/random-real
overrides: [artifact.micro_batch=8]
variants:
  one: [artifact.ipc=1, generator.options.slots=1, latent.options.slots=1]
  two: [artifact.ipc=2, generator.options.slots=2, latent.options.slots=2]
grid: {artifact.storage: [f32, int8]}
seeds: 2
"""


def write(folder: Path, text: str = TEXT) -> Path:
    (folder / "s.yaml").write_text(text)
    return folder / "s.yaml"


def fault(folder: Path, text: str) -> str:
    with pytest.raises(GendataError) as caught:
        load_sweep(write(folder, text))
    return str(caught.value)


def test_every_variant_meets_every_value_of_the_grid_with_every_seed(tmp_path: Path) -> None:
    sweep = load_sweep(write(tmp_path))
    assert [cell.label for cell in sweep.cells[:4]] == [
        "one, artifact.storage=f32, seed 0",
        "one, artifact.storage=int8, seed 0",
        "two, artifact.storage=f32, seed 0",
        "two, artifact.storage=int8, seed 0",
    ]
    assert [cell.seed for cell in sweep.cells] == [0] * 4 + [1] * 4, "a table of all variants is there early"
    recipe = sweep.cells[-1].recipe
    assert (recipe.artifact.ipc, recipe.artifact.storage, recipe.artifact.micro_batch, recipe.seed) == (2, "int8", 8, 1)


def test_a_cell_is_the_recipe_that_its_overrides_give_by_hand(tmp_path: Path) -> None:
    cell = load_sweep(write(tmp_path)).cells[0]
    changes = ("artifact.micro_batch=8", "artifact.ipc=1", "generator.options.slots=1", "latent.options.slots=1",
               "artifact.storage=f32", "seed=0")  # fmt: skip
    assert cell.recipe.digest() == load_recipe("digits/random-real", overrides=changes).resolved().digest()


def test_the_key_follows_from_the_recipe_and_the_evaluation_alone(tmp_path: Path) -> None:
    keys = [cell.key for cell in load_sweep(write(tmp_path)).cells]
    renamed = TEXT.replace("one:", "single:").replace("Counts", "Numbers")
    assert [cell.key for cell in load_sweep(write(tmp_path, renamed)).cells] == keys
    other = TEXT + "evaluation: {split: test}\n"
    assert not {cell.key for cell in load_sweep(write(tmp_path, other)).cells} & set(keys)


def test_nothing_measured_with_the_base_is_claimed_by_its_variants(tmp_path: Path) -> None:
    sweep = load_sweep(write(tmp_path, "summary: As it is, twice\nbase: digits/herding\n"))
    assert load_recipe("digits/herding").reference
    assert all(cell.recipe.reference == () for cell in sweep.cells)
    assert sweep.cells[0].recipe.summary == "digits/herding: base"


def test_the_base_may_be_a_file_beside_the_sweep(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(
        "summary: Mine\nsource: {name: digits}\ngenerator: {name: pixel-bank, options: {slots: 1}}\n"
        "latent: {name: slot, options: {slots: 1}}\nmethod: {name: random-real}\nartifact: {ipc: 1}\n"
    )
    sweep = load_sweep(write(tmp_path, "summary: Of a file\nbase: mine.yaml\n"))
    assert sweep.cells[0].recipe.artifact.ipc == 1


def test_seeds_are_a_count_or_a_list_and_the_caller_may_ask_for_another_count(tmp_path: Path) -> None:
    text = TEXT.replace("seeds: 2", "seeds: [7, 3]")
    assert read_sweep(write(tmp_path, text)).seed_list == (7, 3)
    assert {cell.seed for cell in load_sweep(write(tmp_path, text), num_seeds=1).cells} == {0}


def test_numbers_of_the_grid_stay_numbers_however_small(tmp_path: Path) -> None:
    text = "summary: Rates\nbase: digits/herding\ngrid: {method.options.lr: [1.0e-5, 2.0e-3]}\nseeds: 1\n"
    lrs = [cell.recipe.method.options["lr"] for cell in load_sweep(write(tmp_path, text)).cells]
    assert lrs == [1.0e-5, 2.0e-3]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (TEXT + "colour: red\n", "object contains unknown field `colour`"),
        (TEXT.replace("seeds: 2", "seeds: 0"), "seeds must be a number above 0 or different seeds from 0, got 0"),
        (TEXT.replace("seeds: 2", "seeds: [1, 1]"), "different seeds from 0"),
        (TEXT.replace("[f32, int8]", "[]"), "grid: artifact.storage has no value"),
        (TEXT.replace("[f32, int8]", "[f32, f64]"), "one, artifact.storage=f64: "),
        (TEXT.replace("artifact.ipc=2", "artifact.ipc=0"), "ipc must be 1 to 1000000, got 0"),
        (TEXT + "plot: {x: artifact.ipc}\n", "plot.x must be a path of grid or one of spread, gap, bytes"),
        (TEXT + "evaluation: {split: train}\n", "evaluation.split"),
        (TEXT + "evaluation: {rows: [frosen]}\n", "no row is called 'frosen'"),
        (TEXT + "evaluation: {protocol: dsb/v1}\n", "no protocol is called 'dsb/v1'"),
        (TEXT.replace("seeds: 2", "seeds: 5000"), "20000 cells; expected at most 10000"),
        ("- a list\n", "holds list; expected a mapping of fields"),
    ],
    ids=lambda value: value[-24:],
)
def test_what_is_wrong_is_said_before_anything_is_condensed(tmp_path: Path, text: str, message: str) -> None:
    assert message in fault(tmp_path, text)


def test_a_sweep_that_is_not_there_is_named_with_its_neighbours() -> None:
    with pytest.raises(UnknownNameError, match="no sweep is called 'sweeps/loses'"):
        load_sweep("sweeps/loses")
    with pytest.raises(RecipeError, match="no such file"):
        load_sweep("nowhere.yaml")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (TEXT.replace("artifact.micro_batch=8", "evaluation.runs=1"), "evaluation.runs has no effect"),
        (TEXT.replace("[artifact.ipc=1,", "[seed=3, artifact.ipc=1,"), "the sweep's own 'seeds' says it"),
        (
            TEXT.replace("{artifact.storage: [f32, int8]}", "{evaluation.protocol: [quick/v1]}"),
            "evaluation.protocol has no",
        ),
    ],
)
def test_what_the_sweep_itself_sets_is_refused_elsewhere(tmp_path: Path, text: str, told: str) -> None:
    assert told in fault(tmp_path, text)


def test_cells_of_several_data_folders_are_several(tmp_path: Path) -> None:
    folders = TEXT.replace("{artifact.storage: [f32, int8]}", "{source.options.path: [one, other]}")
    (tmp_path / "base.yaml").write_text(
        "summary: Own images\nsource: {name: folder}\nlatent: {name: slot, options: {slots: 1}}\n"
        "generator: {name: pixel-bank, options: {slots: 1}}\nmethod: {name: random-real}\nartifact: {ipc: 1}\n"
    )
    cells = load_sweep(write(tmp_path, folders.replace("digits/random-real", "base.yaml"))).cells
    assert len({cell.key for cell in cells}) == len({cell.made for cell in cells}) == len(cells) == 8
    assert len({cell.recipe.digest() for cell in cells}) == 4, "a recipe's digest leaves the path out"
