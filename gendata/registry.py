"""Names to classes, lazily.

Each folder of registered things (`gendata.generators`, `gendata.methods`, ...) holds a `TABLE` from name to
"module:Class" in its `__init__`; an installed package adds its own through the entry point group of the same name
("gendata.generators"). A name is data from a recipe or a manifest: it selects from the table and is never imported.
"""

from __future__ import annotations

import importlib
from functools import cache
from importlib.metadata import entry_points
from typing import Any

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
        what, _, field = str(error).partition(" - at `$")
        path = where + field.rstrip("`")
        hint = "In YAML write 3.0e-4, not 3e-4 (which is text)." if "got `str`" in what else None
        known = ", ".join(field.name for field in msgspec.structs.fields(config))
        if "unknown field" in what:
            hint = f"Known options: {known}."
        raise RecipeError(what[:1].lower() + what[1:], where=path, remedy=hint) from None


@cache
def _targets(package: str) -> dict[str, str]:
    targets = dict(importlib.import_module(package).TABLE)
    for point in entry_points(group=package):
        targets.setdefault(point.name, point.value)  # a plugin adds names; it cannot replace ours
    return targets


GENERATORS = Registry("generator", "gendata.generators")
LATENTS = Registry("latent law", "gendata.latents")
METHODS = Registry("method", "gendata.methods")
SOURCES = Registry("source", "gendata.sources")
