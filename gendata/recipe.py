"""Recipes: the declared settings of one condensation. Data only, typed, never code.

A recipe names a source, a generator, a latent law and a method from the registries, with their options. It is read
from YAML (the shipped `recipes/`, or any file), changed by `--set path=value`, and kept *resolved* (every default
written out) in the artifact's manifest.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from gendata._resources import shipped
from gendata.errors import GendataError, RecipeError, unknown_name
from gendata.registry import GENERATORS, LATENTS, METHODS, SOURCES, typed_options

_MAX_RECIPE_BYTES = 64 * 1024  # a recipe is a page of text; a larger file is something else
_MAX_DEPTH = 16  # of nested groups; a parser that recurses is never given more
_MAX_SEED = 2**63 - 1
STORAGES = ("f32", "f16", "bf16", "int8", "int6", "int4")  # that an artifact's floats may take
SWEEPS = "sweeps/"  # of the shipped names: files that vary recipes, see `gendata.sweeping`


class Choice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A registered name and its options."""

    name: str
    options: dict[str, Any] = {}


MAX_IPC = 10**6


class ArtifactPlan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the artifact will declare."""

    ipc: int  # images per class of the frozen set
    storage: str = "int8"  # of weights with two or more dimensions: f32, f16, bf16, int8, int6, int4
    latent_storage: str | None = None  # of the latent law's: many codes bear fewer bits than a decoder; null: `storage`
    frozen_seed: int = 0  # draws the frozen set
    micro_batch: int = 32  # images per generator call, always padded to this: keeps samples bit-equal

    def __post_init__(self) -> None:
        if not 1 <= self.ipc <= MAX_IPC:
            raise ValueError(f"ipc must be 1 to {MAX_IPC}, got {self.ipc}")
        if not 1 <= self.micro_batch <= 4096:
            raise ValueError(f"micro_batch must be 1 to 4096, got {self.micro_batch}")
        if not 0 <= self.frozen_seed <= _MAX_SEED:
            raise ValueError(f"frozen_seed must be 0 to 2**63 - 1, got {self.frozen_seed}")
        for name in ("storage", "latent_storage"):
            value = getattr(self, name)
            if value not in STORAGES and (name, value) != ("latent_storage", None):
                raise ValueError(f"{name} must be one of {', '.join(STORAGES)}, got {value!r}")


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
    precision: Literal["f32", "bf16"] = "f32"  # of the condensation's arithmetic; weights are kept in f32
    reference: tuple[Reference, ...] = ()  # empty: not measured

    def __post_init__(self) -> None:
        if not 0 <= self.seed <= _MAX_SEED:
            raise ValueError(f"seed must be 0 to 2**63 - 1, got {self.seed}")
        if self.revision < 1:
            raise ValueError(f"revision must be at least 1, got {self.revision}")

    @property
    def measured(self) -> tuple[Reference, ...]:
        """The reference rows of what the recipe makes, without the baselines beside it."""
        return tuple(row for row in self.reference if row.row == "artifact")

    def resolved(self, *, where: str = "recipe") -> Recipe:
        """The same recipe with every option's default written out.

        Raises:
            UnknownNameError, RecipeError: a name or an option is not acceptable; imports what the names select. All
                faults are reported together.
        """
        parts = {"source": SOURCES, "generator": GENERATORS, "latent": LATENTS, "method": METHODS}
        completed: dict[str, Choice] = {}
        faults: list[GendataError] = []
        for field, registry in parts.items():
            choice: Choice = getattr(self, field)
            try:
                config = registry.config(choice.name, choice.options, where=f"{where}: {field}")
            except GendataError as fault:
                faults.append(fault)
            else:
                completed[field] = Choice(name=choice.name, options=msgspec.to_builtins(config))
        if len(faults) == 1:
            raise faults[0]
        if faults:
            listed = "\n".join(map(str, faults)).replace("\n", "\n    ")
            raise RecipeError(f"{len(faults)} faults", where=where, remedy=listed)
        return msgspec.structs.replace(self, **completed)

    def portable(self) -> Recipe:
        """The recipe without what holds on one machine only: the path of a local source."""
        options = {key: value for key, value in self.source.options.items() if key != "path"}
        return msgspec.structs.replace(self, source=Choice(name=self.source.name, options=options))

    def digest(self) -> str:
        """sha256 of what decides the result; summary, evaluation, reference and a local path do not count."""
        fields = msgspec.to_builtins(self.portable())
        for told_not_done in ("summary", "evaluation", "reference"):
            del fields[told_not_done]
        return hashlib.sha256(msgspec.json.encode(fields, order="sorted")).hexdigest()

    def made(self, recorded: Mapping[str, Any] | None, digest: str | None) -> bool:
        """Whether an artifact that records this recipe, resolved, and this digest is of the same recipe as this one.

        Options younger than the artifact count as its recipe's, at their defaults: a new option's default does what was
        done before there was one, and whatever else changes what a recipe makes raises its revision.
        """
        own = self.digest()
        if own == digest or not recorded:
            return own == digest
        try:
            completed: Recipe = typed_options(Recipe, dict(recorded), where="config.json: recipe")
            return completed.resolved().digest() == own
        except GendataError:
            return False


def list_recipes() -> list[str]:
    """Names of the shipped recipes, sorted: "<source>/<method>-<budget>"; files in sweeps/ are none."""
    root = shipped("recipes")
    names = (path.relative_to(root).with_suffix("").as_posix() for path in root.rglob("*.yaml"))
    return sorted(name for name in names if not name.startswith(SWEEPS))


def recipe_path(name_or_file: str | Path) -> Path:
    """The file of a shipped recipe's name, or the path itself when it names a YAML file.

    Raises:
        UnknownNameError: no such name; suggests the nearest.
        RecipeError: the file does not exist.
    """
    path = Path(name_or_file)
    if path.suffix in (".yaml", ".yml"):
        if not os.path.isfile(path):  # also of a name that is too long for any
            raise RecipeError("no such file", where=str(path), remedy="List the shipped ones: gendata recipe list")
        return path
    name = str(name_or_file)
    if name not in list_recipes():
        if name.startswith(SWEEPS):
            raise RecipeError("is a sweep, not a recipe", where=name, remedy=f"gendata recipe sweep {name} --out DIR")
        raise unknown_name("recipe", name, list_recipes())
    return shipped("recipes") / f"{name_or_file}.yaml"


def load_recipe(name_or_file: str | Path, *, overrides: tuple[str, ...] = ()) -> Recipe:
    """Reads a recipe; `overrides` are "path.to.field=value" with the value in YAML.

    Raises:
        RecipeError: not YAML, an unknown key, a wrong type; the message names file and field.
        UnknownNameError: no shipped recipe of that name.
    """
    path = recipe_path(name_or_file)
    return parse_recipe(_read_text(path), where=str(path), overrides=overrides)


def read_fields(path: Path) -> dict[str, Any]:
    """The group of fields that a YAML file of plain values holds, read as strictly as a recipe.

    Raises:
        RecipeError: it cannot be read, or holds something else.
    """
    return _fields(_read_text(path), where=str(path))


def parse_recipe(text: str, *, where: str, overrides: tuple[str, ...] = ()) -> Recipe:
    """The recipe written in `text` (YAML)."""
    fields = _fields(text, where=where)
    for override in overrides:
        _apply(fields, override)
    recipe: Recipe = typed_options(Recipe, fields, where=where)
    return recipe


def override_recipe(recipe: Recipe, overrides: tuple[str, ...]) -> Recipe:
    """`recipe` with "path.to.field=value" applied, the value in YAML.

    Raises:
        RecipeError: an override is not acceptable; the message names the field.
    """
    fields = msgspec.to_builtins(recipe)
    for override in overrides:
        _apply(fields, override)
    changed: Recipe = typed_options(Recipe, fields, where="--set")
    return changed


def override_choice(choice: Choice, overrides: tuple[str, ...], *, field: str) -> Choice:
    """`choice`, which is the recipe's `field`, with those of `overrides` applied that reach into that field.

    Raises:
        RecipeError: an override is not acceptable.
    """
    fields = {field: msgspec.to_builtins(choice)}
    for override in overrides:
        if override.partition("=")[0].strip().partition(".")[0] == field:
            _apply(fields, override)
    changed: Choice = typed_options(Choice, fields[field], where=f"--set {field}")
    return changed


def _fields(text: str, *, where: str) -> dict[str, Any]:
    fields = _parse_yaml(text, where=where)
    if not isinstance(fields, dict):
        raise RecipeError(f"holds {type(fields).__name__}", where=where, expected="a mapping of fields")
    return fields


def _read_text(path: Path) -> str:
    try:
        raw = path.read_bytes() if path.stat().st_size <= _MAX_RECIPE_BYTES else None
    except OSError as error:
        raise RecipeError(f"cannot be read: {error.strerror}", where=str(path), expected="a YAML file") from None
    if raw is None:
        raise RecipeError(f"{path.stat().st_size} bytes", where=str(path), expected=f"at most {_MAX_RECIPE_BYTES}")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise RecipeError("is not UTF-8 text", where=str(path), expected="a YAML file") from None


def _parse_yaml(text: str, *, where: str) -> Any:
    """Plain values, lists and mappings of one YAML document; whatever else YAML offers is refused."""
    import yaml

    if "\ufeff" in text[1:]:  # of which libyaml and the parser in Python make different texts
        raise RecipeError("a byte order mark within", where=where, expected="none, or one at the beginning")
    try:
        _check_events(text, where=where)
        _check_keys(yaml.compose(text, Loader=_loader()), where=where)
        value = yaml.load(text, Loader=_loader())
    except RecipeError:
        raise
    except yaml.YAMLError as error:
        raise RecipeError("is not YAML: " + " ".join(str(error).split()), where=where) from None
    except ValueError as error:  # a date that no calendar has, a number of thousands of digits
        raise RecipeError(f"holds a value that YAML cannot read: {error}", where=where) from None
    _check_values(value, where=where)
    return value


def _loader() -> Any:
    """YAML's safe one, of libyaml where there is that: fifteen times as fast, and every card reads all recipes."""
    import yaml

    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _check_events(text: str, *, where: str) -> None:
    # The event parser neither recurses nor expands, so this is safe on any text.
    import yaml

    depth = 0
    for event in yaml.parse(text, Loader=_loader()):
        line = f"{where}: line {event.start_mark.line + 1}" if event.start_mark else where
        # Aliases let a page of text grow to gigabytes; a recipe has no use for them.
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise RecipeError("YAML anchors and aliases are not read", where=line, remedy="Write the value out.")
        if tag := getattr(event, "tag", None):
            raise RecipeError(f"YAML tags are not read, got {tag!r}", where=line, remedy="Write the plain value.")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _MAX_DEPTH:
            raise RecipeError("is nested too deeply", where=line, expected=f"at most {_MAX_DEPTH} levels")


