"""Recipes as typed data: what is read, what is refused and how, what the digest counts."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from gendata.errors import RecipeError, UnknownNameError
from gendata.recipe import Recipe, Reference, list_recipes, load_recipe, override_recipe, parse_recipe

TEXT = """\
summary: A small one
source: {name: digits}
generator: {name: pixel-bank, options: {slots: 2}}
latent: {name: slot, options: {slots: 2}}
method: {name: random-real}
artifact: {ipc: 2}
"""


def read(extra: str = "", *overrides: str) -> Recipe:
    return parse_recipe(TEXT + extra, where="r.yaml", overrides=overrides)


def fault(extra: str = "", *overrides: str) -> str:
    with pytest.raises(RecipeError) as caught:
        read(extra, *overrides)
    return str(caught.value)


def test_a_recipe_is_read_with_its_defaults() -> None:
    recipe = read()
    assert recipe.artifact.ipc == 2
    assert recipe.evaluation.protocol == "quick/v1"
    assert recipe.reference == ()


def test_an_unknown_field_is_refused_with_the_nearest_known_one() -> None:
    assert fault("metod: 1\n").startswith("r.yaml: object contains unknown field `metod`.\n    Did you mean 'method'?")


def test_an_unknown_field_of_a_group_is_refused_with_the_fields_of_that_group() -> None:
    text = fault("", "artifact.ip=3")
    assert text.startswith("r.yaml: artifact: object contains unknown field `ip`.\n    Did you mean 'ipc'?")
    assert "frozen_seed" in text
    assert "summary" not in text


def test_a_missing_field_is_named() -> None:
    with pytest.raises(RecipeError, match="missing required field `source`"):
        parse_recipe("summary: nothing else", where="r.yaml")


def test_a_number_in_exponent_form_without_a_dot_is_text_and_the_message_says_so() -> None:
    row = "{row: artifact, mode: frozen, protocol: quick/v1, mean: 9e-1, std: 0.0, n: 3}"
    text = fault(f"reference: [{row}]\n")
    assert text == "r.yaml: reference[0].mean: expected `float`, got `str`: '9e-1'.\n    In YAML write 9.0e-1."
    assert fault("seed: 1e3\n").endswith("Write 1000.")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("artifact.ipc=0", "artifact: ipc must be 1 to 1000000, got 0"),
        ("artifact.ipc=1000001", "artifact: ipc must be 1 to 1000000, got 1000001"),
        ("artifact.storage=f64", "storage must be one of f32, f16, bf16, int8, int6, int4, got 'f64'"),
        ("artifact.latent_storage=''", "latent_storage must be one of f32, f16, bf16, int8, int6, int4, got ''"),
        ("artifact.latent_storage=int5", "latent_storage must be one of f32, f16, bf16, int8, int6, int4, got 'int5'"),
        ("artifact.micro_batch=0", "micro_batch must be 1 to 4096, got 0"),
        ("artifact.frozen_seed=-1", "frozen_seed must be 0 to 2"),
        ("evaluation.runs=0", "runs must be at least 1, got 0"),
        ("seed=-1", "seed must be 0 to 2"),
        ("seed=9223372036854775808", "is too large; expected an integer of 64 bits"),
        ("revision=0", "revision must be at least 1, got 0"),
    ],
)
def test_a_value_out_of_range_is_refused_with_its_value(override: str, message: str) -> None:
    assert message in fault("", override)


# --- overrides ---


def test_overrides_reach_any_depth_and_make_the_groups_on_the_way() -> None:
    recipe = read("", "method.options.tries=5", "artifact.ipc=7", "seed=3")
    assert recipe.method.options == {"tries": 5}
    assert (recipe.artifact.ipc, recipe.seed) == (7, 3)


def test_a_later_override_wins() -> None:
    assert read("", "seed=1", "seed=2").seed == 2


def test_an_override_is_yaml_so_lists_numbers_and_text_keep_their_kind() -> None:
    options = read("", "source.options.a=[1, 2]", "source.options.b=x=y", "source.options.c=true").source.options
    assert options == {"a": [1, 2], "b": "x=y", "c": True}


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("seed", "expected path.to.field=value"),
        ("=3", "expected path.to.field=value"),
        ("artifact..ipc=3", "expected names between the dots"),
        ("summary.deep.er=3", "--set summary.deep.er: 'summary' is a value, not a group of fields"),
        ("artifact.ipc=[1", "--set artifact.ipc: is not YAML"),
        ("artifact.ipc=&x 1", "anchors and aliases are not read"),
    ],
)
def test_an_override_that_cannot_be_applied_says_why(override: str, message: str) -> None:
    assert message in fault("", override)


def test_an_entry_of_a_list_of_named_groups_is_reached_by_its_name() -> None:
    terms = "method.options.terms=[{name: a, weight: 1.0}, {name: b, weight: 2.0}]"
    options = read("", terms, "method.options.terms.b.options.ratio=0.5", "method.options.terms.a.weight=0.0").method
    assert options.options["terms"] == [
        {"name": "a", "weight": 0.0},
        {"name": "b", "weight": 2.0, "options": {"ratio": 0.5}},
    ]
    changed = override_recipe(read("", terms), ("method.options.terms.a.weight=3.0",))
    assert changed.method.options["terms"][0]["weight"] == 3.0


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("terms.c.weight", "no entries of the list are called 'c'; expected one; it holds a, a, b."),
        ("terms.a.weight", "2 entries of the list are called 'a'"),
        ("terms.b", "'b' is an entry of a list; expected one of its fields: name, weight"),
    ],
)
def test_an_entry_that_no_name_tells_apart_is_refused(path: str, message: str) -> None:
    terms = "method.options.terms=[{name: a}, {name: a}, {name: b, weight: 2.0}]"
    assert message in fault("", terms, f"method.options.{path}=1")


# --- what YAML offers and a recipe does not ---


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ("seed: &a 1\nrevision: *a\n", "r.yaml: line 7: YAML anchors and aliases are not read"),
        ("seed: !!int '1'\n", "YAML tags are not read"),
        ("seed: !!python/object/apply:os.getcwd []\n", "YAML tags are not read"),
        ("seed: 1\nseed: 2\n", "r.yaml: line 8: 'seed' is written twice"),
        ("seed: .nan\n", "seed: is nan; expected a finite number"),
        ("seed: -.inf\n", "seed: is -inf; expected a finite number"),
        ("seed: 2026-01-01\n", "seed: is a date"),
        ("seed: 2026-13-01\n", "holds a value that YAML cannot read"),
        ("seed: " + "9" * 5000 + "\n", "holds a value that YAML cannot read"),
        ("1: 2\n", "the key 1 is a int; expected text"),
        ("seed: " + "[" * 5000 + "\n", "nest"),
        ("seed: \ufeff1\n", "a byte order mark within"),
        ("seed: [\n", "is not YAML"),
        ("---\nsummary: a second document\n", "is not YAML"),
    ],
    ids=lambda value: value[:20].split("\n")[0],
)
def test_what_a_recipe_has_no_use_for_is_refused(extra: str, message: str) -> None:
    assert message in fault(extra)


def test_ampersands_and_stars_in_text_are_just_text() -> None:
    recipe = parse_recipe(TEXT.replace("A small one", "'this &that, *those* & more: *all'"), where="r.yaml")
    assert recipe.summary == "this &that, *those* & more: *all"


@pytest.mark.parametrize("text", ["", "[]", "3", "just text", "# nothing"])
def test_a_file_that_is_no_mapping_is_refused(text: str) -> None:
    with pytest.raises(RecipeError, match="expected a mapping of fields"):
        parse_recipe(text, where="r.yaml")


# --- files and names ---


def test_a_file_above_64_kib_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "large.yaml"
    path.write_text(TEXT + "#" * (64 * 1024 - len(TEXT)))
    assert load_recipe(path).artifact.ipc == 2
    path.write_text(TEXT + "#" * (64 * 1024 - len(TEXT) + 1))
    with pytest.raises(RecipeError, match="65537 bytes; expected at most 65536"):
        load_recipe(path)


def test_bytes_that_are_not_utf_8_are_refused(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_bytes(b"summary: \xff\xfe")
    with pytest.raises(RecipeError, match="is not UTF-8 text"):
        load_recipe(tmp_path / "x.yaml")


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"absent\.yaml: no such file"):
        load_recipe(tmp_path / "absent.yaml")


def test_an_unknown_name_suggests_the_nearest_shipped_recipe() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'digits/random-real'"):
        load_recipe("digits/random-rael")


def test_a_name_never_walks_out_of_the_shipped_folder() -> None:
    with pytest.raises(UnknownNameError):
        load_recipe("../recipes/digits/random-real")


def test_shipped_names_are_sorted_and_have_a_source_and_a_method() -> None:
    names = list_recipes()
    assert "digits/random-real" in names
    assert names == sorted(names)
    assert all(name.count("/") == 1 for name in names)


# --- resolving and the digest ---


def test_resolving_writes_every_default_out() -> None:
    resolved = read().resolved()
    assert set(read().source.options) <= set(resolved.source.options)
    assert resolved.resolved() == resolved


def test_all_faults_of_a_recipe_are_reported_together() -> None:
    recipe = read("", "method.name=randm-real", "latent.name=slott", "source.options.no_such=1")
    with pytest.raises(RecipeError, match="3 faults") as caught:
        recipe.resolved(where="r.yaml")
    for part in ("r.yaml: method: no method is called", "'random-real'", "latent law", "r.yaml: source.options"):
        assert part in str(caught.value)


def test_a_single_fault_is_raised_as_it_is() -> None:
    with pytest.raises(UnknownNameError, match=r"r\.yaml: method: no method is called 'x'"):
        read("", "method.name=x").resolved(where="r.yaml")


def test_summary_evaluation_and_reference_do_not_count_in_the_digest() -> None:
    told = Reference(row="artifact", mode="frozen", protocol="quick/v1", mean=0.9, std=0.01, n=3)
    other = msgspec.structs.replace(read("", "evaluation.runs=9"), summary="Other words", reference=(told,))
    assert other.digest() == read().digest()


@pytest.mark.parametrize("override", ["seed=1", "artifact.ipc=3", "method.options.x=1", "revision=2"])
def test_what_decides_the_result_counts_in_the_digest(override: str) -> None:
    assert read("", override).digest() != read().digest()


def test_the_digest_does_not_depend_on_the_order_or_spelling_of_the_file() -> None:
    shuffled = "\n".join(reversed(TEXT.strip().splitlines()))
    assert parse_recipe(shuffled, where="r.yaml").digest() == read().digest()
    assert read("", "method.options.a=1", "method.options.b=2").digest() == (
        read("", "method.options.b=2", "method.options.a=1").digest()
    )


def test_an_option_younger_than_an_artifact_leaves_it_of_the_same_recipe() -> None:
    recipe = load_recipe("digits/generative-16kb").resolved()
    recorded = msgspec.to_builtins(recipe)
    assert recorded["method"]["options"].pop("frozen_steps") == 0

    assert recipe.made(recorded, "digest of before")
    assert not recipe.made(None, "digest of before")
    assert not recipe.made({"recipe": "none"}, "digest of before")
    recorded["method"]["options"]["steps"] += 1
    assert not recipe.made(recorded, "digest of before")
