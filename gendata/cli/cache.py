"""`gendata cache ...`: what this machine keeps because it would take long to make again."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from gendata.cli.arguments import JsonOption
from gendata.cli.printing import clean, print_json
from gendata.errors import SpecError

if TYPE_CHECKING:
    from gendata.dataset.cache import CachedSet
    from gendata.evaluation.kept import KeptEvaluations

cache_app = typer.Typer(
    no_args_is_help=True,
    help=(
        "Frozen sets that this machine has made, and networks that evaluations have trained.\n\n\b\nExamples:\n"
        "  gendata cache list\n  gendata cache clear"
    ),
)


@cache_app.command("list")
def _list(as_json: JsonOption = False) -> None:
    """List the frozen sets in the cache, the one used last first, and count what evaluations keep.

    \b
    Examples:
      gendata cache list
      gendata cache list --json
    """
    from gendata.dataset.cache import list_cache
    from gendata.evaluation.kept import kept_evaluations

    _print(list_cache(), kept_evaluations(), as_json=as_json)


@cache_app.command("clear")
def _clear(
    artifact_id: Annotated[str | None, typer.Argument(help="Only of this artifact; first digits suffice.")] = None,
    evaluations: Annotated[
        bool, typer.Option("--evaluations", help="Instead of frozen sets: results of networks, which take hours.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Remove frozen sets from the cache, or what evaluations keep; it is made again when needed.

    \b
    Examples:
      gendata cache clear
      gendata cache clear 797924a6
      gendata cache clear --evaluations
    """
    from gendata.dataset.cache import clear_cache
    from gendata.evaluation.kept import clear_evaluations

    if not evaluations:
        _print(clear_cache(artifact_id), None, as_json=as_json)
    elif artifact_id is None:
        _print(None, clear_evaluations(), as_json=as_json)
    else:
        raise SpecError(
            f"--evaluations beside {artifact_id!r}",
            expected="one of them",
            remedy="Results of evaluations are not kept by artifact: leave the artifact out to remove them all.",
        )


def _print(sets: list[CachedSet] | None, kept: KeptEvaluations | None, *, as_json: bool) -> None:
    if as_json:
        print_json(
            **{} if sets is None else {"sets": [{**asdict(one), "path": str(one.path)} for one in sets]},
            **{} if kept is None else {"evaluations": {**asdict(kept), "path": str(kept.path)}},
        )
        return
    if sets is not None:
        for one in sets:
            typer.echo(f"{one.artifact_id[:12]}  {one.num_bytes:>13,} bytes  {one.shape}  {clean(str(one.path))}")
        typer.echo(f"{len(sets)} sets, {sum(one.num_bytes for one in sets):,} bytes")
    if kept is not None:
        networks = f"{kept.num_results} measured, {kept.num_unfinished} unfinished"
        typer.echo(f"networks of evaluations: {networks}, {kept.num_bytes:,} bytes")
