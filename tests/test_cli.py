"""The command line: what it prints where, and how it fails."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from msgspec import structs

import gendata
from gendata.artifact.layout import EVALUATIONS
from gendata.cli import app
from gendata.cli.printing import clean, measured_text, parse_bytes, print_evaluations, print_report
from gendata.evaluation.report import Report, Row
from gendata.fetch import open_named
from gendata.recipe import Reference, list_recipes, load_recipe

Command = Callable[..., Any]


ROW = Row(
    name="artifact", mode="frozen(30)", mean=0.913, std=0.004, n=3, bytes=6480, images_seen=300, distinct_images=30,
    steps=10, passes=10, network="mlp", protocol="quick/v1", seeds=(0, 1, 2), last=(0.9, 0.9, 0.9),
)  # fmt: skip
REPORT = Report(
    protocol="quick/v1", networks=("mlp",), ipc=1, artifact_id=None, source="digits", fingerprint="", seed=0,
    device="cpu", environment={}, rows=(ROW,), skipped={"equal-bytes-real": "no \x1b[31msheet"},
)  # fmt: skip


def paths(group: Any, prefix: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every command of the tree, groups included."""
    yield prefix
    for name, child in getattr(group, "commands", {}).items():
        yield from paths(child, (*prefix, name))


ALL = list(paths(typer.main.get_command(app)))


@pytest.mark.parametrize("path", ALL, ids=lambda path: " ".join(path) or "gendata")
def test_every_help_shows_two_examples_of_that_command(command: Command, path: tuple[str, ...]) -> None:
    shown = command(*path, "--help")
    assert shown.code == 0
    examples = [line.strip() for line in shown.out.partition("Examples:\n")[2].splitlines()[:2]]
    assert all(line.startswith(" ".join(("gendata", *path))) for line in examples), shown.out
    assert len(set(examples)) == 2


def test_the_commands_are_the_ones_that_the_documentation_names() -> None:
    assert {" ".join(path) for path in ALL} == {
        "", "recipe", "recipe list", "recipe show", "recipe copy", "recipe validate", "recipe run", "recipe sweep",
        "condense", "info", "verify", "annotate", "sample", "import", "export", "evaluate", "baseline", "protocol",
        "protocol list", "protocol show", "protocol diff", "teacher", "teacher train", "teacher info", "view", "push",
        "pull", "hub", "hub list", "cache", "cache list", "cache clear", "hub search", "env",
    }  # fmt: skip


def test_the_version_is_the_package_s(command: Command) -> None:
    assert command("--version").out == f"gendata {gendata.__version__}\n"


def test_a_protocol_is_listed_shown_and_compared_in_words(command: Command) -> None:
    listed = {each["name"]: each for each in json.loads(command("protocol", "list", "--json").out)["protocols"]}
    assert listed["dim-paper/v1"]["selects_on_test"]
    assert not listed["dsa/v1"]["selects_on_test"]
    assert "dc-bench-autoaug/v1" in listed["dc-bench/v1"]["members"]
    shown = command("protocol", "diff", "dsa/v1", "dim-paper/v1").out
    assert "learning rate over time\n  dsa/v1        one drop" in shown
    assert "12 settings differ" in shown
    assert "They do the same." in command("protocol", "diff", "dsa", "dsa/v1").out
    assert command("protocol", "show", "dc-bench").out.count("learning rate at the start") == 6


# --- errors ---


def test_our_errors_end_with_their_name_message_and_exit_code_2(command: Command) -> None:
    failed = command("recipe", "show", "digits/random-rael")
    assert failed.code == 2
    assert failed.out == ""
    assert failed.err.startswith("UnknownNameError: no recipe is called 'digits/random-rael'; expected one of ")
    assert failed.err.partition("\n")[2].startswith("    Did you mean 'digits/random-real'")


def test_a_wrong_option_is_a_usage_error_with_exit_code_2(command: Command) -> None:
    assert command("recipe", "run").code == 2
    assert command("evaluate", "x", "--runs", "0").code == 2


