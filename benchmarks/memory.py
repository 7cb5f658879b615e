"""Claim: a recipe takes less time on a CPU when the process keeps the memory that a step frees.

    python benchmarks/memory.py [--rounds 3] [--recipe digits/generative-demo] [--set method.options.steps=100]

Runs the recipe through the command line, in turn as it is and with malloc as glibc has it by default, and compares the
weights, which must be the same bytes. Linux with glibc only; elsewhere both are the same.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

KEPT, GIVEN_BACK = "kept", "given back"
ENVIRONMENTS: dict[str, dict[str, str]] = {
    KEPT: {},
    GIVEN_BACK: {"GLIBC_TUNABLES": "glibc.malloc.perturb=0"},  # its default, but the user's wish: gendata tunes nothing
}


class Run(NamedTuple):
    """What one run took."""

    seconds: float
    system_seconds: float  # of processor time, in the system
    peak_mb: float


def run(command: list[str], environment: dict[str, str]) -> Run:
    started = time.perf_counter()
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
    process = subprocess.Popen(command, env={**clean, **environment}, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(command)} ended with {os.waitstatus_to_exitcode(status)}")
    return Run(time.perf_counter() - started, used.ru_stime, used.ru_maxrss / 1000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="digits/generative-demo")
    parser.add_argument("--set", action="append", default=[], dest="overrides")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true", help='print one JSON object, with "ratios"')
    args = parser.parse_args()

    runs: dict[str, list[Run]] = {name: [] for name in ENVIRONMENTS}
    weights = set()
    options = [part for override in args.overrides for part in ("--set", override)]
    with tempfile.TemporaryDirectory(prefix="gendata-memory-") as root:
        for number in range(args.rounds):
            for name, environment in ENVIRONMENTS.items():
                out = Path(root, f"{number}-{name.replace(' ', '-')}")
                command = [sys.executable, "-m", "gendata", "recipe", "run", args.recipe, "--out", str(out), *options]
                runs[name].append(run(command, environment))
                weights.add(b"".join(file.read_bytes() for file in sorted(out.glob("*.safetensors"))))
    medians = {name: Run(*map(statistics.median, zip(*made, strict=True))) for name, made in runs.items()}
    ratios = {
        f"{field}_kept_vs_given_back": float(
            f"{getattr(medians[KEPT], field) / getattr(medians[GIVEN_BACK], field):.3g}"
        )
        for field in Run._fields
    }
    if args.json:
        listed = {name: [made._asdict() for made in all_made] for name, all_made in runs.items()}
        print(json.dumps({"ratios": ratios, "runs": listed, "same_weights": len(weights) == 1}, indent=2))
    else:
        for name, made in medians.items():
            print(
                f"{name:12}{made.seconds:8.1f} s,{made.system_seconds:7.1f} s of it the system's,{made.peak_mb:7.0f} MB"
            )
        print(f"medians of n = {args.rounds}; ", *(f"{name} {value}" for name, value in ratios.items()), sep="  ")
        print("same weights" if len(weights) == 1 else "weights differ")
    if len(weights) != 1:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
