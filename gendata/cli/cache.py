"""`gendata cache ...`: frozen sets that this machine has made."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from gendata.cli.arguments import JsonOption
from gendata.cli.printing import clean, print_json

if TYPE_CHECKING:
    from gendata.dataset.cache import CachedSet

cache_app = typer.Typer(
    no_args_is_help=True,
    help=(
        "Frozen sets that this machine has made and keeps.\n\n\b\nExamples:\n"
        "  gendata cache list\n  gendata cache clear"
    ),
)


@cache_app.command("list")
def _list(as_json: JsonOption = False) -> None:
    """List the frozen sets in the cache, the one used last first.

    \b
    Examples:
      gendata cache list
      gendata cache list --json
    """
    from gendata.dataset.cache import list_cache

    _print(list_cache(), as_json=as_json)


@cache_app.command("clear")
def _clear(
    artifact_id: Annotated[str | None, typer.Argument(help="Only of this artifact; first digits suffice.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Remove frozen sets from the cache; they are made again when needed.

    \b
    Examples:
      gendata cache clear
      gendata cache clear 797924a6
    """
    from gendata.dataset.cache import clear_cache

    _print(clear_cache(artifact_id), as_json=as_json)


def _print(found: list[CachedSet], *, as_json: bool) -> None:
    if as_json:
        print_json(sets=[{**asdict(one), "path": str(one.path)} for one in found])
        return
    for one in found:
        typer.echo(f"{one.artifact_id[:12]}  {one.num_bytes:>13,} bytes  {one.shape}  {clean(str(one.path))}")
    typer.echo(f"{len(found)} sets, {sum(one.num_bytes for one in found):,} bytes")
