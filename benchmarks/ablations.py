"""The ablation tables of recipes/README.md, from the folders in which sweeps ran.

    gendata recipe sweep losses --out runs/losses
    python benchmarks/ablations.py runs/losses runs/pool

Each table stands between `<!-- sweep:NAME -->` and `<!-- /sweep:NAME -->`; what is said around it is written by hand.
A plot that the README shows, docs/ablations/NAME.png, is renewed too. Only whole sweeps are taken, of the files that
ship today.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

import msgspec

from gendata.sweeping.sweep import load_sweep

ROOT = Path(__file__).parents[1]
README, PLOTS = ROOT / "recipes" / "README.md", ROOT / "docs" / "ablations"


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Writes tables of finished sweeps into recipes/README.md.")
    parser.add_argument("folders", nargs="+", type=Path, help="--out of `gendata recipe sweep`")
    text, plots = README.read_text(), {}
    for folder in parser.parse_args().folders:
        name = finished(folder)
        text = with_table(text, name, (folder / "table.md").read_text())
        if f"{PLOTS.name}/{name}.png" in text:
            plots[name] = folder / "plot.png"
    README.write_text(text)
    PLOTS.mkdir(exist_ok=True)
    for name, plot in plots.items():
        shutil.copyfile(plot, PLOTS / f"{name}.png")


def finished(folder: Path) -> str:
    """Name of the sweep in `folder`, if it is whole and what it swept is what the shipped file says."""
    results = json.loads((folder / "results.json").read_text())
    if results["num_missing"] or results["failed"]:
        raise SystemExit(f"{folder}: {results['num_missing']} cells are missing, {len(results['failed'])} failed")
    if json.loads(msgspec.json.encode(load_sweep(results["name"]).file)) != results["sweep"]:
        raise SystemExit(f"{folder}: sweeps/{results['name']} was changed since; run it again")
    return str(results["name"])


def with_table(text: str, name: str, table: str) -> str:
    """`text` with the sweep's table in its place."""
    begin, end = f"<!-- sweep:{name} -->\n", f"<!-- /sweep:{name} -->"
    if begin not in text or end not in text:
        raise SystemExit(f"recipes/README.md has no place for {name}: write {begin}{end} where its table belongs")
    before, rest = text.split(begin, 1)
    return before + begin + table + end + rest.split(end, 1)[1]


if __name__ == "__main__":
    main()