def _check_keys(node: Any, *, where: str) -> None:
    import yaml

    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                line = f"{where}: line {key.start_mark.line + 1}"
                raise RecipeError(f"{key.value!r} is written twice", where=line, remedy="Keep one of them.")
            seen.add(str(key.value))
        children: Iterator[Any] = (child for pair in node.value for child in pair)
    else:
        children = iter(node.value if isinstance(node, yaml.SequenceNode) else ())
    for child in children:
        _check_keys(child, where=where)


def _check_values(value: Any, *, where: str) -> None:
    if isinstance(value, dict):
        for key, child in value.items():
            if not isinstance(key, str):
                raise RecipeError(f"the key {key!r} is a {type(key).__name__}", where=where, expected="text")
            _check_values(child, where=f"{where}: {key}" if ": " not in where else f"{where}.{key}")
    elif isinstance(value, list):
        for child in value:
            _check_values(child, where=where)
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise RecipeError(f"is {value}", where=where, expected="a finite number")
    elif isinstance(value, int):
        if not -(2**63) <= value < 2**63:
            raise RecipeError("is too large", where=where, expected="an integer of 64 bits")
    elif value is not None and not isinstance(value, str):
        kind = type(value).__name__
        raise RecipeError(f"is a {kind}", where=where, expected="text, a number, a list or a group", remedy="Quote it.")


