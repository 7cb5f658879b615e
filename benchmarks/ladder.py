"""The bytes ladder: what artifacts of three sizes teach, beside real images at the same budget and at the same bytes.

Under `dsa/v1` where a row names no other protocol; "frozen" stores IPC images per class. A second table tells by how
many points they differ, the digits among them under `quick/v1`.

Nothing is trained here: the rows are those sealed in the artifacts that come with gendata; the `reference` of the
recipes that made them names the command of each. `gendata evaluate NAME --recheck` measures them again.

    python benchmarks/ladder.py
    python benchmarks/ladder.py --write    # both tables into README.md
    python benchmarks/ladder.py --json
    python benchmarks/ladder.py runs/mine --ipc 10
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from gendata.artifact.artifact import CondensedArtifact
from gendata.artifact.layout import EVALUATIONS
from gendata.catalog import read_catalog
from gendata.evaluation.page.published import published
from gendata.fetch import open_named

RUNGS = {"fashion-mnist-8kb": 1, "fashion-mnist-78kb": 10, "fashion-mnist-392kb": 50}  # uint8 pixels at that IPC
PROTOCOL, FACTOR_PROTOCOL, NETWORK = "dsa/v1", "idc/v1", "convnet3-w128-in"
SMALL = {"digits": ("quick/v1", "convnet3-w32-in")}  # seen in the second table alone
REAL = ("random-real", "equal-bytes-real", "real-stream", "real-full")
FROZEN, FACTOR, FRESH = "frozen", "frozen, 4 x IPC", "fresh-matched"
BEST = "best comparable published pixels"  # of those in hub/published.yaml
README = Path(__file__).parents[1] / "README.md"


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="The bytes ladder, from sealed rows.")
    parser.add_argument("names", nargs="*", help="artifacts; none: those that come with gendata")
    parser.add_argument("--ipc", type=int, help="of the named artifacts' rows")
    parser.add_argument("--json", action="store_true", help="one object instead of tables")
    parser.add_argument("--write", action="store_true", help="the tables of what comes with gendata into README.md")
    args = parser.parse_args()
    if args.write and (args.names or args.json):
        parser.error("--write puts tables of what comes with gendata into README.md: leave names and --json out")
    rungs = {name: args.ipc or RUNGS.get(name, 1) for name in args.names} or shipped_rungs()
    table = [rung(name, ipc) for name, ipc in rungs.items()]
    if args.json:
        print(json.dumps({"rungs": table}, indent=2))
        return
    small = [] if args.names else [rung(name, 1, *how) for name, how in SMALL.items()]
    tables = {"ladder": markdown(table), "differences": differences([*small, *table])}
    print("\n\n".join(tables.values()))
    if args.write:
        README.write_text(with_tables(README.read_text(), tables))


def with_tables(text: str, tables: dict[str, str]) -> str:
    """`text` with each table in the place of the last one between its marks; what is said before it stays."""
    for name, table in tables.items():
        begin, end = f"<!-- table:{name} -->\n", f"<!-- /table:{name} -->"
        before, rest = text.split(begin, 1)
        inside, after = rest.split(end, 1)
        said = "".join(line for line in inside.splitlines(keepends=True) if not line.startswith("|"))
        text = before + begin + said + table + "\n" + end + after
    return text


def shipped_rungs() -> dict[str, int]:
    """Name and IPC of each rung that comes with gendata."""
    return {name: ipc for name, ipc in RUNGS.items() if name in read_catalog()}


def rung(name: str, ipc: int, protocol: str = PROTOCOL, network: str = NETWORK) -> dict[str, Any]:
    """Sealed rows of one artifact at one IPC.

    Under `idc/v1` the frozen set has four times as many images: the rivals there store four to an image's pixels.
    """
    artifact = open_named(name, also=[EVALUATIONS])
    rows = [row for row in artifact.evaluations() if row["network"] == network]
    picked = {
        FROZEN: _row(rows, protocol, "artifact", "frozen", ipc),
        FACTOR: _row(rows, FACTOR_PROTOCOL, "artifact", "frozen", 4 * ipc),
        FRESH: _row(rows, protocol, "artifact", "fresh-matched", ipc),
        "fresh@10k": _row(rows, protocol, "artifact", "fresh@10k", None),
        **{kind: _row(rows, protocol, kind, "real", None if kind == "real-full" else ipc) for kind in REAL},
    }
    best = {FROZEN: _best(artifact, PROTOCOL, ipc), FACTOR: _best(artifact, FACTOR_PROTOCOL, ipc)}
    return {"name": name, "bytes": artifact.artifact_bytes, "ipc": ipc, "rows": picked, "published": best}


def _row(rows: list[dict[str, Any]], protocol: str, kind: str, mode: str, ipc: int | None) -> dict[str, Any] | None:
    for row in rows:
        wanted = (row["protocol"], row["row"]) == (protocol, kind) and ipc in (None, row["ipc"])
        if wanted and row["mode"].partition("(")[0] == mode:
            return {field: row[field] for field in ("mean", "std", "n", "bytes", "images_seen")}
    return None


def _best(artifact: CondensedArtifact, protocol: str, ipc: int) -> dict[str, Any] | None:
    """The best published number of stored images at that IPC under the same protocol."""
    source = artifact.manifest.source
    data_set = published().data_set_of(source.name, artifact.spec) if source else None
    series = published().comparable(data_set, protocol=protocol, network=NETWORK)
    points = [(point.accuracy, one.method) for one in series for point in one.points if point.ipc == ipc]
    return dict(zip(("accuracy", "method"), max(points), strict=True)) if points else None


def markdown(table: list[dict[str, Any]]) -> str:
    """A column per artifact."""
    lines = [["", *(one["name"] for one in table)], ["---"] * (len(table) + 1)]
    lines.append(["artifact_bytes", *(f"{one['bytes']:,}" for one in table)])
    lines.append(["IPC", *(str(one["ipc"]) for one in table)])
    for row in table[0]["rows"]:
        told = f"{row}, {FACTOR_PROTOCOL}" if row == FACTOR else row
        lines.append([told, *(_cell(one["rows"][row]) for one in table)])
    for row, told in ((FROZEN, PROTOCOL), (FACTOR, f"{FACTOR_PROTOCOL}, up to four in one")):
        lines.append([f"{BEST}, {told}", *(_published(one["published"][row]) for one in table)])
    return _lines(lines)


def differences(table: list[dict[str, Any]]) -> str:
    """What is taught more, in points; a column per artifact."""
    compared = (
        ("new samples, less as many random real images", FRESH, "random-real"),
        ("new samples, less compressed real images in as many bytes", FRESH, "equal-bytes-real"),
        ("new samples, less new real images in every pass", FRESH, "real-stream"),
        ("frozen set, less as many random real images", FROZEN, "random-real"),
        (f"frozen set, less the {BEST}, {PROTOCOL}", FROZEN, None),
        (f"frozen set of 4 x IPC, less the {BEST}, {FACTOR_PROTOCOL}", FACTOR, None),
    )
    lines = [["points", *(one["name"] for one in table)], ["---"] * (len(table) + 1)]
    for told, ours, other in compared:
        lines.append([told, *(_difference(one, ours, other) for one in table)])
    return _lines(lines)


def _difference(one: dict[str, Any], ours: str, other: str | None) -> str:
    """Less a row of ours, or less the best published number."""
    mine, row = one["rows"][ours], one["rows"][other] if other else one["published"][ours]
    if mine is None or row is None:
        return ""
    return f"{100 * mine['mean'] - (100 * row['mean'] if other else row['accuracy']):+.1f}"


def _lines(lines: list[list[str]]) -> str:
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _cell(row: dict[str, Any] | None) -> str:
    if row is None:
        return "not measured"
    return f"{100 * row['mean']:.1f}" + (f" ± {100 * row['std']:.1f}" if row["n"] > 1 else "") + f" (n={row['n']})"


def _published(best: dict[str, Any] | None) -> str:
    return f"{best['accuracy']:.1f} ({best['method']})" if best else ""


if __name__ == "__main__":
    main()
