"""`gendata import`: other tools' files as artifacts."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Annotated

import typer

from gendata.cli.arguments import DataOption, JsonOption, ResizeOption
from gendata.cli.printing import clean, facts_of, print_json, print_made


def import_command(
    path: Annotated[Path, typer.Argument(metavar="FILE-or-FOLDER", help="What another tool published.")],
    out: Annotated[Path, typer.Option("--out", help="The artifact's folder; must not exist yet.")],
    layout: Annotated[
        str | None,
        typer.Option("--layout", help="mtt, datm, kip, parquet, folder, dc, idc, ncfm, dim; default: guess."),
    ] = None,
    source: Annotated[
        str | None, typer.Option("--source", help="The real data set by name: cifar10; gives class names.")
    ] = None,
    classes: Annotated[
        str | None,
        typer.Option("--classes", metavar="A,B-or-FILE", help="Class names in label order; FILE: one a line."),
    ] = None,
    space: Annotated[
        str | None, typer.Option("--space", help="What values are: image, normalised, zca; default: as the files say.")
    ] = None,
    mean: Annotated[
        str | None, typer.Option("--mean", metavar="M,M,M", help="Per channel, of values in [0, 1].")
    ] = None,
    std: Annotated[str | None, typer.Option("--std", metavar="S,S,S", help="Per channel, of values in [0, 1].")] = None,
    statistics: Annotated[
        str | None, typer.Option("--statistics", help="Whose published mean and std: dc, mtt, idc, dim, kip, imagenet.")
    ] = None,
    ipc: Annotated[int | None, typer.Option("--ipc", min=1, help="Images per class to take, or to draw (dim).")] = None,
    set_index: Annotated[
        int | None, typer.Option("--set-index", min=0, help="Which of several sets in one file; default: the last.")
    ] = None,
    factor: Annotated[
        int | None, typer.Option("--factor", min=1, max=8, help="Tiles per side of each image (idc, ncfm).")
    ] = None,
    lr: Annotated[float | None, typer.Option("--lr", help="Learning rate that was learned with the images.")] = None,
    soft_labels: Annotated[
        Path | None, typer.Option("--soft-labels", metavar="FILE", help=".npz, .safetensors or .pt: a row per image.")
    ] = None,
    label_values: Annotated[
        str | None, typer.Option("--label-values", help="What soft labels are: probabilities, logits, targets.")
    ] = None,
    store_whitening: Annotated[
        bool, typer.Option("--store-whitening", help="Fit the whitening now and store it; its bytes count.")
    ] = False,
    storage: Annotated[str, typer.Option("--storage", help="Of floats: f32, f16; uint8 rounds pixels.")] = "f32",
    resize: ResizeOption = None,
    license: Annotated[str | None, typer.Option("--license", help="SPDX identifier: CC-BY-4.0.")] = None,
    citation: Annotated[str | None, typer.Option("--citation", help="How the set is cited.")] = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make an artifact of images, or of a generator, that another tool published.

    Values are kept as they are. What the files do not say is asked for; what was guessed is told.

    \b
    Examples:
      gendata import res_DSA_CIFAR10_ConvNet_10ipc.pt --out runs/dsa
      gendata import mtt/images_best.pt --out runs/mtt --source cifar10 --space zca --lr 0.0178
    """
    from gendata.importers.importing import import_artifact

    notes: list[str] = []
    artifact = import_artifact(
        path,
        out=out,
        layout=layout,
        source=source,
        data_root=data,
        classes=_names(classes),
        ipc=ipc,
        space=space,
        statistics=statistics,
        mean=_numbers(mean, "--mean"),
        std=_numbers(std, "--std"),
        store_whitening=store_whitening,
        lr=lr,
        factor=factor,
        set_index=set_index,
        soft_labels=soft_labels,
        label_values=label_values,
        storage=storage,
        resize=resize,
        license=license,
        citation=citation,
        say=notes.append,
    )
    if as_json:
        print_json(**facts_of(artifact), notes=notes)
        return
    for note in notes:
        typer.echo(f"note: {clean(note)}", err=True)
    print_made(artifact, data=data, as_json=False)


def _names(text: str | None) -> tuple[str, ...] | None:
    """Names between commas, or the lines of a file, which may hold commas."""
    if text is None:
        return None
    try:
        lines = Path(text).read_text(encoding="utf-8").splitlines() if Path(text).is_file() else text.split(",")
    except UnicodeDecodeError:
        raise typer.BadParameter(f"{text} is not in UTF-8", param_hint="--classes") from None
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise typer.BadParameter(f"{text}: {error.strerror}", param_hint="--classes") from None
        lines = text.split(",")
    return tuple(line.strip() for line in lines if line.strip())


def _numbers(text: str | None, option: str) -> tuple[float, ...] | None:
    try:
        return None if text is None else tuple(float(part) for part in text.split(","))
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no list of numbers; write 0.5,0.5,0.5", param_hint=option) from None
