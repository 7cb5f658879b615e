"""Claim: a network of an evaluation trains faster on a CPU when the process keeps the memory that a step frees.

    python benchmarks/memory.py [--rounds 3] [--steps 9]

Every network takes its steps on random images, in a process of its own: in turn as `gendata evaluate` has it and with
malloc as glibc has it by default. Linux with glibc only; elsewhere both are the same.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from typing import Any

KEPT, GIVEN_BACK = "kept", "given back"
NETWORKS = (
    ("convnet3-w128-in", (1, 28, 28), 256),
    ("convnet4-w32-in", (3, 64, 64), 128),
    ("resnet18-half-bn", (3, 32, 32), 64),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=9)
    parser.add_argument("--json", action="store_true", help='print one JSON object, with "ratios"')
    # The number of a network, and how: what a process of its own is asked for.
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        print(json.dumps(measured(int(args.one[0]), kept=args.one[1] == KEPT, steps=args.steps)))
        return
    ratios, rows = {}, []
    for number, (name, shape, batch) in enumerate(NETWORKS):
        found: dict[str, list[dict[str, float]]] = {KEPT: [], GIVEN_BACK: []}
        for _ in range(args.rounds):
            for how, runs in found.items():
                runs.append(in_a_process(number, how, args.steps))
        for field in ("ms", "peak_mb"):
            medians = {how: statistics.median(run[field] for run in runs) for how, runs in found.items()}
            rows.append((name, shape, batch, field, medians[KEPT], medians[GIVEN_BACK]))
            ratios[f"{field}_kept_vs_given_back_{name}"] = float(f"{medians[KEPT] / medians[GIVEN_BACK]:.3g}")
    if args.json:
        print(json.dumps({"ratios": ratios, "rows": rows, "n": args.rounds}, indent=2))
        return
    print(f"{'network':20}{'images':>18}{'batch':>7}  {'':8}{KEPT:>9}{GIVEN_BACK:>13}   medians of n = {args.rounds}")
    for name, shape, batch, field, kept, given_back in rows:
        print(f"{name:20}{' x '.join(map(str, shape)):>18}{batch:>7}  {field:8}{kept:9.0f}{given_back:13.0f}")


def in_a_process(number: int, how: str, steps: int) -> dict[str, float]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
    command = [sys.executable, __file__, "--one", str(number), how, "--steps", str(steps)]
    told: dict[str, float] = json.loads(subprocess.run(command, env=clean, check=True, capture_output=True).stdout)
    return told


def measured(number: int, *, kept: bool, steps: int) -> dict[str, Any]:
    """Median milliseconds of a step, the first ones aside, and the most memory that was held."""
    from gendata._memory import keep_freed_memory

    if kept:
        keep_freed_memory()
    import torch

    from gendata.networks import build_network
    from gendata.spec import SampleSpec

    name, (channels, height, width), batch = NETWORKS[number]
    spec = SampleSpec(channels=channels, height=height, width=width, classes=tuple(map(str, range(10))))
    network = build_network(name, spec=spec, seed=0)
    x, y = torch.randn(batch, *spec.shape), torch.arange(batch) % 10
    optimiser = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9)
    seconds = []
    for _ in range(steps + 2):
        begun = time.perf_counter()
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(network(x), y).backward()
        optimiser.step()
        seconds.append(time.perf_counter() - begun)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    return {"ms": 1000 * statistics.median(seconds[2:]), "peak_mb": peak_mb}


if __name__ == "__main__":
    main()
