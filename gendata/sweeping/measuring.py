"""One cell: condensed, scored, kept. Runs in a process of its own."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch

from gendata.condensation import condense, plan
from gendata.evaluation import evaluate
from gendata.evaluation.report import Row
from gendata.sources.source import open_source
from gendata.sweeping.achieved import achieved
from gendata.sweeping.result import CellResult, ScoredRow, keep
from gendata.sweeping.sweep import Cell, Scoring


@dataclass(frozen=True, kw_only=True)
class Workplace:
    """What all cells of a sweep share."""

    out: Path
    scoring: Scoring
    data_root: Path | None


def measure_cell(cell: Cell, place: Workplace) -> CellResult:
    """Makes the cell's artifact, or goes on making it, scores it and writes the result.

    Raises:
        GendataError: it cannot be condensed or scored.
    """
    folder = place.out / "artifacts" / cell.made[:16]
    _warm_up()
    on_cpu = not torch.accelerator.is_available()
    is_new = not folder.exists() and not folder.with_name(f"{folder.name}.run").exists()
    begun, begun_cpu = time.monotonic(), time.process_time()
    artifact = condense(cell.recipe, out=folder, data_root=place.data_root)
    condensed, condensed_cpu = time.monotonic(), time.process_time()
    source, scoring = open_source(cell.recipe.source, data_root=place.data_root), place.scoring
    report = evaluate(
        artifact,
        protocol=scoring.protocol,
        runs=scoring.runs,
        rows=scoring.rows,
        split=scoring.split,
        source=source,
        seed=cell.seed,
    )
    evaluated = time.monotonic()
    spread, gap = achieved(artifact, source, folder=place.out / "onlookers")
    result = CellResult(
        recipe_digest=cell.recipe.digest(),
        artifact_id=artifact.artifact_id,
        artifact_bytes=artifact.artifact_bytes,
        spread=spread,
        gap=gap,
        rows=tuple(map(_scored, report.rows)),
        skipped=report.skipped,
        condense_minutes=round((condensed - begun) / 60, 3) if is_new else None,
        condense_cpu_minutes=round((condensed_cpu - begun_cpu) / 60, 3) if is_new and on_cpu else None,
        evaluate_minutes=round((evaluated - condensed) / 60, 3),
        fingerprint=source.fingerprint,
        measured_with=_measured_with(report.environment),
    )
    keep(place.out, cell.key, result)
    return result


def _measured_with(facts: Mapping[str, Any]) -> str:
    hardware = ", ".join(map(str, [facts.get("processor"), *(facts.get("accelerators") or ())]))
    return f"gendata {facts.get('gendata')}, torch {facts.get('packages', {}).get('torch')}; {hardware}"


@cache
def _warm_up() -> None:
    """Imports what condensing needs, so that the minutes of a process's first cell do not hold it."""
    plan("digits/random-real")


def _scored(row: Row) -> ScoredRow:
    return ScoredRow(
        row=row.name,
        mode=row.mode,
        split=row.split,
        mean=row.mean,
        std=row.std,
        n=row.n,
        bytes=row.bytes,
        images_seen=row.images_seen,
        network=row.network,
    )
