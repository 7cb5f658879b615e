"""`gendata info|verify|annotate|sample`: commands about one artifact."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from gendata.cli.arguments import ArtifactArgument, JsonOption
from gendata.cli.printing import clean, facts_of, print_evaluations, print_facts, print_json, print_made
from gendata.errors import ArtifactError, IntegrityError


def info(path: ArtifactArgument, as_json: JsonOption = False) -> None:
    """What an artifact holds and what it costs in bytes.

    \b
    Examples:
      gendata info runs/digits
      gendata info runs/digits --json
    """
    from gendata.artifact.artifact import open_artifact

    facts = facts_of(open_artifact(path))
    if as_json:
        print_json(**facts)
        return
    rows = facts.pop("evaluations")
    print_facts(facts)
    if rows:
        print_evaluations(rows)


def verify(
    path: ArtifactArgument,
    probe: Annotated[
        bool, typer.Option("--probe/--no-probe", help="Make the stored probes again on this machine.")
    ] = True,
    as_json: JsonOption = False,
) -> None:
    """Check every hash and seal, and that this machine reproduces the samples.

    \b
    Examples:
      gendata verify runs/digits --probe
      gendata verify runs/digits --no-probe --json
    """
    from gendata.artifact.artifact import open_artifact
    from gendata.artifact.probes import verify_probes
    from gendata.artifact.seals import broken_seals

    artifact = open_artifact(path)
    report, faults = verify_probes(artifact) if probe else None, broken_seals(artifact)
    if as_json:
        facts = {**msgspec.to_builtins(report), "meaning": report.meaning} if report else {}
        print_json(path=str(path), artifact_id=artifact.artifact_id, **facts, broken_seals=faults)
    else:
        tier = f"; tier {report.tier}: {report.meaning}" if report else ""
        typer.echo(f"{clean(str(path))}: every hash is right{tier}")
    if faults:
        raise IntegrityError(
            "; ".join(faults), where=str(path), remedy="Measure again: gendata evaluate ARTIFACT --write."
        )


def annotate(
    path: ArtifactArgument,
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

    if license is None and source is None and citation is None:
        raise ArtifactError("nothing to state", where=str(path), expected="--license, --source or --citation")
    artifact = amend.annotate(path, license=license, source=source, citation=citation)
    print_made(artifact, as_json=as_json)


def sample(
    path: ArtifactArgument,
    grid: Annotated[Path, typer.Option("--grid", metavar="FILE", help="The PNG to write, one row per class.")],
    per_class: Annotated[
        int | None, typer.Option("--per-class", min=1, help="Images per row; none: ten, or all the frozen ones.")
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="New images instead of the frozen set's.")] = False,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the fresh images.")] = 0,
) -> None:
    """Draw samples onto one sheet.

    \b
    Examples:
      gendata sample runs/digits --grid grid.png
      gendata sample runs/digits --grid fresh.png --fresh --per-class 20 --seed 1
    """
    from gendata.artifact.artifact import open_artifact
    from gendata.dataset.grid import check_grid_path, sample_grid, write_grid

    check_grid_path(grid)
    x_u8 = sample_grid(open_artifact(path), per_class=per_class, fresh=fresh, seed=seed)
    write_grid(grid, x_u8)
    typer.echo(f"{clean(str(grid))}: {x_u8.shape[0]} classes, {x_u8.shape[1]} images each")


def export(
    path: ArtifactArgument,
    layout: Annotated[
        str,
        typer.Option("--format", metavar="NAME", help="parquet, webdataset, image-folder, numpy, ddranking or onnx."),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Made, or resumed, or checked and left as it is.")],
    fresh: Annotated[
        int | None, typer.Option("--fresh", min=1, metavar="N", help="N new images per class; none: the frozen set.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the fresh images.")] = 0,
    epoch: Annotated[int, typer.Option("--epoch", min=0, help="Of the fresh images.")] = 0,
    labels: Annotated[
        str | None, typer.Option("--labels", metavar="hard|soft", help="None: soft ones where the artifact has them.")
    ] = None,
    num_shards: Annotated[
        int | None, typer.Option("--shards", min=1, help="Files of parquet and webdataset; none: by size.")
    ] = None,
    num_proc: Annotated[int, typer.Option("--num-proc", min=1, help="Processes that make and encode images.")] = 1,
    as_json: JsonOption = False,
) -> None:
    """Write an artifact's images as files that other tools read.

    Killed and run again, the same command goes on; a finished export is checked and left as it is.

    \b
    Examples:
      gendata export runs/digits --format parquet --out digits-parquet
      gendata export runs/digits --format webdataset --out digits-tar --fresh 100 --seed 1 --num-proc 4
    """
    from gendata.exporters.exporting import export_artifact
    from gendata.progress_bars import condensation_bar

    with condensation_bar() as bar:
        files = export_artifact(
            path,
            format=layout,
            out=out,
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
