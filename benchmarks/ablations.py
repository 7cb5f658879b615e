"""The ablation tables of recipes/README.md, from the folders in which sweeps ran.

    gendata recipe sweep losses --out runs/losses
    python benchmarks/ablations.py runs/losses runs/pool

Each table stands between `<!-- sweep:NAME -->` and `<!-- /sweep:NAME -->`; what is said around it is written by hand.
A plot that the README shows, docs/ablations/NAME.png, is renewed too. Only whole sweeps are taken.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

ROOT = Path(__file__).parents[1]
README, PLOTS = ROOT / "recipes" / "README.md", ROOT / "docs" / "ablations"


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Writes tables of finished sweeps into recipes/README.md.")
    parser.add_argument("folders", nargs="+", type=Path, help="--out of `gendata recipe sweep`")
    text = README.read_text()
    for folder in parser.parse_args().folders:
        text = with_table(text, folder)
    README.write_text(text)


def with_table(text: str, folder: Path) -> str:
    """`text` with the table of the sweep in `folder` in its place."""
    results = json.loads((folder / "results.json").read_text())
    name = results["name"]
    if results["num_missing"] or results["failed"]:
        raise SystemExit(f"{folder}: {results['num_missing']} cells are missing, {len(results['failed'])} failed")
    begin, end = f"<!-- sweep:{name} -->\n", f"<!-- /sweep:{name} -->"
    if begin not in text or end not in text:
        raise SystemExit(f"recipes/README.md has no place for {name}: write {begin}{end} where its table belongs")
    if f"{PLOTS.name}/{name}.png" in text:
        shutil.copyfile(folder / "plot.png", PLOTS / f"{name}.png")
    before, rest = text.split(begin, 1)
    return before + begin + (folder / "table.md").read_text() + end + rest.split(end, 1)[1]


if __name__ == "__main__":
    main()
