"""The tables of recipes/README.md are of the sweeps that ship, with every line and every seed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gendata.sweeping.sweep import load_sweep
from gendata.sweeping.table import columns

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
    swept = head.index("row")
    expected = dict.fromkeys(
        (*([cell.variant] if sweep.file.variants else []), *map(str, cell.settings.values())) for cell in sweep.cells
    )
    assert list(dict.fromkeys(tuple(line[:swept]) for line in lines)) == list(expected)
    assert len(lines) == len(expected) * len(sweep.file.evaluation.rows)


@pytest.mark.parametrize("name", BLOCKS)
def test_a_table_is_of_all_seeds(name: str) -> None:
    sweep = load_sweep(name)
    head, _, *lines = rows(BLOCKS[name])
    assert {line[head.index("n")] for line in lines} == {str(len(sweep.file.seed_list))}
    assert f"gendata recipe sweep {name}" in BLOCKS[name]
