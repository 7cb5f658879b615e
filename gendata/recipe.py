"""Recipes: the declared settings of one condensation. Data only, typed, never code.

A recipe names a source, a generator, a latent law and a method from the registries, with their options. It is read
from YAML (the shipped `recipes/`, or any file), changed by `--set path=value`, and kept *resolved* (every default
written out) in the artifact's manifest.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import msgspec

from gendata._resources import shipped
from gendata.errors import RecipeError, unknown_name
from gendata.registry import GENERATORS, LATENTS, METHODS, SOURCES, typed_options

_MAX_RECIPE_BYTES = 64 * 1024  # a recipe is a page of text; a larger file is something else


class Choice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A registered name and its options."""

    name: str
    options: dict[str, Any] = {}


class ArtifactPlan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the artifact will declare."""

    ipc: int  # images per class of the frozen set
    storage: str = "int8"  # of weights with two or more dimensions: f32, f16, bf16, int8, int4
    frozen_seed: int = 0  # draws the frozen set
    micro_batch: int = 32  # images per generator call, always padded to this: keeps samples bit-equal

    def __post_init__(self) -> None:
        if self.ipc < 1:
            raise ValueError(f"ipc must be at least 1, got {self.ipc}")
        if not 1 <= self.micro_batch <= 4096:
            raise ValueError(f"micro_batch must be 1 to 4096, got {self.micro_batch}")
        if self.storage not in ("f32", "f16", "bf16", "int8", "int4"):
            raise ValueError(f"storage must be one of f32, f16, bf16, int8, int4, got {self.storage!r}")


class EvaluationPlan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How `gendata evaluate` scores the result when it is not told otherwise."""

    protocol: str = "quick/v1"
    runs: int = 3  # networks per row

    def __post_init__(self) -> None:
        if self.runs < 1:
            raise ValueError(f"runs must be at least 1, got {self.runs}")


class Reference(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One measured row: nothing stands here that a command in this repository did not produce."""

    row: str  # "artifact", "random-real", ...
    mode: str  # "frozen(100)", "fresh-matched", "fresh@10k", "real"
    protocol: str
    mean: float  # test accuracy, fraction
    std: float  # over networks, population
    n: int  # networks
    bytes: int | None = None  # artifact_bytes, or the baseline's own bytes; None: not stored
    images_seen: int | None = None  # per network
    hardware: str = ""
    minutes: float | None = None  # condensation alone; None for baselines
    version: str = ""  # gendata, torch
    command: str = ""


class Recipe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One condensation, declared."""

    summary: str
    source: Choice
    generator: Choice
    method: Choice
    artifact: ArtifactPlan
    latent: Choice = Choice(name="normal")
    evaluation: EvaluationPlan = EvaluationPlan()
    revision: int = 1  # raised when a published recipe changes what it makes
    seed: int = 0  # of everything the condensation draws
    reference: tuple[Reference, ...] = ()  # empty: not measured

    def resolved(self, *, where: str = "recipe") -> Recipe:
        """The same recipe with every option's default written out.

        Raises:
            UnknownNameError, RecipeError: a name or an option is not acceptable; imports what the names select.
        """

        def complete(registry: Any, choice: Choice, field: str) -> Choice:
            config = registry.config(choice.name, choice.options, where=f"{where}: {field}")
            return Choice(name=choice.name, options=msgspec.to_builtins(config))

        return msgspec.structs.replace(
            self,
            source=complete(SOURCES, self.source, "source"),
            generator=complete(GENERATORS, self.generator, "generator"),
            latent=complete(LATENTS, self.latent, "latent"),
            method=complete(METHODS, self.method, "method"),
        )

    def digest(self) -> str:
        """sha256 of what decides the result; summary, evaluation and reference do not count."""
        fields = msgspec.to_builtins(self)
        for told_not_done in ("summary", "evaluation", "reference"):
            del fields[told_not_done]
        return hashlib.sha256(msgspec.json.encode(fields, order="sorted")).hexdigest()


def list_recipes() -> list[str]:
    """Names of the shipped recipes, sorted: "<source>/<method>-<budget>"."""
    root = shipped("recipes")
    return sorted(path.relative_to(root).with_suffix("").as_posix() for path in root.rglob("*.yaml"))


def recipe_path(name_or_file: str | Path) -> Path:
    """The file of a shipped recipe's name, or the path itself when it names a YAML file.

    Raises:
        UnknownNameError: no such name; suggests the nearest.
        RecipeError: the file does not exist.
    """
    path = Path(name_or_file)
    if path.suffix in (".yaml", ".yml"):
        if not path.is_file():
            raise RecipeError("no such file", where=str(path), remedy="List the shipped ones: gendata recipe list")
        return path
    if str(name_or_file) not in list_recipes():
        raise unknown_name("recipe", str(name_or_file), list_recipes())
    return shipped("recipes") / f"{name_or_file}.yaml"


def load_recipe(name_or_file: str | Path, *, overrides: tuple[str, ...] = ()) -> Recipe:
    """Reads a recipe; `overrides` are "path.to.field=value" with the value in YAML.

    Raises:
        RecipeError: not YAML, an unknown key, a wrong type; the message names file and field.
        UnknownNameError: no shipped recipe of that name.
    """
    path = recipe_path(name_or_file)
    return parse_recipe(_read_text(path), where=str(path), overrides=overrides)


def parse_recipe(text: str, *, where: str, overrides: tuple[str, ...] = ()) -> Recipe:
    """The recipe written in `text` (YAML)."""
    fields = _parse_yaml(text, where=where)
    if not isinstance(fields, dict):
        raise RecipeError(f"holds {type(fields).__name__}", where=where, expected="a mapping of fields")
    for override in overrides:
        _apply(fields, override)
    recipe: Recipe = typed_options(Recipe, fields, where=f"{where}: ")
    return recipe


def _read_text(path: Path) -> str:
    if path.stat().st_size > _MAX_RECIPE_BYTES:
        raise RecipeError(f"{path.stat().st_size} bytes", where=str(path), expected=f"at most {_MAX_RECIPE_BYTES}")
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise RecipeError("is not UTF-8 text", where=str(path), expected="a YAML file") from None


def _parse_yaml(text: str, *, where: str) -> Any:
    import yaml

    # Aliases let a page of text grow to gigabytes; a recipe has no use for them.
    if re.search(r"(?m)(?:^|[\s\[{,:-])[&*][A-Za-z0-9_]", text):
        raise RecipeError("YAML anchors and aliases are not read", where=where, remedy="Write the value out.")
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise RecipeError("is not YAML: " + " ".join(str(error).split()), where=where) from None


def _apply(fields: dict[str, Any], override: str) -> None:
    path, equals, value = override.partition("=")
    if not equals or not path.strip():
        raise RecipeError(
            f"--set {override!r}", expected="path.to.field=value", remedy="Example: --set method.options.steps=500"
        )
    *parents, last = path.strip().split(".")
    for parent in parents:
        fields = fields.setdefault(parent, {})
        if not isinstance(fields, dict):
            raise RecipeError(f"--set {path}: {parent!r} is a value, not a group of fields")
    fields[last] = _parse_yaml(value, where=f"--set {path}")
