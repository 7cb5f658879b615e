"""Sweeps from end to end, on recipes that cost nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]

# The second variant cannot be condensed: 200 images of a class that has fewer.
TEXT = """\
summary: One real image per class, and too many
base: digits/random-real
variants:
  one: [artifact.ipc=1, generator.options.slots=1, latent.options.slots=1]
  many: [artifact.ipc=200, generator.options.slots=200, latent.options.slots=200]
seeds: 1
evaluation: {runs: 1, rows: [frozen]}
"""


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sweep") / "s.yaml"
    path.write_text(TEXT)
    return path


def stamps(out: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in (out / "cells").iterdir()}


@pytest.mark.slow
def test_a_sweep_measures_what_it_can_names_the_rest_and_repeats_nothing(command: Command, file: Path) -> None:
    out = file.parent / "out"
    shown = command("recipe", "sweep", file, "--out", out, "--no-plot", "--jobs", 2, "--json")
    assert shown.code == 2
    assert "many, seed 0 was not measured: " in shown.err
    assert "one, seed 0: frozen(10) " in shown.err
    found = json.loads(shown.out)
    (line,) = found["table"]
    assert (line["variant"], line["row"], line["n"]) == ("one", "frozen(10)", 1)
    assert list(found["failed"]) == ["many, seed 0"]
    assert found["num_missing"] == 1
    assert "validation accuracy %" in (out / "table.md").read_text()
    assert not (out / "plot.png").exists()

    before = stamps(out)
    again = command("recipe", "sweep", file, "--out", out, "--no-plot", "--json")
    assert stamps(out) == before
    assert json.loads(again.out)["cells"] == found["cells"]
    planned = json.loads(command("recipe", "sweep", file, "--out", out, "--dry-run", "--json").out)["cells"]
    (cell,) = (out / "cells").iterdir()
    kept = json.loads(cell.read_text())
    assert kept["measured_with"] in (out / "table.md").read_text()
    cell.write_text(json.dumps({**kept, "measured_with": "another machine"}))
    command("recipe", "sweep", file, "--out", out, "--no-plot")
    assert "; another machine." in (out / "table.md").read_text()
    cell.write_text(json.dumps({**kept, "fingerprint": "0" * 64}))
    refused = command("recipe", "sweep", file, "--out", out, "--no-plot")
    assert refused.code == 2 and "the finished cells are of data 000000000000" in refused.err
    assert [(cell["cell"], cell["finished"]) for cell in planned] == [("one, seed 0", True), ("many, seed 0", False)]


@pytest.mark.slow
def test_killed_after_its_first_cell_it_goes_on_with_the_second(tmp_path: Path, command: Command) -> None:
    file, out = tmp_path / "s.yaml", tmp_path / "out"
    file.write_text(TEXT.replace("ipc=200", "ipc=2").replace("slots=200", "slots=2"))
    arguments = ["recipe", "sweep", str(file), "--out", str(out), "--no-plot", "--json"]
    with subprocess.Popen(
        [sys.executable, "-m", "gendata", *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as running:
        while not list(out.glob("cells/*.json")) and running.poll() is None:
            time.sleep(0.05)
        os.kill(running.pid, signal.SIGKILL)
    first = stamps(out)
    shown = command(*arguments)
    assert shown.code == 0
    assert len(json.loads(shown.out)["cells"]) == 2
    assert first.items() <= stamps(out).items(), "what was finished was not measured again"


def test_the_shipped_sweeps_are_listed_with_their_summaries(command: Command) -> None:
    listed = json.loads(command("recipe", "sweep", "--json").out)["sweeps"]
    assert all(sweep["name"].startswith("sweeps/") and sweep["summary"] for sweep in listed)


def test_an_occupied_folder_is_refused(file: Path, command: Command, tmp_path: Path) -> None:
    from filelock import FileLock

    with FileLock(tmp_path / "lock"):
        shown = command("recipe", "sweep", file, "--out", tmp_path, "--no-plot")
    assert shown.code == 2
    assert "another process is sweeping here" in shown.err


def test_sweeps_are_validated_as_recipes_are(file: Path, command: Command, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(TEXT.replace("artifact.ipc=1,", "artifact.ipc=0,"))
    shown = command("recipe", "validate", file, "sweeps/losses", wrong, "--json")
    assert shown.code == 2
    found = json.loads(shown.out)
    assert list(found["valid"]) == [str(file), "sweeps/losses"]
    assert f"{wrong}: one: " in found["faults"][str(wrong)]
    assert "artifact: ipc must be 1 to 1000000, got 0" in found["faults"][str(wrong)]


def test_a_folder_that_cannot_be_written_is_refused(file: Path, command: Command, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    shown = command("recipe", "sweep", file, "--out", tmp_path / "taken" / "out", "--no-plot")
    assert (shown.code, "cannot be written" in shown.err) == (2, True)


def test_an_unexpected_error_ends_its_cell_and_no_other(
    file: Path, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from concurrent.futures import Future

    from gendata.sweeping import running

    def broken(future: Future[Any]) -> Any:
        future.result()
        raise TypeError("nobody thought of this")

    monkeypatch.setattr(running, "result_of", broken)
    text = TEXT.replace("many:", "# many:")
    (tmp_path / "s.yaml").write_text(text)
    shown = command("recipe", "sweep", tmp_path / "s.yaml", "--out", tmp_path / "out", "--no-plot", "--json")
    assert shown.code == 2
    assert "TypeError: nobody thought of this" in json.loads(shown.out)["failed"]["one, seed 0"]


def test_a_sweep_does_not_begin_among_the_images_it_reads(command: Command, tmp_path: Path) -> None:
    from PIL import Image

    for name in ("a/0.png", "a/1.png", "a/2.png"):
        (tmp_path / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8)).save(tmp_path / "images" / name)
    overrides = f"overrides: [source.name=folder, 'source.options={{path: {tmp_path / 'images'}}}']\n"
    (tmp_path / "s.yaml").write_text(TEXT + overrides)
    shown = command("recipe", "sweep", tmp_path / "s.yaml", "--out", tmp_path / "images" / "swept", "--no-plot")
    assert shown.code == 2 and "lies among the images" in shown.err
    assert not (tmp_path / "images" / "swept").exists()
