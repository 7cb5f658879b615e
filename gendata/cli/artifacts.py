"""`gendata info|verify|annotate|sample`: commands about one artifact."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from gendata.cli.arguments import ArtifactArgument, FolderArgument, JsonOption
from gendata.cli.printing import clean, facts_of, print_evaluations, print_facts, print_json
from gendata.errors import ArtifactError, IntegrityError, SpecError


def info(name: ArtifactArgument, as_json: JsonOption = False) -> None:
    """What an artifact holds, what it costs in bytes and what was measured on it.

    \b
    Examples:
      gendata info runs/digits
      gendata info digits --json
    """
    from gendata.artifact.layout import EVALUATIONS
    from gendata.fetch import open_named

    facts = facts_of(open_named(name, also=[EVALUATIONS]))
    if as_json:
        print_json(**facts)
        return
    rows = facts.pop("evaluations")
    print_facts(facts)
    if rows:
        print_evaluations(rows, artifact_id=facts["artifact_id"])


def verify(
    name: ArtifactArgument,
    probe: Annotated[
        bool, typer.Option("--probe/--no-probe", help="Make the stored probes again on this machine.")
    ] = True,
    as_json: JsonOption = False,
) -> None:
    """Check every hash and seal, and that this machine reproduces the samples.

    \b
    Examples:
      gendata verify runs/digits --probe
      gendata verify digits --no-probe --json
    """
    from gendata.artifact.layout import EVALUATIONS, PROBES
    from gendata.artifact.probes import verify_probes
    from gendata.artifact.seals import broken_seals
    from gendata.fetch import open_named

    artifact = open_named(name, also=[EVALUATIONS, PROBES])
    artifact.check_files()
    report, faults = verify_probes(artifact) if probe else None, broken_seals(artifact)
    if as_json:
        facts = {**msgspec.to_builtins(report), "meaning": report.meaning} if report else {}
        print_json(path=str(artifact.path), artifact_id=artifact.artifact_id, **facts, broken_seals=faults)
    else:
        tier = f"; tier {report.tier}: {report.meaning}" if report else ""
        typer.echo(f"{clean(name)}: every hash is right{tier}")
    if faults:
        raise IntegrityError("; ".join(faults), where=name, remedy="Measure again: gendata evaluate ARTIFACT --write.")


def annotate(
    path: FolderArgument,
    license: Annotated[str | None, typer.Option("--license", help="SPDX identifier: CC-BY-4.0.")] = None,
    source: Annotated[str | None, typer.Option("--source", help="Where the real data is described: a URL.")] = None,
    citation: Annotated[str | None, typer.Option("--citation", help="How the real data is cited.")] = None,
    as_json: JsonOption = False,
) -> None:
    """State licence, source or citation; samples and artifact_id stay as they are.

    \b
    Examples:
      gendata annotate runs/photos --license CC-BY-4.0
      gendata annotate runs/photos --source https://example.org/photos --citation "Doe 2026"
    """
    from gendata.artifact import amend
    from gendata.fetch import own_folder
    from gendata.licences import EXAMPLES, hub_identifier

    if license is None and source is None and citation is None:
        raise ArtifactError("nothing to state", where=str(path), expected="--license, --source or --citation")
    artifact = amend.annotate(own_folder(str(path)), license=license, source=source, citation=citation)
    if as_json:
        print_json(**facts_of(artifact))
        return
    said = {"license": artifact.manifest.license, "source": source, "citation": citation}
    typer.echo(f"{clean(str(path))}: " + "; ".join(f"{name} {clean(text)}" for name, text in said.items() if text))
    if license is not None and hub_identifier(license) is None:
        typer.echo(
            f"The Hub has no name for {clean(license)!r} and will show it as other; it knows for example {EXAMPLES}."
        )
    typer.echo(f"Next: gendata push {clean(shlex.quote(str(path)))} ORG/NAME --dry-run")


def sample(
    name: ArtifactArgument,
    grid: Annotated[Path, typer.Option("--grid", metavar="FILE", help="The PNG to write, one row per class.")],
    per_class: Annotated[
        int | None, typer.Option("--per-class", min=1, help="Images per row; default: ten, or all the frozen ones.")
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="New images instead of the frozen set's.")] = False,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the fresh images.")] = 0,
) -> None:
    """Draw samples onto one sheet.

    \b
    Examples:
      gendata sample runs/digits --grid grid.png
      gendata sample digits --grid fresh.png --fresh --per-class 20 --seed 1
    """
    from gendata.dataset.grid import check_grid_path, sample_grid, write_grid
    from gendata.fetch import open_named

    if seed and not fresh:
        raise SpecError("--seed without --fresh", expected="both: the frozen set is the same under every seed")
    check_grid_path(grid)
    x_u8 = sample_grid(open_named(name), per_class=per_class, fresh=fresh, seed=seed)
    write_grid(grid, x_u8)
    typer.echo(f"{clean(str(grid))}: {x_u8.shape[0]} classes, {x_u8.shape[1]} images each")


def export(
    name: ArtifactArgument,
    layout: Annotated[
        str,
        typer.Option("--format", metavar="NAME", help="parquet, webdataset, image-folder, numpy, ddranking or onnx."),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Made, or resumed, or checked and left as it is.")],
    fresh: Annotated[
        int | None, typer.Option("--fresh", min=1, metavar="N", help="N new images per class; default: the frozen set.")
    ] = None,
    ipc: Annotated[
        int | None, typer.Option("--ipc", min=1, metavar="N", help="N stored images per class, up to info's max_ipc.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the fresh images.")] = 0,
    epoch: Annotated[int, typer.Option("--epoch", min=0, help="Of the fresh images.")] = 0,
    labels: Annotated[
        str | None, typer.Option("--labels", metavar="hard|soft", help="default: soft ones where it has them.")
    ] = None,
    num_shards: Annotated[
        int | None, typer.Option("--shards", min=1, help="Files of parquet and webdataset; default: by size.")
    ] = None,
    num_proc: Annotated[int, typer.Option("--num-proc", min=1, help="Processes that make and encode images.")] = 1,
    as_json: JsonOption = False,
) -> None:
    """Write an artifact's images as files that other tools read.

    Killed and run again, the same command goes on; a finished export is checked and left as it is.

    \b
    Examples:
      gendata export runs/digits --format parquet --out digits-parquet
      gendata export org/digits --format webdataset --out digits-tar --fresh 100 --seed 1 --num-proc 4
    """
    from gendata.exporters.exporting import export_artifact
    from gendata.fetch import open_named
    from gendata.progress_bars import condensation_bar

    with condensation_bar() as bar:
        files = export_artifact(
            open_named(name),
            format=layout,
            out=out,
            ipc=ipc,
            fresh=fresh,
            seed=seed,
            epoch=epoch,
            labels=labels,  # type: ignore[arg-type]  # checked there
            num_shards=num_shards,
            num_proc=num_proc,
            on_progress=bar,
        )
    num_bytes = sum(file.stat().st_size for file in files)
    if as_json:
        print_json(path=str(out), format=layout, num_files=len(files), num_bytes=num_bytes)
    else:
        typer.echo(f"{clean(str(out))}: {len(files)} files, {num_bytes} bytes, each read back and compared")