def test_any_other_error_keeps_its_traceback(tmp_path: Path) -> None:
    code = (
        "import gendata.cli as cli, gendata.cli.recipes as recipes\n"
        "def broken(): raise ZeroDivisionError('a fault of ours')\n"
        "recipes.list_recipes = broken\n"
        "cli.main(['recipe', 'list'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": str(Path(gendata.__file__).parents[1])},
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert done.stderr.rstrip().endswith("ZeroDivisionError: a fault of ours")


def test_what_a_stranger_wrote_cannot_steer_the_terminal(command: Command, tmp_path: Path) -> None:
    evil = tmp_path / "evil.yaml"
    evil.write_text('summary: "\\e[2J [red]x[/red] \\u202e"\nsource: {name: "\\e]0;owned\\a"}\n')
    shown = command("recipe", "validate", evil)
    assert shown.code == 2
    assert "\x1b" not in shown.out + shown.err
    assert clean("a\x1b[31m[red]\u202eb\n\x07") == "a[31m[red]b"


# --- recipes ---


def test_the_list_is_every_shipped_recipe_and_says_what_is_not_measured(command: Command) -> None:
    lines = command("recipe", "list").out.splitlines()
    assert lines[0].split() == ["recipe", "measured", "summary"]
    assert [line.split()[0] for line in lines[1:]] == list_recipes()
    assert {line.split()[0] for line in lines if "not measured" in line} == {
        name for name in list_recipes() if all(row.row != "artifact" for row in load_recipe(name).reference)
    }


def test_the_list_tells_what_the_recipe_makes_not_what_stands_beside_it() -> None:
    def reference(row: str, mode: str, mean: float, n: int) -> Reference:
        return Reference(row=row, mode=mode, protocol="dsa/v1", mean=mean, std=0.012, n=n)

    recipe = load_recipe("digits/random-real")
    rows = [reference("random-real", "real", 0.7522, 3), reference("artifact", "frozen(10)", 0.6593, 1)]
    assert measured_text(structs.replace(recipe, reference=rows[:1])) == "not measured"
    assert measured_text(structs.replace(recipe, reference=rows)) == "65.9 % (frozen(10), dsa/v1, n=1)"
    rows.append(reference("artifact", "fresh-matched", 0.8123, 3))
    assert measured_text(structs.replace(recipe, reference=rows)) == "81.2 ± 1.2 % (fresh-matched, dsa/v1, n=3)"


def test_the_list_as_json_is_one_object(command: Command) -> None:
    listed = json.loads(command("recipe", "list", "--json").out)["recipes"]
    assert [recipe["name"] for recipe in listed] == list_recipes()
    for recipe in listed:
        assert recipe["measured"] == any(row["row"] == "artifact" for row in recipe["reference"])


def test_show_prints_the_file_and_a_copy_of_it_is_valid(command: Command, tmp_path: Path) -> None:
    shown = command("recipe", "show", "digits/random-real").out
    copy = tmp_path / "mine.yaml"
    assert command("recipe", "copy", "digits/random-real", copy).code == 0
    assert copy.read_text() == shown
    assert command("recipe", "validate", copy).code == 0


def test_show_with_overrides_prints_the_changed_recipe_and_its_digest(command: Command, tmp_path: Path) -> None:
    changed = command("recipe", "show", "digits/random-real", "--set", "seed=7")
    (tmp_path / "changed.yaml").write_text(changed.out)
    by_file = json.loads(command("recipe", "show", tmp_path / "changed.yaml", "--json").out)
    by_set = json.loads(command("recipe", "show", "digits/random-real", "--set", "seed=7", "--json").out)
    assert by_file == by_set
    assert by_set["recipe"]["seed"] == 7
    assert by_set["digest"] != json.loads(command("recipe", "show", "digits/random-real", "--json").out)["digest"]


