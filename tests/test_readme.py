"""The README keeps its word: every Python block runs, every command exists."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

README = (Path(__file__).resolve().parents[1] / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)


COMMANDS = [
    line.partition("#")[0].strip()
    for block in blocks("bash")
    for line in block.splitlines()
    if line.startswith("gendata ")
]


def test_every_python_block_runs_in_order(
    digits_artifact: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "digits").symlink_to(digits_artifact, target_is_directory=True)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    assert blocks("python")
    for block in blocks("python"):
        exec(compile(block, "README.md", "exec"), names)


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_of_a_block_is_one_that_gendata_knows(line: str, command: Callable[..., Any]) -> None:
    words = shlex.split(line)[1:]
    name = words[:2] if words[0] in ("recipe", "protocol", "teacher", "hub", "cache") else words[:1]
    shown = command(*name, "--help")
    assert shown.code == 0
    for option in (word for word in words if word.startswith("--")):
        assert option in shown.out


def test_every_make_target_that_is_named_exists() -> None:
    makefile = (Path(__file__).resolve().parents[1] / "Makefile").read_text(encoding="utf-8")
    for target in set(re.findall(r"make (\w+)$", README, flags=re.MULTILINE)):
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE)


def test_every_file_that_is_linked_exists() -> None:
    root = Path(__file__).resolve().parents[1]
    for link in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (root / link).is_file(), link