def _apply(fields: dict[str, Any], override: str) -> None:
    path, equals, value = override.partition("=")
    if not equals or not path.strip():
        raise RecipeError(
            f"--set {override!r}", expected="path.to.field=value", remedy="Example: --set method.options.steps=500"
        )
    *parents, last = steps = path.strip().split(".")
    if not all(steps):
        raise RecipeError(f"--set {override!r}", expected="names between the dots")
    group: Any = fields
    for parent in parents:
        group = _entry(group, parent, path) if isinstance(group, list) else group.setdefault(parent, {})
        if not isinstance(group, dict | list):
            raise RecipeError(f"{parent!r} is a value, not a group of fields", where=f"--set {path}")
    if isinstance(group, list):
        entry = _entry(group, last, path)
        raise RecipeError(
            f"{last!r} is an entry of a list", where=f"--set {path}", expected=f"one of its fields: {', '.join(entry)}"
        )
    group[last] = _parse_yaml(value, where=f"--set {path}")


def _entry(groups: list[Any], name: str, path: str) -> dict[str, Any]:
    """The one entry of a list of groups that has this `name`."""
    named = [group for group in groups if isinstance(group, dict) and group.get("name") == name]
    if len(named) != 1:
        known = ", ".join(str(group.get("name")) for group in groups if isinstance(group, dict)) or "nothing by name"
        raise RecipeError(
            f"{len(named) or 'no'} entries of the list are called {name!r}",
            where=f"--set {path}",
            expected=f"one; it holds {known}",
            remedy="Write the list whole.",
        )
    return named[0]
