"""Names to classes: lazily, from a table and from plugins, with options that are checked."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec
import pytest

from gendata.errors import RecipeError, UnknownNameError
from gendata.registry import GENERATORS, LATENTS, LOSSES, METHODS, SOURCES, Registry, typed_options


class Inner(msgspec.Struct, forbid_unknown_fields=True):
    width: int = 1


class Outer(msgspec.Struct, forbid_unknown_fields=True):
    rows: list[Inner] = []
    by_name: dict[str, int] = {}


@pytest.fixture
def things(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """A registry of a package with one sound thing and one whose import fails."""
    package = tmp_path / "registered_things"
    package.mkdir()
    (package / "__init__.py").write_text(
        'TABLE = {"ball": "registered_things.ball:Ball", "bomb": "registered_things.bomb:Bomb"}\n'
    )
    (package / "ball.py").write_text(
        "import msgspec\n\n\nclass Ball:\n    class Config(msgspec.Struct, forbid_unknown_fields=True):\n"
        "        radius: float = 1.0\n"
    )
    (package / "bomb.py").write_text("raise RuntimeError('boom')\n")
    plugin = tmp_path / "a_plugin-1.0.dist-info"
    plugin.mkdir()
    (plugin / "METADATA").write_text("Metadata-Version: 2.1\nName: a-plugin\nVersion: 1.0\n")
    (plugin / "entry_points.txt").write_text("[registered_things]\nkite = a_plugin:Kite\nball = a_plugin:StolenBall\n")
    (tmp_path / "a_plugin.py").write_text("class Kite: ...\n\n\nclass StolenBall: ...\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield Registry("thing", "registered_things")
    for name in [name for name in sys.modules if name.split(".")[0] in ("registered_things", "a_plugin")]:
        del sys.modules[name]


def test_names_are_listed_without_importing_what_they_name(things: Registry) -> None:
    assert things.names() == ["ball", "bomb", "kite"]
    assert "registered_things.bomb" not in sys.modules


def test_a_plugin_adds_a_name_but_cannot_replace_ours(things: Registry) -> None:
    assert things.load("kite").__name__ == "Kite"
    assert things.load("ball").__name__ == "Ball"


def test_a_name_is_looked_up_and_never_imported(things: Registry) -> None:
    with pytest.raises(UnknownNameError, match="no thing is called 'os:system'"):
        things.load("os:system")


def test_a_misspelt_name_suggests_the_right_one(things: Registry) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'ball'"):
        things.load("bal")


def test_options_are_completed_and_converted(things: Registry) -> None:
    config = things.config("ball", {"radius": 2}, where="r.yaml: thing")
    assert config.radius == 2.0
    assert isinstance(config.radius, float)


def test_a_wrong_option_is_named_with_its_path_and_value(things: Registry) -> None:
    with pytest.raises(RecipeError) as caught:
        things.config("ball", {"radius": "wide"}, where="r.yaml: thing")
    assert str(caught.value) == "r.yaml: thing.options.radius: expected `float`, got `str`: 'wide'."


@pytest.mark.parametrize(
    ("text", "written"), [("3e-4", "3.0e-4"), ("1e5", "1.0e+5"), ("1.5E3", "1.5e+3"), ("-2e-10", "-2.0e-10")]
)
def test_a_number_that_yaml_reads_as_text_comes_with_its_right_spelling(
    things: Registry, text: str, written: str
) -> None:
    with pytest.raises(RecipeError) as caught:
        things.config("ball", {"radius": text}, where="r.yaml: thing")
    assert caught.value.remedy == f"In YAML write {written}."


def test_an_unknown_option_lists_the_known_ones(things: Registry) -> None:
    with pytest.raises(RecipeError) as caught:
        things.config("ball", {"radios": 1.0}, where="r.yaml: thing")
    assert caught.value.where == "r.yaml: thing.options"
    assert caught.value.remedy == "Did you mean 'radius'? Known here: radius."


def test_a_fault_deep_inside_is_found_by_its_path() -> None:
    with pytest.raises(RecipeError, match=r"^x: rows\[1\]\.width: expected `int`, got `str`: '2'\.$"):
        typed_options(Outer, {"rows": [{}, {"width": "2"}]}, where="x")
    with pytest.raises(RecipeError, match="Known here: width"):
        typed_options(Outer, {"rows": [{"wdth": 2}]}, where="x")
    with pytest.raises(RecipeError, match=r"by_name\[\.\.\.\]: expected `int`, got `str`"):
        typed_options(Outer, {"by_name": {"a": "2"}}, where="x")


@pytest.mark.parametrize("registry", [GENERATORS, LATENTS, LOSSES, METHODS, SOURCES], ids=lambda r: r.package)
def test_every_name_in_our_tables_leads_to_a_class_whose_options_are_strict(registry: Registry) -> None:
    for name in registry.names():
        config = registry.load(name).Config
        assert issubclass(config, msgspec.Struct)
        assert config.__struct_config__.frozen, name
        assert config.__struct_config__.forbid_unknown_fields, name
