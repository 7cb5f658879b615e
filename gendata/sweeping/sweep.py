"""Sweep files: what is varied, over which seeds, and how it is scored. Data only, typed, never code."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import msgspec

from gendata._resources import shipped
from gendata.artifact.canonical import sha256_of
from gendata.errors import RecipeError, unknown_name
from gendata.recipe import SWEEPS, Recipe, load_recipe, read_fields
from gendata.registry import typed_options

STATISTICS = ("spread", "gap", "bytes")  # that a plot may have on its x axis, besides a swept path
_MAX_CELLS = 10_000
_NO_VARIANT = "base"


class Scoring(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How each artifact is scored; its seed is that of the recipe."""

    protocol: str = "quick/v1"
    runs: int = 3  # networks per row, artifact and seed
    rows: tuple[str, ...] = ("frozen", "fresh-matched")  # as `gendata evaluate --rows`
    split: Literal["validation", "test"] = "validation"  # validation: held out of train, for whatever is chosen

    def __post_init__(self) -> None:
        if self.runs < 1:
            raise ValueError(f"runs must be at least 1, got {self.runs}")
        if not self.rows:
            raise ValueError("rows must not be empty")


class PlotPlan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the plot shows beside accuracy."""

    x: str  # a path of `grid`, or an achieved statistic: spread, gap, bytes


class SweepFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every variant with every combination of the grid's values, each with every seed."""

    summary: str
    base: str  # a shipped recipe's name, or a YAML file beside the sweep's
    overrides: tuple[str, ...] = ()  # "path=value", of every cell, before its variant's
    variants: dict[str, tuple[str, ...]] = {}  # name -> overrides; none: the base alone
    grid: dict[str, tuple[Any, ...]] = {}  # path -> values, applied after the variant
    seeds: int | tuple[int, ...] = 3  # how many, from 0; or which
    evaluation: Scoring = Scoring()
    compare_with: str | None = None  # a variant; how much others differ from it is told, seed by seed
    plot: PlotPlan | None = None  # None: one mark per line of the table

    def __post_init__(self) -> None:
        if not self.seed_list or min(self.seed_list) < 0 or len(set(self.seed_list)) < len(self.seed_list):
            raise ValueError(f"seeds must be a number above 0 or different seeds from 0, got {self.seeds}")
        _check_paths(itertools.chain(self.overrides, *self.variants.values(), self.grid))
        if empty := [path for path, values in self.grid.items() if not values]:
            raise ValueError(f"grid: {empty[0]} has no value")
        if self.compare_with is not None and self.compare_with not in self.variants:
            raise ValueError(f"compare_with must be one of variants, got {self.compare_with!r}")
        if self.plot and self.plot.x not in (*self.grid, *STATISTICS):
            raise ValueError(f"plot.x must be a path of grid or one of {', '.join(STATISTICS)}, got {self.plot.x!r}")

    @property
    def seed_list(self) -> tuple[int, ...]:
        return tuple(range(self.seeds)) if isinstance(self.seeds, int) else self.seeds


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One recipe of a sweep, with one seed."""

    variant: str
    settings: Mapping[str, Any]  # of the grid: path -> value
    seed: int
    recipe: Recipe  # resolved
    made: str  # of what decides the artifact: the recipe's digest, and of a sweep over several folders also which
    key: str  # of what decides its result: what is made, and the evaluation

    @property
    def label(self) -> str:
        """For people."""
        told = [f"{short(path)}={value}" for path, value in self.settings.items()]
        return ", ".join([self.variant, *told, f"seed {self.seed}"])


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """A sweep file with its cells, the first seed of all variants before the second of any."""

    name: str
    file: SweepFile
    cells: tuple[Cell, ...]

    def digest(self) -> str:
        """sha256 of what decides its results."""
        return sha256_of([cell.key for cell in self.cells])


def list_sweeps() -> list[str]:
    """Names of the shipped sweeps, sorted: "sweeps/<what>"."""
    root = shipped("recipes")
    return sorted(path.relative_to(root).with_suffix("").as_posix() for path in (root / SWEEPS).rglob("*.yaml"))


def read_sweep(name_or_file: str | Path) -> SweepFile:
    """The fields of a sweep, without its recipes; see `load_sweep`."""
    path = _path(name_or_file)
    file: SweepFile = typed_options(SweepFile, read_fields(path), where=str(path))
    return file


def load_sweep(name_or_file: str | Path, *, num_seeds: int | None = None) -> Sweep:
    """Reads a sweep and makes its recipes, every name and option checked.

    Args:
        name_or_file: a shipped sweep's name ("sweeps/losses", or "losses"), or a YAML file.
        num_seeds: so many seeds, from 0; None: those of the file.

    Raises:
        RecipeError: the file, its base or one of its cells is not acceptable; the message names it.
        UnknownNameError: no such sweep, recipe, protocol or row, or a name that a cell selects.
    """
    path, file = _path(name_or_file), read_sweep(name_or_file)
    if num_seeds is not None:
        file = msgspec.structs.replace(file, seeds=num_seeds)
    _check_evaluation(file.evaluation)
    combinations = list(_combinations(file))
    if (count := len(combinations) * len(file.seed_list)) > _MAX_CELLS:
        raise RecipeError(f"{count} cells", where=str(path), expected=f"at most {_MAX_CELLS}")
    base = path.parent / file.base if file.base.endswith((".yaml", ".yml")) else file.base
    cells = [
        _cell(file, base, variant, settings, seed, where=str(path))
        for seed in file.seed_list
        for variant, settings in combinations
    ]
    if len({cell.recipe.source.options.get("path") for cell in cells}) > 1:
        cells = [_of_its_folder(file, cell) for cell in cells]
    return Sweep(name=path.stem, file=file, cells=tuple(cells))


def short(path: str) -> str:
    """A path without the parts that say little."""
    return path.removeprefix("method.").replace("options.", "")


def _path(name_or_file: str | Path) -> Path:
    path = Path(name_or_file)
    if path.suffix in (".yaml", ".yml"):
        if not os.path.isfile(path):  # also of a name that is too long for any
            raise RecipeError("no such file", where=str(path), remedy="List the shipped ones: gendata recipe sweep")
        return path
    name = SWEEPS + str(name_or_file).removeprefix(SWEEPS)
    if name not in list_sweeps():
        raise unknown_name("sweep", name, list_sweeps())
    return shipped("recipes") / f"{name}.yaml"


def _combinations(file: SweepFile) -> Iterator[tuple[str, dict[str, Any]]]:
    for variant in file.variants or {_NO_VARIANT: ()}:
        for values in itertools.product(*file.grid.values()):
            yield variant, dict(zip(file.grid, values, strict=True))


def _cell(file: SweepFile, base: str | Path, variant: str, settings: dict[str, Any], seed: int, *, where: str) -> Cell:
    changes = (
        *file.overrides,
        *file.variants.get(variant, ()),
        *(f"{path}={_yaml(value)}" for path, value in settings.items()),
        f"seed={seed}",
    )
    label = ", ".join([variant, *(f"{short(path)}={value}" for path, value in settings.items())])
    try:
        recipe = load_recipe(base, overrides=changes).resolved(where=f"{where}: {label}")
    except RecipeError as fault:
        place = f"{where}: {label}" + (f": {fault.where}" if fault.where and not fault.where.startswith(where) else "")
        raise RecipeError(fault.what, where=place, expected=fault.expected, remedy=fault.remedy) from None
    # What was measured with the base says nothing about a variant of it.
    recipe = msgspec.structs.replace(recipe, summary=f"{file.base}: {label}", reference=())
    made = recipe.digest()
    return Cell(
        variant=variant, settings=settings, seed=seed, recipe=recipe, made=made, key=_key(made, file.evaluation)
    )


def _key(made: str, evaluation: Scoring) -> str:
    return sha256_of({"recipe": made, "evaluation": msgspec.to_builtins(evaluation)})


def _of_its_folder(file: SweepFile, cell: Cell) -> Cell:
    """The cell told apart from that of another folder: a recipe's digest leaves the path out."""
    made = sha256_of({"recipe": cell.made, "path": cell.recipe.source.options.get("path")})
    return replace(cell, made=made, key=_key(made, file.evaluation))


def _check_paths(overrides: Iterable[str]) -> None:
    """Raises ValueError for what a sweep sets by itself, so that it would have no effect."""
    for override in overrides:
        path = override.partition("=")[0].strip()
        if path == "seed" or path.partition(".")[0] == "evaluation":
            kept = "seeds" if path == "seed" else "evaluation"
            raise ValueError(f"{path} has no effect in overrides, variants and grid: the sweep's own {kept!r} says it")


def _yaml(value: Any) -> str:
    """On one line, as an override has it."""
    import yaml

    text: str = yaml.safe_dump(value, default_flow_style=True, width=2**20)
    return text.removesuffix("\n").removesuffix("\n...")


def _check_evaluation(scoring: Scoring) -> None:
    """Before hours of condensing."""
    from gendata.evaluation.evaluator import planner_of
    from gendata.evaluation.protocols import members_of, require_runnable

    for protocol in members_of(scoring.protocol):
        require_runnable(protocol)
    for row in scoring.rows:
        planner_of(row)
