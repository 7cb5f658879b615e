"""The bytes ladder: what artifacts of three sizes teach, beside real images at the same budget and at the same bytes.

Under `dsa/v1` where a row names no other protocol; "frozen" stores IPC images per class.

Nothing is trained here: the rows are those sealed in the artifacts that come with gendata, measured by the commands
that the last lines print. `gendata evaluate NAME --recheck` measures them again.

    python benchmarks/ladder.py
    python benchmarks/ladder.py --json
    python benchmarks/ladder.py runs/mine --ipc 10
"""

from __future__ import annotations

import argparse
import json
from typing import Any

from gendata.artifact.layout import EVALUATIONS
from gendata.catalog import read_catalog
from gendata.evaluation.page.published import published
from gendata.fetch import open_named

RUNGS = {"fashion-mnist-8kb": 1, "fashion-mnist-78kb": 10, "fashion-mnist-392kb": 50}  # uint8 pixels at that IPC
PROTOCOL, FACTOR_PROTOCOL, NETWORK = "dsa/v1", "idc/v1", "convnet3-w128-in"
REAL = ("random-real", "equal-bytes-real", "real-stream", "real-full")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="The bytes ladder, from sealed rows.")
    parser.add_argument("names", nargs="*", help="artifacts; none: those that come with gendata")
    parser.add_argument("--ipc", type=int, help="of the named artifacts' rows")
    parser.add_argument("--json", action="store_true", help="one object instead of a table")
    args = parser.parse_args()
    rungs = {name: args.ipc or RUNGS.get(name, 1) for name in args.names} or shipped_rungs()
    table = [rung(name, ipc) for name, ipc in rungs.items()]
    print(json.dumps({"rungs": table}, indent=2) if args.json else markdown(table))


def shipped_rungs() -> dict[str, int]:
    """Name and IPC of each rung that comes with gendata."""
    return {name: ipc for name, ipc in RUNGS.items() if name in read_catalog()}


def rung(name: str, ipc: int) -> dict[str, Any]:
    """Sealed rows of one artifact at one IPC.

    Under `idc/v1` the frozen set has four times as many images: the rivals there store four to an image's pixels.
    """
    artifact = open_named(name, also=[EVALUATIONS])
    rows = [row for row in artifact.evaluations() if row["network"] == NETWORK]
    picked = {
        "frozen": _row(rows, PROTOCOL, "artifact", "frozen", ipc),
        "frozen, 4 x IPC": _row(rows, FACTOR_PROTOCOL, "artifact", "frozen", 4 * ipc),
        "fresh-matched": _row(rows, PROTOCOL, "artifact", "fresh-matched", ipc),
        "fresh@10k": _row(rows, PROTOCOL, "artifact", "fresh@10k", None),
        **{kind: _row(rows, PROTOCOL, kind, "real", None if kind == "real-full" else ipc) for kind in REAL},
    }
    return {"name": name, "bytes": artifact.artifact_bytes, "ipc": ipc, "rows": picked, "published": _best(ipc)}


def _row(rows: list[dict[str, Any]], protocol: str, kind: str, mode: str, ipc: int | None) -> dict[str, Any] | None:
    for row in rows:
        wanted = (row["protocol"], row["row"]) == (protocol, kind) and ipc in (None, row["ipc"])
        if wanted and row["mode"].startswith(mode):
            return {field: row[field] for field in ("mean", "std", "n", "bytes", "images_seen")}
    return None


def _best(ipc: int) -> dict[str, Any] | None:
    """The best published number of stored pixels at that IPC under the same protocol."""
    series = published().comparable("fashion-mnist", protocol=PROTOCOL, network=NETWORK)
    points = [(point.accuracy, one.method) for one in series for point in one.points if point.ipc == ipc]
    return dict(zip(("accuracy", "method"), max(points), strict=True)) if points else None


def markdown(table: list[dict[str, Any]]) -> str:
    """A column per artifact."""
    lines = [["", *(one["name"] for one in table)], ["---"] * (len(table) + 1)]
    lines.append(["artifact_bytes", *(f"{one['bytes']:,}" for one in table)])
    lines.append(["IPC", *(str(one["ipc"]) for one in table)])
    for row in table[0]["rows"]:
        told = f"{row}, {FACTOR_PROTOCOL}" if row == "frozen, 4 x IPC" else row
        lines.append([told, *(_cell(one["rows"][row]) for one in table)])
    lines.append(["published, stored pixels", *(_published(one["published"]) for one in table)])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _cell(row: dict[str, Any] | None) -> str:
    if row is None:
        return "not measured"
    return f"{100 * row['mean']:.1f}" + (f" ± {100 * row['std']:.1f}" if row["n"] > 1 else "") + f" (n={row['n']})"


def _published(best: dict[str, Any] | None) -> str:
    return f"{best['accuracy']:.1f} ({best['method']})" if best else ""


if __name__ == "__main__":
    main()
