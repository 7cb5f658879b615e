"""Progress on standard error: bars at a terminal, else a line where something begins. The library tells; this shows."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress


@contextmanager
def condensation_bar() -> Iterator[Any]:
    """A hook for `condense(on_progress=...)`: one bar, or line, per stage."""
    if not sys.stderr.isatty():
        yield _StageLines()
        return
    with _bars() as bars:
        tasks: dict[str, Any] = {}

        def told(progress: Any) -> None:
            if progress.stage not in tasks:
                tasks[progress.stage] = bars.add_task(progress.stage, total=progress.num_steps)
            bars.update(tasks[progress.stage], completed=progress.step)

        yield told


@contextmanager
def evaluation_bar() -> Iterator[Any]:
    """A `Progress` for `evaluate(progress=...)`: one bar, or line, per row."""
    if not sys.stderr.isatty():
        yield _RowLines()
        return
    with _bars() as bars:
        yield _EvaluationBar(bars)


class _StageLines:
    """For logs. A run that was taken up again begins at a later step than the first."""

    def __init__(self) -> None:
        self.begun: set[str] = set()

    def __call__(self, progress: Any) -> None:
        if progress.stage not in self.begun:
            self.begun.add(progress.stage)
            print(f"{progress.stage}: at step {progress.step} of {progress.num_steps}", file=sys.stderr, flush=True)


class _RowLines:
    """For logs."""

    def begin(self, name: str, mode: str, *, steps: int) -> None:
        print(f"{name} {mode}: {steps} steps", file=sys.stderr, flush=True)

    def advance(self, steps: int) -> None:
        """Nothing is told between."""

    def end(self, row: Any) -> None:
        """The table tells it."""


class _EvaluationBar:
    def __init__(self, bars: RichProgress) -> None:
        self.bars = bars
        self.task: Any = None

    def begin(self, name: str, mode: str, *, steps: int) -> None:
        self.task = self.bars.add_task(f"{name} {mode}", total=steps)

    def advance(self, steps: int) -> None:
        self.bars.advance(self.task, steps)

    def end(self, row: Any) -> None:
        self.bars.stop_task(self.task)


def _bars() -> RichProgress:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    return Progress(
        TextColumn("{task.description}", markup=False),  # names may come from a stranger's manifest
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
