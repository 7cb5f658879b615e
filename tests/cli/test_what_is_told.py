"""What commands tell of what they chose, or of what somebody meant."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

from gendata.fetch import shipped_folder
from gendata.proposal import propose_recipe


def folder_of(path: Path, *, per_class: int) -> Path:
    for level, name in ((40, "ant"), (200, "bee")):
        (path / name).mkdir(parents=True)
        for number in range(per_class):
            Image.new("L", (16, 16), level + number).save(path / name / f"{number}.png")
    return path


def test_a_dry_run_tells_generator_codes_and_ipc(command: Callable[..., Any], tmp_path: Path) -> None:
    told = command("condense", "digits", "--bytes", "4kB", "--ipc", "3", "--out", tmp_path / "x", "--dry-run")
    assert told.code == 0
    lines = dict(line.split(None, 1) for line in told.out.splitlines())
    assert lines["generator"].startswith("conv-decoder (") and lines["latent"].startswith("codebook (")
    assert lines["ipc"] == "3"


def test_a_licence_is_told_and_whether_the_hub_knows_it(command: Callable[..., Any], tmp_path: Path) -> None:
    path = shutil.copytree(shipped_folder("digits"), tmp_path / "digits")
    told = command("annotate", path, "--license", "CC0-1.0")
    assert "license CC0-1.0" in told.out and "no name" not in told.out and "gendata push" in told.out
    assert "The Hub has no name for 'Foo-1'" in command("annotate", path, "--license", "Foo-1").out


def test_a_sweep_is_not_taken_for_a_recipe(command: Callable[..., Any]) -> None:
    told = command("recipe", "show", "sweeps/losses")
    assert (
        told.code != 0 and "is a sweep, not a recipe" in told.err and "gendata recipe sweep sweeps/losses" in told.err
    )


def test_no_more_bytes_are_proposed_than_all_images_have(tmp_path: Path) -> None:
    photos = folder_of(tmp_path / "photos", per_class=40)
    few, many = (propose_recipe(photos, ipc=ipc).summary for ipc in (50, 5000))
    assert few == many  # 72 or fewer images to train on, and 100 asked for


def test_a_test_split_of_a_few_images_is_warned_of(tmp_path: Path, caplog: Any) -> None:
    propose_recipe(folder_of(tmp_path / "photos", per_class=12), max_bytes=8000, ipc=1)
    assert any("held out as test" in record.message for record in caplog.records if record.levelname == "WARNING")
