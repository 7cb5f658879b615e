"""The tables of recipes/README.md are of the sweeps that ship, with every line and every seed."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gendata.sweeping.sweep import load_sweep
from gendata.sweeping.table import columns, swept

README = Path(__file__).resolve().parents[2] / "recipes" / "README.md"
BLOCKS = dict(re.findall(r"<!-- sweep:(\S+) -->\n(.*?)<!-- /sweep:\1 -->", README.read_text(), re.DOTALL))


def rows(block: str) -> list[list[str]]:
    lines = [line for line in block.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


@pytest.mark.parametrize("name", BLOCKS)
def test_a_table_has_the_lines_of_its_sweep(name: str) -> None:
    sweep = load_sweep(name)
    head, _, *lines = rows(BLOCKS[name])
    assert head == columns(sweep)
    expected = dict.fromkeys(tuple(swept(sweep, cell)) for cell in sweep.cells)
    assert list(dict.fromkeys(tuple(line[: head.index("row")]) for line in lines)) == list(expected)
    assert len(lines) == len(expected) * len(sweep.file.evaluation.rows)


@pytest.mark.parametrize("name", BLOCKS)
def test_a_table_is_of_all_seeds(name: str) -> None:
    sweep = load_sweep(name)
    head, _, *lines = rows(BLOCKS[name])
    assert {line[head.index("n")] for line in lines} == {str(len(sweep.file.seed_list))}
    assert f"gendata recipe sweep {name}" in BLOCKS[name]


def test_there_are_tables() -> None:
    assert "losses" in BLOCKS


def test_a_table_takes_its_place_and_leaves_the_rest(ablations: Any) -> None:
    text = "before\n<!-- sweep:a -->\nold\n<!-- /sweep:a -->\nafter\n"
    assert ablations.with_table(text, "a", "new\n") == text.replace("old", "new")
    with pytest.raises(SystemExit, match="no place for b"):
        ablations.with_table(text, "b", "new\n")


def test_half_a_sweep_and_one_of_another_file_are_not_taken(ablations: Any, tmp_path: Path) -> None:
    file = msgspec.to_builtins(load_sweep("losses").file)

    def finished(**changes: Any) -> str:
        results = {"name": "losses", "sweep": file, "num_missing": 0, "failed": {}} | changes
        (tmp_path / "results.json").write_text(json.dumps(results))
        return str(ablations.finished(tmp_path))

    assert finished() == "losses"
    for changes in ({"num_missing": 2}, {"failed": {"a": "why"}}):
        with pytest.raises(SystemExit, match="cells are missing"):
            finished(**changes)
    with pytest.raises(SystemExit, match="was changed since"):
        finished(sweep=file | {"seeds": 9})


@pytest.fixture
def ablations() -> Any:
    spec = importlib.util.spec_from_file_location("ablations", README.parents[1] / "benchmarks" / "ablations.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
