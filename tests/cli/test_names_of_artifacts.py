"""A folder, a shipped name or one on the Hub: each command about an artifact takes all three (the Hub: tests/hub)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]


def test_every_command_about_an_artifact_takes_a_shipped_name(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = {
        "info": ["--json"],
        "verify": ["--json"],
        "sample": ["--grid", "grid.png", "--fresh", "--per-class", "1"],
        "export": ["--format", "numpy", "--out", "arrays"],
        "evaluate": ["--recheck", "--json"],
    }
    for name, options in arguments.items():
        missing = command(name, "digitz", *options)
        assert (missing.code, "Did you mean 'digits'" in missing.err) == (2, True), name
    for name in ("info", "verify", "sample", "export"):
        assert command(name, "digits", *arguments[name]).code == 0, name
    assert sorted(path.name for path in tmp_path.iterdir()) == ["arrays", "grid.png"]


def test_a_local_folder_wins_over_a_name(
    command: Command, digits_artifact: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "digits").symlink_to(digits_artifact, target_is_directory=True)
    assert json.loads(command("info", "digits", "--json").out)["generator"] == "pixel-bank"


def test_what_is_shipped_is_not_written_to(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for arguments in (["annotate", "digits", "--license", "MIT"], ["evaluate", "digits", "--write"]):
        failed = command(*arguments)
        assert (failed.code, "gendata pull digits --out DIR" in failed.err) == (2, True)
