"""Is a generator condensed to a given accuracy in fewer minutes than pixels, on the same machine? (On digits: no.)

    python benchmarks/wall_clock.py [--out runs/wall-clock] [--seeds 2] [--jobs 1] [--plot wall-clock.png]

`generative` (about 6 kB) against pixel `dm` and `dsa` (IPC 10, 6 kB) on the embedded digits: the same embedding network
(convnet2-w32-in), the same augmentation, one thread each. Each method is run from start to end at several lengths,
every length with its own schedule, several seeds; what a run reaches is the accuracy of students (quick/v1) on images
held out of train. The minutes to an accuracy are those of the shortest run whose mean over seeds reaches it; they hold
everything from the recipe to the saved artifact, the embedding networks of `generative` too.

All begin with noise, but `dm-from-real`, whose images begin as random real ones and so where random-real is: on digits
that is 95 % before the first step, which no speed of optimisation explains.

On a CPU minutes are those of the one thread, so that other people's work on the machine does not count. Killed and
run again it goes on: the runs are sweeps (`gendata recipe sweep`) in the folder `--out`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

import yaml

from gendata.sweeping.running import SweepResults, run_sweep
from gendata.sweeping.sweep import load_sweep

THRESHOLDS = (0.7, 0.8, 0.85, 0.9, 0.92, 0.94, 0.95, 0.96)

# Fewer networks where there is little time for them.
_BRIEF = ["method.options.networks=1", "method.options.network_ages=[20, 60]"]
METHODS: dict[str, dict[str, Any]] = {
    "generative": {
        "base": "digits/generative-16kb",
        "overrides": [
            "artifact.ipc=10",
            "generator.options.widths=[16]",
            "generator.options.rank=12",
            "generator.options.depths=[1]",
            "latent.options.dim=8",
            "latent.options.codes=12",
        ],
        "variants": {
            "75 + 50 steps": [*_BRIEF, "method.options.reconstruct_steps=75", "method.options.steps=50"],
            "150 + 100 steps": [*_BRIEF, "method.options.reconstruct_steps=150", "method.options.steps=100"],
            "300 + 200 steps": ["method.options.reconstruct_steps=300", "method.options.steps=200"],
            "600 + 400 steps": [],
            "1200 + 800 steps": ["method.options.reconstruct_steps=1200", "method.options.steps=800"],
        },
        "rows": ["frozen", "fresh-matched"],
    },
    "dm": {
        "base": "digits/dm",
        "overrides": ["method.options.initial=noise"],
        "variants": {f"{steps} steps": [f"method.options.steps={steps}"] for steps in (60, 125, 250, 500, 1000, 2000)},
        "rows": ["frozen"],
    },
    "dm-from-real": {
        "base": "digits/dm",
        "overrides": [],
        "variants": {f"{steps} steps": [f"method.options.steps={steps}"] for steps in (60, 500)},
        "rows": ["frozen"],
    },
    "dsa": {
        "base": "digits/dsa",
        "overrides": ["method.options.initial=noise"],
        "variants": {f"{count} networks": [f"method.options.networks={count}"] for count in (1, 2, 5, 10, 20)},
        "rows": ["frozen"],
    },
}


class Run(NamedTuple):
    """One length of one method, as one row of an evaluation saw it; means over seeds."""

    method: str
    length: str
    row: str  # "frozen(100)", "fresh-matched"
    minutes: float
    accuracy: float
    n: int  # seeds
    bytes: int


def runs_of(method: str, args: argparse.Namespace) -> list[Run]:
    """Runs the method's sweep, or what is left of it."""
    settings = METHODS[method]
    args.out.mkdir(parents=True, exist_ok=True)
    file = args.out / f"{method}.yaml"
    chosen = {name: settings["variants"][name] for name in list(settings["variants"])[: args.lengths]}
    fields = {
        "summary": f"{method}: accuracy against minutes",
        "base": settings["base"],
        "overrides": settings["overrides"],
        "variants": chosen,
        "seeds": args.seeds,
        "evaluation": {"protocol": "quick/v1", "runs": args.runs, "rows": settings["rows"]},
    }
    file.write_text(yaml.safe_dump(fields, sort_keys=False))
    results = run_sweep(
        load_sweep(file), out=args.out / method, command="benchmarks/wall_clock.py", jobs=args.jobs, with_plot=False
    )
    if results.failed:
        raise SystemExit(f"not measured: {results.failed}")
    rows = list(dict.fromkeys(row.label for cell in results.cells for row in cell.result.rows))
    return [_run(method, length, row, results) for length in chosen for row in rows]


def _run(method: str, length: str, row: str, results: SweepResults) -> Run:
    cells = [cell for cell in results.cells if cell.variant == length]
    accuracies = [scored.mean for cell in cells for scored in cell.result.rows if scored.label == row]
    minutes = [value for cell in cells if (value := cell.result.own_minutes) is not None]
    if not minutes:
        raise SystemExit(f"{method}, {length}: every run was interrupted; remove its artifacts and run again")
    return Run(method, length, row, fmean(minutes), fmean(accuracies), len(cells), cells[0].result.artifact_bytes)


def minutes_to(runs: Sequence[Run], threshold: float) -> float | None:
    """Of the shortest run that reaches `threshold`; None: none does."""
    return min((run.minutes for run in runs if run.accuracy >= threshold), default=None)


def plot(runs: Sequence[Run], path: Path) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.4), dpi=130, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for (method, row), line in by_contender(runs).items():
        line = sorted(line, key=lambda run: run.minutes)
        axes.plot([r.minutes for r in line], [100 * r.accuracy for r in line], marker="o", label=f"{method}, {row}")
    axes.set(xscale="log", xlabel="minutes of condensation", ylabel="validation accuracy, %")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    figure.savefig(path)


def by_contender(runs: Sequence[Run]) -> dict[tuple[str, str], list[Run]]:
    found: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        found.setdefault((run.method, run.row), []).append(run)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/wall-clock"))
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--lengths", type=int, help="so many of each method's lengths, the shortest first; none: all")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--runs", type=int, default=2, help="students per artifact and row")
    parser.add_argument("--jobs", type=int, default=1, help="processes; the minutes of each are its own")
    parser.add_argument("--plot", type=Path, help="a PNG to write; needs matplotlib")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    runs = [run for method in args.methods for run in runs_of(method, args)]
    if args.plot:
        plot(runs, args.plot)
    reached = {
        f"{method}, {row}": {f"{100 * level:g} %": minutes_to(line, level) for level in THRESHOLDS}
        for (method, row), line in by_contender(runs).items()
    }
    if args.json:
        print(json.dumps({"runs": [run._asdict() for run in runs], "minutes_to": reached}, indent=1))
        return
    print(f"{'contender':28} {'length':>16} {'bytes':>7} {'minutes':>8} {'accuracy %':>10} {'n':>3}")
    for run in runs:
        name = f"{run.method}, {run.row}"
        print(f"{name:28} {run.length:>16} {run.bytes:7,} {run.minutes:8.2f} {100 * run.accuracy:10.1f} {run.n:3}")
    print(f"\n{'minutes to an accuracy of':28} " + " ".join(f"{100 * level:>6g} %" for level in THRESHOLDS))
    for name, line in reached.items():
        print(f"{name:28} " + " ".join(f"{'-' if value is None else f'{value:.2f}':>8}" for value in line.values()))


if __name__ == "__main__":
    main()