def test_copy_never_overwrites_and_needs_a_yaml_name_in_a_folder(command: Command, tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text("precious")
    assert command("recipe", "copy", "digits/random-real", mine).err.startswith("RecipeError: ")
    assert mine.read_text() == "precious"
    assert command("recipe", "copy", "digits/random-real", tmp_path / "mine.txt").code == 2
    assert command("recipe", "copy", "digits/random-real", tmp_path / "absent" / "mine.yaml").code == 2


def test_validate_checks_all_that_are_named_and_reports_every_fault(command: Command, tmp_path: Path) -> None:
    good = "digits/random-real"
    (tmp_path / "a.yaml").write_text("summary: nothing else\n")
    (tmp_path / "b.yaml").write_text("- not a mapping\n")
    checked = command("recipe", "validate", good, tmp_path / "a.yaml", tmp_path / "b.yaml")
    assert checked.code == 2
    assert checked.out.startswith("digits/random-real: valid, digest ")
    assert checked.err.count("RecipeError: ") == 2
    told = json.loads(command("recipe", "validate", good, tmp_path / "a.yaml", "--json").out)
    assert list(told["valid"]) == [good]
    assert list(told["faults"]) == [str(tmp_path / "a.yaml")]


def test_a_dry_run_finds_what_is_in_the_way(command: Command, tmp_path: Path) -> None:
    (tmp_path / "file.txt").write_text("somebody's")
    for dry in (["--dry-run"], []):
        shown = command("recipe", "run", "digits/random-real", "--out", tmp_path, *dry)
        assert (shown.code, "is not empty and holds no artifact" in shown.err) == (2, True)
    assert [file.name for file in tmp_path.iterdir()] == ["file.txt"]


def test_a_sheet_of_the_frozen_set_takes_no_seed_and_a_recheck_no_rows(command: Command, tmp_path: Path) -> None:
    shown = command("sample", "digits", "--grid", tmp_path / "grid.png", "--seed", "7")
    assert (shown.code, "--seed without --fresh" in shown.err) == (2, True)
    shown = command("evaluate", "digits", "--recheck", "--rows", "frozen")
    assert (shown.code, "--recheck beside options" in shown.err) == (2, True)


def test_a_dry_run_tells_the_plan_and_makes_nothing(command: Command, tmp_path: Path) -> None:
    out = tmp_path / "out"
    told = json.loads(command("recipe", "run", "digits/random-real", "--out", out, "--dry-run", "--json").out)
    assert told["recipe"]["source"]["name"] == "digits"
    assert told["num_train"] > 0
    assert "--dry-run" in command("recipe", "run", "digits/random-real", "--out", out, "--dry-run").out
    assert list(tmp_path.iterdir()) == []


def test_a_run_makes_an_artifact_and_the_same_command_again_changes_nothing(command: Command, tmp_path: Path) -> None:
    out = tmp_path / "digits"
    arguments = ("recipe", "run", "digits/random-real", "--out", out)
    first = command(*arguments, "--json")
    assert first.code == 0
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    assert json.loads(command(*arguments, "--json").out) == json.loads(first.out)
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before
    other = command(*arguments, "--set", "seed=1")
    assert (other.code, other.err.partition(":")[0]) == (2, "ArtifactError")


def test_nothing_is_drawn_where_nobody_watches(command: Command, tmp_path: Path) -> None:
    assert command("recipe", "run", "digits/random-real", "--out", tmp_path / "x").err == ""


# --- artifacts ---


def test_info_as_json_has_the_promised_facts(command: Command, digits_artifact: Path) -> None:
    facts = json.loads(command("info", digits_artifact, "--json").out)
    assert facts["artifact_bytes"] == (digits_artifact / "generator.safetensors").stat().st_size
    assert facts["manifest_bytes"] == (digits_artifact / "config.json").stat().st_size
    assert facts["folder_bytes"] == sum(path.stat().st_size for path in digits_artifact.rglob("*") if path.is_file())
    assert (facts["ipc"], facts["num_classes"], facts["generator"]) == (3, 10, "pixel-bank")
    assert isinstance(facts["format_version"], int)
    assert facts["macs_per_image"] == gendata.open_artifact(digits_artifact).generator.macs_per_image()
    assert len(facts["artifact_id"]) == 64


def test_info_for_people_names_the_same_facts(command: Command, digits_artifact: Path) -> None:
    shown = dict(line.split(None, 1) for line in command("info", digits_artifact).out.splitlines())
    facts = json.loads(command("info", digits_artifact, "--json").out)
    assert set(shown) == set(facts) - {"evaluations"}  # a table of their own, where there are any
    assert shown["artifact_id"].strip() == facts["artifact_id"]


def test_info_tells_results_in_percent_and_which_are_not_sealed(capsys: pytest.CaptureFixture[str]) -> None:
    artifact = open_named("digits", also=[EVALUATIONS])
    print_evaluations(artifact.evaluations(), artifact_id=artifact.artifact_id)
    sealed = capsys.readouterr().out
    fresh = next(row for row in artifact.evaluations() if row["mode"] == "fresh-matched")
    spread = f"± {100 * fresh['std']:.1f}"
    assert f"{100 * fresh['mean']:.1f} {spread}" in sealed and "sealed" not in sealed
    changed = [{**row, "mean": 0.999, "mode": "\x1b[31mfresh"} for row in artifact.evaluations()]
    print_evaluations([*changed, {}], artifact_id=artifact.artifact_id)
    shown = capsys.readouterr().out
    assert f"99.9 {spread}, not sealed" in shown and "\x1b" not in shown
    assert shown.splitlines()[-1].split()[0] == "?"


def test_verify_says_which_tier_this_machine_reaches(command: Command, digits_artifact: Path) -> None:
    assert json.loads(command("verify", digits_artifact, "--json").out)["tier"] == 2
    assert "bit-equal images" in command("verify", digits_artifact).out


def test_verify_refuses_a_changed_byte(command: Command, digits_artifact: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(digits_artifact, copy)
    weights = bytearray((copy / "generator.safetensors").read_bytes())
    weights[-1] ^= 1
    (copy / "generator.safetensors").write_bytes(weights)
    failed = command("verify", copy)
    assert (failed.code, failed.err.partition(":")[0]) == (2, "IntegrityError")


def test_annotate_states_the_terms_and_leaves_the_samples_alone(
    command: Command, digits_artifact: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(digits_artifact, copy)
    before = json.loads(command("info", copy, "--json").out)
    assert command("annotate", copy, "--license", "CC-BY-4.0", "--citation", "Doe 2026").code == 0
    after = json.loads(command("info", copy, "--json").out)
    assert (after["license"], after["citation"]) == ("CC-BY-4.0", "Doe 2026")
    assert after["artifact_id"] == before["artifact_id"]
    assert command("verify", copy).code == 0


def test_a_folder_that_is_no_artifact_is_refused(command: Command, tmp_path: Path) -> None:
    for name in ("info", "verify"):
        failed = command(name, tmp_path)
        assert (failed.code, failed.err.partition(":")[0]) == (2, "ArtifactError")


def test_sample_writes_one_sheet_with_a_row_per_class(command: Command, digits_artifact: Path, tmp_path: Path) -> None:
    from PIL import Image

    told = command("sample", digits_artifact, "--grid", tmp_path / "made" / "grid.png", "--per-class", "2")
    assert told.code == 0
    with Image.open(tmp_path / "made" / "grid.png") as sheet:
        wide, high = sheet.size
    assert high > 4 * wide
    assert command("sample", digits_artifact, "--grid", tmp_path / "f.png", "--fresh", "--per-class", "7").code == 0
    failed = command("sample", digits_artifact, "--grid", tmp_path / "g.png", "--per-class", "4")
    assert (failed.code, failed.err.partition(":")[0]) == (2, "SpecError")


@pytest.mark.parametrize("name", [".", "sheet.jpg", "sheet"])
def test_a_sheet_that_is_no_png_is_refused_and_leaves_nothing(
    command: Command, digits_artifact: Path, tmp_path: Path, name: str
) -> None:
    failed = command("sample", digits_artifact, "--grid", tmp_path / name)
    assert (failed.code, failed.err.partition(":")[0]) == (2, "SpecError")
    assert "a .png" in failed.err
    assert list(tmp_path.iterdir()) == list(tmp_path.parent.glob(f".{tmp_path.name}.partial*")) == []


def test_info_on_a_file_says_that_it_is_one(command: Command, digits_artifact: Path) -> None:
    assert "is a file" in command("info", digits_artifact / "config.json").err


def test_an_empty_folder_is_as_good_as_none(command: Command, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    made = command("recipe", "run", "digits/random-real", "--out", tmp_path / "out")
    assert made.code == 0, made.err
    assert (tmp_path / "out" / "config.json").is_file()


def test_a_place_that_cannot_be_written_is_one_clear_error(command: Command, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    failed = command("recipe", "run", "digits/random-real", "--out", tmp_path / "file" / "out")
    assert failed.code == 2
    assert failed.err.startswith("ArtifactError: ")


def test_annotate_without_anything_to_state_names_what_it_can_state(command: Command, digits_artifact: Path) -> None:
    failed = command("annotate", digits_artifact)
    assert failed.code == 2
    assert all(option in failed.err for option in ("--license", "--source", "--citation"))


def test_evaluate_prints_fractions_as_json_and_keeps_its_rows_with_the_artifact(
    command: Command, digits_artifact: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(digits_artifact, copy)
    told = command("evaluate", copy, "--runs", "1", "--rows", "frozen", "--write", "--json")
    report = json.loads(told.out)
    assert report["protocol"] == "quick/v1"
    (row,) = report["rows"]
    assert {"name", "mode", "mean", "std", "n", "bytes"} <= set(row)
    assert 0 < row["mean"] <= 1
    assert row["n"] == 1
    (kept,) = gendata.open_artifact(copy).evaluations()
    assert (kept["row"], kept["mean"]) == (row["name"], row["mean"])


def test_evaluate_prints_what_it_measured_even_if_it_cannot_be_written(
    command: Command, digits_artifact: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(path: Path, report: Report) -> None:
        raise gendata.GendataError("disk is full")

    monkeypatch.setattr("gendata.evaluation.evaluate", lambda *given, **chosen: REPORT)
    monkeypatch.setattr("gendata.evaluation.record.record_report", refuses)
    told = command("evaluate", digits_artifact, "--write", "--json")
    assert told.code == 2
    assert "disk is full" in told.err
    assert len(json.loads(told.out)["rows"]) == 1


def test_a_report_for_people_is_one_table_and_says_what_could_not_be_measured(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_report(REPORT, as_json=False)
    header, line, told, status, skipped = capsys.readouterr().out.splitlines()
    assert status == "quick/v1 is not shown equal to a published loop"
    assert header.index("mode") == line.index("frozen(30)")
    assert "91.3 ± 0.4" in line
    assert "quick/v1" in told
    assert skipped == "equal-bytes-real was not measured: no [31msheet"


def test_env_names_versions_and_no_place(command: Command) -> None:
    facts = json.loads(command("env", "--json").out)
    assert facts["gendata"] == gendata.__version__
    assert facts["packages"]["torch"]
    assert str(Path.home()) not in json.dumps(facts)
    assert "torch" in command("env").out


# --- own data ---


@pytest.fixture
def flowers(tmp_path: Path) -> Path:
    """A folder of two classes of small coloured images."""
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(0)
    for name, colour in (("rose", 0), ("tulip", 2)):
        folder = tmp_path / "flowers" / name
        folder.mkdir(parents=True)
        for number in range(12):
            pixels = rng.integers(0, 80, (9, 9, 3), dtype=np.uint8)
            pixels[:, :, colour] += 150
            Image.fromarray(pixels).save(folder / f"{number}.png")
    return tmp_path / "flowers"


def test_own_data_becomes_an_artifact_within_its_bytes_in_one_command(
    command: Command, flowers: Path, tmp_path: Path
) -> None:
    short = [
        f"method.options.{name}"
        for name in (
            *("networks=1", "network_ages=[1]", "network=convnet1-w8-in"),
            *(f"{stage}steps=2" for stage in ("", "reconstruct_", "refine_", "frozen_")),
        )
    ]
    arguments = ("condense", flowers, "--out", tmp_path / "out", "--bytes", "12kB", "--ipc", "2")
    made = command(*arguments, *(word for change in short for word in ("--set", change)), "--json")
    assert made.code == 0, made.err
    facts = json.loads(made.out)
    assert facts["artifact_bytes"] <= 12_000
    assert (facts["ipc"], facts["num_classes"], facts["source"]) == (2, 2, "folder")
    assert str(tmp_path) not in (tmp_path / "out" / "config.json").read_text()
    measured = command("evaluate", tmp_path / "out", "--rows", "frozen", "--runs", "1", "--data", flowers, "--json")
    assert measured.code == 0, measured.err


def test_images_of_several_sizes_are_resized_before_the_proposal_looks_at_them(
    command: Command, flowers: Path, tmp_path: Path
) -> None:
    from PIL import Image

    Image.new("RGB", (20, 14)).save(flowers / "rose" / "wide.png")
    arguments = ("condense", flowers, "--out", tmp_path / "out", "--dry-run", "--json")
    assert "wide.png" in command(*arguments).err
    for change in (("--resize", "8"), ("--set", "source.options.resize=8")):
        options = json.loads(command(*arguments, *change).out)["recipe"]["source"]["options"]
        assert options["resize"] == 8


def test_a_named_folder_is_read_even_where_the_data_root_has_one_of_that_name(
    command: Command, flowers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(flowers / "rose", tmp_path / "elsewhere" / "flowers" / "only")
    monkeypatch.setenv("GENDATA_DATA", str(tmp_path / "elsewhere"))
    monkeypatch.chdir(flowers.parent)
    plan = json.loads(command("condense", "flowers", "--out", tmp_path / "out", "--dry-run", "--json").out)
    assert plan["recipe"]["source"]["options"]["path"] == str(flowers.resolve())
    assert "2 classes" in plan["recipe"]["summary"]


def test_the_next_command_that_is_printed_works_as_it_is(
    command: Command, flowers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GENDATA_DATA", raising=False)
    recipe = tmp_path / "bank.yaml"
    recipe.write_text(
        "summary: two of each\nartifact: {ipc: 2}\nsource: {name: folder, options: {path: flowers}}\n"
        "generator: {name: pixel-bank, options: {slots: 2}}\nlatent: {name: slot, options: {slots: 2}}\n"
        "method: {name: random-real}\n"
    )
    monkeypatch.chdir(tmp_path)
    made = command("recipe", "run", recipe, "--out", "out")
    assert made.out.rstrip().endswith("gendata evaluate out --data flowers")
    failed = command("evaluate", "out")
    assert "made from the local folder 'flowers'" in failed.err
    assert "--data FOLDER" in failed.err
    from gendata.evaluation.evaluator import named_source

    assert named_source(gendata.open_artifact("out"), Path("flowers")).spec.num_classes == 2


@pytest.mark.parametrize(
    ("name", "told"),
    [("fashon-mnist", "Did you mean 'fashion-mnist'"), ("a/b/c", "no such folder"), ("./x", "no such folder")],
)
def test_a_mistyped_name_is_not_looked_for_on_the_hub(command: Command, tmp_path: Path, name: str, told: str) -> None:
    failed = command("condense", name, "--out", tmp_path / "out")
    assert failed.code == 2
    assert told in failed.err


def test_own_data_can_be_planned_without_making_anything(command: Command, flowers: Path, tmp_path: Path) -> None:
    arguments = ("condense", flowers, "--out", tmp_path / "out", "--set", "seed=5", "--dry-run", "--json")
    plan = json.loads(command(*arguments).out)
    assert plan["recipe"]["seed"] == 5
    assert not (tmp_path / "out").exists()


def test_own_data_that_is_not_there_is_one_clear_error(command: Command, tmp_path: Path) -> None:
    failed = command("condense", tmp_path / "absent", "--out", tmp_path / "out")
    assert failed.code == 2
    assert str(tmp_path / "absent") in failed.err


# --- sizes ---


@pytest.mark.parametrize(
    ("text", "size"),
    [("100kB", 100_000), ("1MB", 1_000_000), ("1.5 kB", 1500), ("64KiB", 65536), ("300", 300), ("7b", 7)],
)
def test_sizes_are_read_with_their_unit(text: str, size: int) -> None:
    assert parse_bytes(text) == size


@pytest.mark.parametrize("text", ["", "kB", "-3kB", "1e3", "3 GB of it", "0"])
def test_what_is_no_size_is_a_usage_error(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        parse_bytes(text)


def test_an_interrupted_run_says_that_the_same_command_goes_on(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "gendata",
        "recipe",
        "run",
        "digits/generative-demo",
        "--out",
        str(tmp_path / "out"),
    ]

    def heed() -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell's background job, as these tests may be, ignores it

    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, preexec_fn=heed) as run:
        assert run.stderr is not None
        assert "pool: at step 1" in run.stderr.readline()
        run.send_signal(signal.SIGINT)
        told = run.stderr.read()
    assert run.returncode == 130
    assert told == "Interrupted. What trains goes on when the same command is given again.\n"
    assert (tmp_path / "out.run").is_dir()


def test_own_data_are_decoded_once(
    command: Command, flowers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gendata.sources import images

    opened, whole = [], images._open
    monkeypatch.setattr(images, "_open", lambda file: opened.append(file) or whole(file))
    shown = command("condense", flowers, "--out", tmp_path / "out", "--dry-run")
    assert shown.code == 0 and "classes         2: rose, tulip" in shown.out
    assert len(opened) == len(set(opened)) == 24


def test_a_table_of_a_cache_beside_images_does_not_make_them_parquet(flowers: Path) -> None:
    from gendata.proposal import propose_recipe

    (flowers / ".cache").mkdir()
    (flowers / ".cache" / "m.parquet").write_bytes(b"PAR1")
    (flowers / "rose" / "labels.parquet").write_bytes(b"PAR1")
    assert propose_recipe(flowers).source.name == "folder"


def test_a_figure_beside_parquet_does_not_make_it_a_folder_of_images(tmp_path: Path) -> None:
    from PIL import Image

    from gendata.proposal import _source_of

    for name in ("data/train-00000-of-00001.parquet", "assets/figure.png"):
        (tmp_path / name).parent.mkdir()
    (tmp_path / "data" / "train-00000-of-00001.parquet").write_bytes(b"PAR1")
    Image.new("L", (4, 4)).save(tmp_path / "assets" / "figure.png")
    assert _source_of(str(tmp_path)).name == "huggingface"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("condense", "", "--out", "x", "--dry-run"), "no data set is named"),
        (("condense", "/" + "n" * 300, "--out", "x", "--dry-run"), "no such folder"),
        (("condense", "digits", "--out", "n" * 300, "--dry-run"), "a name of 300 bytes"),
        (("condense", "digits", "--out", "x", "--ipc", "2000000"), "less than or equal to 1000000"),
        (("recipe", "show", "n" * 300 + ".yaml"), "no such file"),
        (("recipe", "copy", "digits/dm", "/proc/x.yaml"), "cannot be written"),
        (("recipe", "copy", "digits/dm", "n" * 300 + ".yaml"), "cannot be written"),
        (("recipe", "copy", "digits/dm", "n" * 300 + "/x.yaml"), "cannot be written"),
        (("recipe", "validate", "n" * 300 + ".yaml"), "no such file"),
        (("recipe", "sweep", "n" * 300 + ".yaml"), "no such file"),
        (("condense", "n" * 300 + "/" + "n" * 300, "--out", "x", "--dry-run"), "no such folder"),
        (("recipe", "run", "digits/dm", "--out", "x", "--set", "evaluation.protocol=foo/v9", "--dry-run"), "foo/v9"),
    ],
)
def test_whatever_is_named_ends_in_no_traceback(command: Command, arguments: tuple[str, ...], told: str) -> None:
    shown = command(*arguments)
    assert shown.code == 2
    assert told in shown.err and "Traceback" not in shown.err


def test_sizes_are_read_in_gigabytes_too() -> None:
    from gendata.cli.printing import parse_bytes

    assert (parse_bytes("1GB"), parse_bytes("0.5 GiB")) == (10**9, 2**29)


@pytest.mark.parametrize("ipc", [0, 10**6 + 1])
def test_a_library_caller_is_told_the_bounds_of_ipc(ipc: int) -> None:
    from gendata.errors import RecipeError
    from gendata.proposal import propose_recipe

    with pytest.raises(RecipeError, match=f"ipc is {ipc}; expected 1 to 1000000"):
        propose_recipe("digits", ipc=ipc)
