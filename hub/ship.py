"""Makes, or makes anew, an artifact that comes with gendata: hub/artifacts/NAME and its entry in hub/catalog.yaml.

Runs the recipe, checks that what it made may be published, evaluates it and seals the results into it, copies it here
with a card that names it, writes down its digest, and copies all sealed rows into the recipe's `reference:`. Killed and
run again, it goes on where it was; run with other rows, it adds them. An artifact made anew keeps the rows that it had,
where they do not depend on what is new: those of real images, and of the stored images if these are the same.

    python hub/ship.py digits digits/generative-demo
    python hub/ship.py fashion-mnist-78kb fashion-mnist/generative-78kb --data ~/data --summary "Fashion-MNIST, 28 x 28"
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gendata.artifact.artifact import CondensedArtifact

HUB = Path(__file__).resolve().parent


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Make an artifact that comes with gendata, or make it anew.")
    parser.add_argument("name", help="in the catalogue: digits")
    parser.add_argument("recipe", help="a shipped recipe's name or a YAML file")
    parser.add_argument("--summary", help="in the catalogue; none: as it is, or the recipe's")
    parser.add_argument("--protocol", help="none: the recipe's")
    parser.add_argument("--runs", type=int, help="networks per row; none: the recipe's, or the protocol's")
    parser.add_argument("--rows", help="A,B: which rows; none: the usual ones")
    parser.add_argument("--ipc", type=int, help="of the rows; none: the artifact's")
    parser.add_argument("--jobs", type=int, default=1, help="networks trained at once")
    parser.add_argument("--data", type=Path, help="where local data sets are; else $GENDATA_DATA")
    parser.add_argument("--work", type=Path, default=Path("build/shipped"), help="where it is made")
    args = parser.parse_args()
    rows = args.rows.split(",") if args.rows else None
    entry = ship(
        args.name,
        args.recipe,
        summary=args.summary,
        protocol=args.protocol,
        runs=args.runs,
        rows=rows,
        ipc=args.ipc,
        jobs=args.jobs,
        data_root=args.data,
        work=args.work,
    )
    print(f"{HUB / 'artifacts' / args.name}: {entry['bytes']} bytes, manifest {entry['manifest']}")


def ship(
    name: str,
    recipe: str | Path,
    *,
    hub: Path = HUB,
    work: Path,
    summary: str | None = None,
    protocol: str | None = None,
    runs: int | None = None,
    rows: Sequence[str] | None = None,
    ipc: int | None = None,
    jobs: int = 1,
    overrides: Sequence[str] = (),
    data_root: Path | None = None,
) -> dict[str, Any]:
    """Does all of it; gives the catalogue's entry.

    Args:
        name: of the artifact in the catalogue.
        recipe: what makes it.
        hub: the folder with `artifacts` and `catalog.yaml`.
        work: where it is made, in a folder of its name. An artifact of another recipe there is refused.
        summary: None: the entry's own, or the recipe's.
        protocol, runs, rows, ipc, jobs, data_root: as in `gendata.evaluate`.
        overrides: of the recipe's fields; then it no longer is what the recipe makes, so for tests alone.
    """
    import gendata
    from gendata.artifact.card import render_card
    from gendata.artifact.copying import copy_artifact
    from gendata.artifact.layout import CARD, replace_file
    from gendata.evaluation.record import adopt_rows, record_report
    from gendata.progress_bars import condensation_bar, evaluation_bar
    from gendata.publish.checks import check_publishable

    with condensation_bar() as bar:
        made = gendata.condense(
            recipe, out=work / name, overrides=tuple(overrides), data_root=data_root, on_progress=bar
        )
    check_publishable(made)  # before it is measured at length
    with evaluation_bar() as bar:
        report = gendata.evaluate(
            made, protocol=protocol, runs=runs, rows=rows, ipc=ipc, jobs=jobs, data_root=data_root, progress=bar
        )
    record_report(made.path, report)
    shipped = hub / "artifacts" / name
    if shipped.exists():  # what follows from the same images is not measured again
        print(f"{name}: {adopt_rows(made.path, gendata.open_artifact(shipped))} rows of before kept")
    artifact = gendata.open_artifact(made.path, verify="probe")
    out = copy_artifact(artifact, shipped, replace=True).path
    replace_file(out / CARD, render_card(artifact.manifest, artifact.evaluations(), name=name))
    told = summary or (artifact.manifest.recipe or {}).get("summary")
    entry = {
        "summary": told,
        "manifest": artifact.manifest.digest,
        "bytes": artifact.artifact_bytes,
        "ipc": artifact.ipc,
        "num_classes": artifact.spec.num_classes,
    }
    write_entry(hub / "catalog.yaml", name, entry, keep_summary=summary is None)
    file = hub.parent / "recipes" / f"{recipe}.yaml"
    if file.is_file() and not overrides:
        replace_file(file, with_reference(file.read_text(encoding="utf-8"), name, artifact).encode())
    return entry


def with_reference(recipe: str, name: str, artifact: CondensedArtifact) -> str:
    """The recipe's text, its `reference:`, which stands last, replaced by the artifact's sealed rows."""
    import yaml

    rows = [_reference(name, artifact, row) for row in artifact.evaluations()]
    block = yaml.safe_dump({"reference": rows}, sort_keys=False, allow_unicode=True, width=200)
    return recipe.partition("\nreference:")[0].rstrip("\n") + "\n" + block


def _reference(name: str, artifact: CondensedArtifact, row: dict[str, Any]) -> dict[str, Any]:
    from gendata.artifact.card_rows import read_rows
    from gendata.artifact.row_options import option_of
    from gendata.evaluation.protocols import get_protocol

    chosen = option_of(row["row"], row["mode"])
    command = f"gendata evaluate {name} --protocol {row['protocol']} --rows {chosen} --runs {row['n']}"
    if row["network"] != get_protocol(row["protocol"]).network:
        command += f" --networks {row['network']}"
    (read,) = read_rows([row], artifact_id=artifact.artifact_id)
    command += read.conditions(ipc=artifact.ipc, has_soft_labels=artifact.manifest.labels.kind == "soft")
    machine = row["hardware"]
    threads = machine.get("torch_threads")  # none: a row of before, or not of a CPU
    parts = [f"{machine['cpus']} x {machine['processor']}", machine["cpu_capability"], *machine["accelerators"]]
    if threads:
        parts.append(f"{threads} torch thread{'' if threads == 1 else 's'}")
    told = {
        "row": row["row"],
        "mode": row["mode"],
        "protocol": row["protocol"],
        "mean": round(row["mean"], 4),
        "std": round(row["std"], 4),
        "n": row["n"],
        "bytes": row["bytes"],
        "images_seen": row["images_seen"],
        "hardware": ", ".join(filter(None, parts)),
        "version": f"gendata {row['versions']['gendata']}, torch {row['versions']['torch']}",
        "command": command,
    }
    return {field: value for field, value in told.items() if value is not None}


def write_entry(path: Path, name: str, entry: dict[str, Any], *, keep_summary: bool) -> None:
    """Adds or replaces one entry; the comment at the catalogue's head stays, and so do the other entries."""
    import yaml

    from gendata.artifact.layout import replace_file
    from gendata.catalog import parse_catalog

    text = path.read_text(encoding="utf-8")
    head, entries = text[: text.index("artifacts:")], yaml.safe_load(text)["artifacts"] or {}
    old = entries.get(name, {})
    entries[name] = {**entry, "summary": old["summary"]} if keep_summary and old else entry
    dumped = yaml.safe_dump(
        {"artifacts": dict(sorted(entries.items()))}, sort_keys=False, allow_unicode=True, width=200
    )
    replace_file(path, (head + dumped).encode())
    parse_catalog(path)


if __name__ == "__main__":
    main()
