"""Names to classes, lazily.

Each folder of registered things (`gendata.generators`, `gendata.methods`, ...) holds a `TABLE` from name to
"module:Class" in its `__init__`; an installed package adds its own through the entry point group of the same name
("gendata.generators"). A name is data from a recipe or a manifest: it selects from the table and is never imported.
"""

from __future__ import annotations

import difflib
import importlib
import re
from functools import cache
from importlib.metadata import entry_points
from typing import Any, get_args

import msgspec

from gendata.errors import RecipeError, unknown_name


class Registry:
    """The registered things of one kind.

    Every registered class has a `Config`: a frozen `msgspec.Struct` of its options that refuses unknown keys.
    """

    def __init__(self, kind: str, package: str) -> None:
        self.kind = kind  # as users read it in messages: "generator"
        self.package = package  # folder with TABLE, and the entry point group

    def names(self) -> list[str]:
        """All known names, sorted; imports none of them."""
        return sorted(_targets(self.package))

    def load(self, name: str, *, where: str | None = None) -> Any:
        """The class registered under `name`.

        Raises:
            UnknownNameError: with the nearest names.
        """
        # Ours first: reading the entry points of all installed packages takes longer than opening an artifact.
        targets = importlib.import_module(self.package).TABLE
        if name not in targets:
            targets = _targets(self.package)
        if name not in targets:
            raise unknown_name(self.kind, name, targets, where=where)
        module, _, attribute = targets[name].partition(":")
        return getattr(importlib.import_module(module), attribute)

    def config(self, name: str, options: dict[str, Any], *, where: str) -> Any:
        """Options of `name`, checked and completed with defaults.

        Raises:
            RecipeError: an option is unknown or has a wrong type or value; names the field.
        """
        return typed_options(self.load(name, where=where).Config, options, where=f"{where}.options")


def typed_options(config: type[Any], options: dict[str, Any], *, where: str) -> Any:
    """`options` as a `config` struct; errors carry the path of the field."""
    try:
        return msgspec.convert(options, config, strict=True)
    except msgspec.ValidationError as error:
        what, _, at = str(error).partition(" - at `$")
        steps = _STEP.findall(at)
        raise RecipeError(
            what[:1].lower() + what[1:] + _shown(options, steps, what),
            where=_joined(where, at.rstrip("`").lstrip(".")),
            remedy=_remedy(config, options, steps, what),
        ) from None


_STEP = re.compile(r"\.(\w+)|\[(\d+)\]")  # of a msgspec path: ".reference[0].mean"
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)[eE][+-]?\d+")  # what YAML 1.1 reads as text unless dot and sign are there


def _joined(where: str, field: str) -> str:
    if not field:
        return where
    return f"{where}.{field}" if where.endswith(".options") else f"{where}: {field}"


def _value_at(options: Any, steps: list[tuple[str, str]]) -> Any:
    for name, index in steps:
        options = options[name] if name else options[int(index)]
    return options


def _shown(options: Any, steps: list[tuple[str, str]], what: str) -> str:
    if not what.startswith("Expected") or "..." in what:
        return ""
    try:
        value = _value_at(options, steps)
    except (KeyError, IndexError, TypeError):  # "[...]" of a mapping's values leads nowhere
        return ""
    return f": {value!r}" if isinstance(value, str | int | float) else ""


def _remedy(config: type[Any], options: Any, steps: list[tuple[str, str]], what: str) -> str | None:
    unknown = re.search(r"unknown field `(.+)`", what)
    if unknown:
        known = _fields_at(config, steps)
        near = difflib.get_close_matches(unknown[1], known, n=1, cutoff=0.5)
        return (f"Did you mean {near[0]!r}? " if near else "") + f"Known here: {', '.join(known) or 'no option'}."
    written = re.search(r": '(.+)'$", _shown(options, steps, what))
    if written and _NUMBER.fullmatch(written[1]):
        number = float(written[1])
        if "`int`" in what:
            return f"Write {int(number)}." if number.is_integer() else None
        return f"In YAML write {_yaml_float(number)}."
    return None


def _yaml_float(number: float) -> str:
    mantissa, exponent = f"{number:e}".split("e")
    mantissa = mantissa.rstrip("0")
    return f"{mantissa}{'0' if mantissa.endswith('.') else ''}e{int(exponent):+d}"


def _fields_at(config: Any, steps: list[tuple[str, str]]) -> list[str]:
    for name, _ in steps:
        if name:
            config = next(field.type for field in msgspec.structs.fields(config) if field.encode_name == name)
            config = next((part for part in get_args(config) if _is_struct(part)), config)
        if not _is_struct(config):
            return []
    return [field.encode_name for field in msgspec.structs.fields(config)]


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


@cache
def _targets(package: str) -> dict[str, str]:
    targets = dict(importlib.import_module(package).TABLE)
    for point in entry_points(group=package):
        targets.setdefault(point.name, point.value)  # a plugin adds names; it cannot replace ours
    return targets


GENERATORS = Registry("generator", "gendata.generators")
LATENTS = Registry("latent law", "gendata.latents")
LOSSES = Registry("loss", "gendata.losses")
METHODS = Registry("method", "gendata.methods")
SOURCES = Registry("source", "gendata.sources")
EXPORTERS = Registry("export format", "gendata.exporters")
