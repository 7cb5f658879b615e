"""All cells of a sweep, side by side in processes; finished ones are not repeated."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from gendata._environment import environment
from gendata.artifact.layout import replace_file
from gendata.errors import ArtifactError, GendataError
from gendata.evaluation.processes import result_of, worker_pool
from gendata.sources.source import open_source
from gendata.sweeping.measuring import Workplace, measure_cell
from gendata.sweeping.plot import plot_png, require_plots
from gendata.sweeping.result import CellResult, kept
from gendata.sweeping.sweep import Cell, Sweep, SweepFile
from gendata.sweeping.table import Line, lines_of, markdown

_log = logging.getLogger(__name__)

RESULTS, TABLE, PLOT = "results.json", "table.md", "plot.png"
CellHook = Callable[[Cell, "CellResult | GendataError", float], None]  # cell, its result or fault, minutes since start


class FinishedCell(msgspec.Struct, frozen=True, kw_only=True):
    """A cell with what it gave."""

    variant: str
    settings: dict[str, Any]
    seed: int
    key: str
    result: CellResult


class SweepResults(msgspec.Struct, frozen=True, kw_only=True):
    """results.json. Accuracies are fractions."""

    name: str
    sweep: SweepFile  # as it was run
    command: str  # that gives the same again
    environment: dict[str, Any]  # in which it was written; cells tell their own
    table: list[Line]
    cells: list[FinishedCell]
    failed: dict[str, str]  # cell -> why it could not be measured
    num_missing: int  # cells not measured yet


def run_sweep(
    sweep: Sweep,
    *,
    out: Path,
    command: str,
    jobs: int = 1,
    data_root: Path | None = None,
    with_plot: bool = True,
    on_cell: CellHook = lambda cell, result, minutes: None,
) -> SweepResults:
    """Measures what is not measured yet; writes results.json, table.md and plot.png into `out`.

    Killed at any moment and called again it goes on: finished cells stand in `out/cells`, artifacts in `out/artifacts`
    with their run folders, and the table is written anew after every cell.

    Args:
        command: by which it was asked for; told beside the table.
        jobs: processes side by side, of one thread each.
        data_root: where local copies of the sources are; None: $GENDATA_DATA.
        on_cell: told of every cell that ends, from this process.

    Raises:
        MissingExtraError: nothing here draws plots.
        ArtifactError: `out` cannot be written, or another process is at work there.
        SourceError: `out` lies among the images of a cell, or there are none.
        GendataError: a process was ended from outside.
    """
    if with_plot:
        require_plots()
    for source in {repr(cell.recipe.source): cell.recipe.source for cell in sweep.cells}.values():
        open_source(source, data_root=data_root).check_apart(out)
    with _held(out):
        return _run(sweep, out, command, jobs, data_root, with_plot, on_cell)


@contextmanager
def _held(out: Path) -> Iterator[None]:
    """The folder `out`, for one process at a time."""
    from filelock import FileLock, Timeout

    lock = FileLock(out / "lock")
    try:
        out.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        raise ArtifactError(
            "another process is sweeping here", where=str(out), remedy="Wait, or choose another --out."
        ) from None
    except OSError as error:
        raise ArtifactError(
            f"cannot be written: {error.strerror}", where=str(out), remedy="Name another --out."
        ) from None
    try:
        yield
    finally:
        lock.release()


def _run(
    sweep: Sweep, out: Path, command: str, jobs: int, data_root: Path | None, with_plot: bool, on_cell: CellHook
) -> SweepResults:
    begun = time.monotonic()
    found = {cell.key: result for cell in sweep.cells if (result := kept(out, cell.key)) is not None}
    missing = {cell.key: cell for cell in sweep.cells if cell.key not in found}
    if missing:
        _check_data(sweep, found, data_root, where=str(out))
    failed: dict[str, str] = {}
    place = Workplace(out=out, scoring=sweep.file.evaluation, data_root=data_root)
    if missing:
        # One worker too: a thread each, so that the numbers do not depend on --jobs.
        with worker_pool(min(jobs, len(missing)), threads=1) as pool:
            futures = {pool.submit(measure_cell, cell, place): cell for cell in missing.values()}
            for future in as_completed(futures):
                cell = futures[future]
                try:
                    found[cell.key] = told = result_of(future)
                except Exception as error:
                    if isinstance(future.exception(), BrokenProcessPool):
                        raise  # no other cell would survive either
                    failure = _told(error, cell)
                    failed[cell.label] = str(failure)
                    on_cell(cell, failure, (time.monotonic() - begun) / 60)
                    continue
                _write(sweep, out, command, found, failed)
                on_cell(cell, told, (time.monotonic() - begun) / 60)
    results = _write(sweep, out, command, found, failed)
    if with_plot and results.table:
        replace_file(out / PLOT, plot_png(sweep, results.table))
    return results


def _told(error: Exception, cell: Cell) -> GendataError:
    """What a cell ended with; of what is nobody's input the traceback too, for whoever mends it."""
    if isinstance(error, GendataError):
        return error
    _log.error("%a ended with an unexpected error", cell.label, exc_info=error)
    return GendataError(f"{type(error).__name__}: {error}", where=cell.label)


def _check_data(sweep: Sweep, found: Mapping[str, CellResult], data_root: Path | None, *, where: str) -> None:
    """That finished cells are of the data that there are now.

    Raises:
        ArtifactError: they are of others.
    """
    fingerprints: dict[str, str] = {}
    for cell in (cell for cell in sweep.cells if cell.key in found and found[cell.key].fingerprint):
        source = cell.recipe.source
        if (name := repr(source)) not in fingerprints:
            fingerprints[name] = open_source(source, data_root=data_root).fingerprint
        if fingerprints[name] != found[cell.key].fingerprint:
            raise ArtifactError(
                f"the finished cells are of data {found[cell.key].fingerprint[:12]}...", where=where,
                expected=f"{fingerprints[name][:12]}..., the data found as {source.name!r}",
                remedy="Name another --out, or point --data at those data.",
            )  # fmt: skip


def _write(
    sweep: Sweep, out: Path, command: str, found: Mapping[str, CellResult], failed: Mapping[str, str]
) -> SweepResults:
    finished = [
        FinishedCell(
            variant=cell.variant,
            settings=dict(cell.settings),
            seed=cell.seed,
            key=cell.key,
            result=found[cell.key],
        )
        for cell in sweep.cells
        if cell.key in found
    ]
    results = SweepResults(
        name=sweep.name,
        sweep=sweep.file,
        command=command,
        environment=environment(),
        table=lines_of(sweep, found),
        cells=finished,
        failed=dict(failed),
        num_missing=len(sweep.cells) - len(finished),
    )
    replace_file(out / RESULTS, msgspec.json.format(msgspec.json.encode(results), indent=1) + b"\n")
    skipped = {
        f"{cell.label}, {row}": why
        for cell in sweep.cells
        if cell.key in found
        for row, why in found[cell.key].skipped.items()
    }
    text = markdown(sweep, results.table, failed={**skipped, **failed}, measured_with=_measured_with(results))
    replace_file(out / TABLE, text.encode("utf-8"))
    return results


def _measured_with(results: SweepResults) -> str:
    told = dict.fromkeys(cell.result.measured_with or "versions not kept" for cell in results.cells)
    missing = f" {results.num_missing} cells are missing." if results.num_missing else ""
    return f"Measured with `{results.command}`; {' and '.join(told)}.{missing}"
