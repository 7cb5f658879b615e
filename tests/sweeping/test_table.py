"""The table and the plot of results."""

from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gendata.errors import MissingExtraError
from gendata.sweeping.plot import _curve, plot_png, require_plots
from gendata.sweeping.result import CellResult, ScoredRow, keep, kept
from gendata.sweeping.sweep import Sweep, load_sweep
from gendata.sweeping.table import cells_of, columns, lines_of, markdown

TEXT = """\
summary: Storages of two kinds
base: digits/random-real
variants: {plain: [], "herded | all": [method.name=herding]}
grid: {artifact.storage: [f32, int8]}
seeds: 2
"""


def sweep(folder: Path, extra: str = "") -> Sweep:
    (folder / "s.yaml").write_text(TEXT + extra)
    return load_sweep(folder / "s.yaml")


def result(mean: float, *, spread: float | None = 1.5) -> CellResult:
    rows = [
        ScoredRow(
            row=row, mode=mode, split="validation", mean=value, std=0.0, n=3, bytes=100, images_seen=5, network="m"
        )
        for row, mode, value in (("artifact", "frozen(10)", mean), ("random-real", "real", 0.5))
    ]
    return CellResult(
        recipe_digest="d", artifact_id="a", artifact_bytes=100, spread=spread, gap=0.5, rows=tuple(rows),
        condense_minutes=2.0, condense_cpu_minutes=1.5, evaluate_minutes=1.0,
    )  # fmt: skip


def test_a_line_is_the_mean_and_the_deviation_over_seeds(tmp_path: Path) -> None:
    made = sweep(tmp_path)
    results = {cell.key: result(0.8 + 0.1 * cell.seed) for cell in made.cells}
    lines = lines_of(made, results)
    assert [(line.variant, line.settings["artifact.storage"], line.row) for line in lines[:3]] == [
        ("plain", "f32", "frozen(10)"),
        ("plain", "f32", "random-real"),
        ("plain", "int8", "frozen(10)"),
    ]
    first = lines[0]
    assert (first.mean, first.n, first.networks) == (pytest.approx(0.85), 2, 6)
    assert first.std == pytest.approx(0.05)
    assert (first.spread, first.gap, first.minutes) == (1.5, 0.5, 1.5), "its own minutes, not those of a busy machine"
    assert (lines[1].spread, lines[1].minutes) == (None, None), "real images achieved nothing"


def test_unfinished_cells_are_left_out_of_the_means(tmp_path: Path) -> None:
    made = sweep(tmp_path)
    lines = lines_of(made, {made.cells[0].key: result(0.9, spread=None)})
    assert [(line.mean, line.n, line.spread) for line in lines] == [(0.9, 1, None), (0.5, 1, None)]
    assert lines_of(made, {}) == []


def test_the_table_says_what_scored_and_is_one_row_per_line(tmp_path: Path) -> None:
    made = sweep(tmp_path)
    lines = lines_of(made, {cell.key: result(0.9) for cell in made.cells})
    assert columns(made)[:4] == ["variant", "artifact.storage", "row", "validation accuracy %"]
    assert all(len(cells_of(made, line)) == len(columns(made)) for line in lines)
    text = markdown(made, lines, failed={"plain": "diverged\nat 3"}, measured_with="Measured here.")
    assert "| herded \\| all | int8 | frozen(10) | 90.0 ± 0.0 | 2 | 100 | 1.50 | 0.50 | 1.5 |" in text
    assert "- not measured: plain: diverged at 3" in text
    assert "held out of train" in text


def test_differences_are_taken_seed_by_seed(tmp_path: Path) -> None:
    made = sweep(tmp_path, "compare_with: plain\n")
    gains = {"plain": 0.0, "herded | all": 0.02}  # the seeds differ by more
    results = {cell.key: result(0.6 + 0.1 * cell.seed + gains[cell.variant]) for cell in made.cells}
    lines = [line for line in lines_of(made, results) if line.row == "frozen(10)"]
    told = [cells_of(made, line)[columns(made).index("from plain")] for line in lines]
    assert told == ["-", "-", "+2.0 ± 0.0", "+2.0 ± 0.0"]
    del results[made.cells[0].key]  # one seed of one of them
    assert {line.difference is None for line in lines_of(made, results) if line.variant != "plain"} == {False}


@pytest.mark.parametrize("extra", ["", "plot: {x: artifact.storage}\n", "plot: {x: spread}\n", "plot: {x: bytes}\n"])
def test_a_plot_is_a_picture_whatever_its_axis(tmp_path: Path, extra: str) -> None:
    pytest.importorskip("matplotlib", reason="pip install 'gendata[report]'")
    made = sweep(tmp_path, extra)
    lines = lines_of(made, {cell.key: result(0.9) for cell in made.cells})
    assert plot_png(made, lines).startswith(b"\x89PNG")


def test_variants_of_one_point_each_share_a_curve_and_others_have_their_own(tmp_path: Path) -> None:
    made = sweep(tmp_path)  # two variants over a grid
    lines = lines_of(made, {cell.key: result(0.9) for cell in made.cells})
    gridded = {_curve(made, line, x="bytes") for line in lines if line.row == "frozen(10)"}
    assert gridded == {"plain, frozen", "herded | all, frozen"}
    alone = [msgspec.structs.replace(line, settings={}) for line in lines]
    assert {_curve(made, line, x="bytes") for line in alone if line.row == "frozen(10)"} == {"frozen"}


def test_without_matplotlib_the_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    original = builtins.__import__

    def refuse(name: str, *rest: Any, **options: Any) -> Any:
        if name == "matplotlib":
            raise ImportError(name)
        return original(name, *rest, **options)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(MissingExtraError, match=r"pip install 'gendata\[report\]'"):
        require_plots()


def test_a_kept_result_reads_back_and_a_damaged_one_is_no_result(tmp_path: Path) -> None:
    keep(tmp_path, "k", result(0.9))
    assert kept(tmp_path, "k") == result(0.9)
    (path,) = (tmp_path / "cells").iterdir()
    path.write_bytes(msgspec.json.encode({"rows": 3}))
    assert kept(tmp_path, "k") is None
    assert kept(tmp_path, "other") is None


def test_rows_of_more_networks_and_what_measured_them_are_told(tmp_path: Path) -> None:
    made = sweep(tmp_path)
    cell = result(0.9)
    rows = (cell.rows[0], msgspec.structs.replace(cell.rows[1], n=5))
    lines = lines_of(made, {made.cells[0].key: msgspec.structs.replace(cell, rows=rows)})
    assert "each the mean of 3 to 5 networks" in markdown(made, lines, failed={}, measured_with="")
