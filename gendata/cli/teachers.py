"""`gendata teacher ...`: networks whose answers serve as labels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from gendata.cli.arguments import DataOption, DataSetArgument, JsonOption, ResizeOption
from gendata.cli.printing import clean, print_facts, print_json

if TYPE_CHECKING:
    from gendata.labels.teacher import Teacher

teacher_app = typer.Typer(
    no_args_is_help=True,
    help=(
        "Teachers: trained networks whose answers serve as labels.\n\n\b\nExamples:\n"
        "  gendata teacher train tiny-imagenet --network resnet18-3x3-tv-bn --out teachers/tiny\n"
        "  gendata teacher info teachers/tiny"
    ),
)


@teacher_app.command("train")
def _train(
    data_set: DataSetArgument,
    out: Annotated[Path, typer.Option("--out", help="The teacher's folder: made.")],
    network: Annotated[str, typer.Option("--network", help="By name, as in `gendata evaluate --networks`.")],
    epochs: Annotated[int | None, typer.Option("--epochs", min=1, help="Passes; default: some 600,000 images.")] = None,
    resize: ResizeOption = None,
    data: DataOption = None,
    device: Annotated[str | None, typer.Option("--device", help="cpu or cuda; default: a GPU if there is one.")] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of everything random.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Train a teacher on train; held-out images of train measure it, test images are never read.

    Killed and run again, the same command goes on. The published protocols with a teacher, sre2l and rded, are of
    colour images alone.

    \b
    Examples:
      gendata teacher train cifar10 --network convnet3-w128-bn --out teachers/cifar
      gendata teacher train tiny-imagenet --network resnet18-3x3-tv-bn --out teachers/tiny --epochs 20 --data ~/data
    """
    from gendata.evaluation.teaching import train_teacher
    from gendata.progress_bars import evaluation_bar
    from gendata.proposal import named_source

    source = named_source(data_set, resize=resize, data_root=data)
    with evaluation_bar() as bar:
        teacher = train_teacher(source, network=network, out=out, epochs=epochs, device=device, seed=seed, progress=bar)
    _print(teacher, as_json=as_json)


@teacher_app.command("info")
def _info(
    path: Annotated[Path, typer.Argument(metavar="TEACHER", help="The teacher's folder.")], as_json: JsonOption = False
) -> None:
    """What a teacher is, what it was trained on and what its labels cost in bytes.

    \b
    Examples:
      gendata teacher info teachers/tiny
      gendata teacher info teachers/tiny --json
    """
    from gendata.labels.teacher import open_teacher

    _print(open_teacher(path), as_json=as_json)


def _print(teacher: Teacher, *, as_json: bool) -> None:
    facts = _facts(teacher)
    if as_json:
        print_json(**facts)
        return
    print_facts(facts)
    if teacher.spec.channels == 3:  # both protocols with a teacher normalise by ImageNet's statistics
        typer.echo(f"Next: gendata evaluate ARTIFACT --protocol rded --teacher {clean(str(teacher.path))}")


def _facts(teacher: Teacher) -> dict[str, Any]:
    record = teacher.record
    trained = record.trained
    return {
        "path": str(teacher.path),
        "network": record.network,
        "num_classes": record.spec.num_classes,
        "image_shape": list(record.spec.shape),
        "bytes": teacher.num_bytes,
        "sha256": teacher.sha256,
        "source": record.source.name if record.source else None,
        "held_out_accuracy": None if trained is None else trained.accuracy,
        "held_out_images": None if trained is None else trained.held_out,
        "epochs": None if trained is None else trained.epochs,
        "settings": None if trained is None else str(msgspec.to_builtins(trained.settings)),
    }
