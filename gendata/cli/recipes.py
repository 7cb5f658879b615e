"""`gendata recipe ...` and `gendata condense`: from real data to an artifact."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from gendata.cli.arguments import (
    DataOption,
    DataSetArgument,
    DryRunOption,
    JsonOption,
    OutOption,
    RecipeArgument,
    ResizeOption,
    SetOption,
)
from gendata.cli.printing import (
    clean,
    fault_text,
    measured_text,
    parse_bytes,
    print_json,
    print_made,
    print_plan,
    print_table,
    yaml_text,
)
from gendata.errors import GendataError, RecipeError
from gendata.recipe import list_recipes, load_recipe, recipe_path

recipe_app = typer.Typer(
    no_args_is_help=True,
    help=(
        "Recipes: the declared settings of one condensation.\n\n\b\nExamples:\n"
        "  gendata recipe list\n  gendata recipe run digits/generative-demo --out runs/digits"
    ),
)


@recipe_app.command("list")
def _recipe_list(as_json: JsonOption = False) -> None:
    """List the shipped recipes and whether each has been measured.

    \b
    Examples:
      gendata recipe list
      gendata recipe list --json
    """
    recipes = {name: load_recipe(name) for name in list_recipes()}
    if as_json:
        print_json(
            recipes=[
                {"name": n, "summary": r.summary, "measured": bool(r.reference), "reference": r.reference}
                for n, r in recipes.items()
            ]
        )
        return
    print_table(
        ["recipe", "measured", "summary"], [[name, measured_text(r), r.summary] for name, r in sorted(recipes.items())]
    )


@recipe_app.command("show")
def _recipe_show(
    name: RecipeArgument,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print a recipe; with --json its fields, every default written out, and its digest.

    \b
    Examples:
      gendata recipe show digits/generative-demo
      gendata recipe show digits/generative-demo --set seed=1 --json
    """
    recipe = load_recipe(name, overrides=tuple(overrides or ()))
    if as_json:
        resolved = recipe.resolved(where=name)
        print_json(recipe=resolved, digest=resolved.digest())
    elif overrides:
        typer.echo(clean(yaml_text(recipe), keep="\n"), nl=False)
    else:
        typer.echo(clean(recipe_path(name).read_text(encoding="utf-8"), keep="\n"), nl=False)


@recipe_app.command("copy")
def _recipe_copy(
    name: RecipeArgument,
    to: Annotated[Path, typer.Argument(metavar="FILE", help="The new YAML file; never overwrites one.")],
) -> None:
    """Copy a recipe to a file of yours, to change it there.

    \b
    Examples:
      gendata recipe copy digits/generative-demo mine.yaml
      gendata recipe copy fashion-mnist/generative-cpu recipes/fm.yaml
    """
    path = recipe_path(name)
    if to.exists():
        raise RecipeError("exists already", where=str(to), remedy="Name another file, or remove this one.")
    if to.suffix not in (".yaml", ".yml") or not to.parent.is_dir():
        raise RecipeError(f"cannot be written: {to}", expected="a .yaml file in an existing folder")
    shutil.copyfile(path, to)
    typer.echo(f"{clean(str(to))}: change it, then: gendata recipe run {clean(str(to))} --out DIR")


@recipe_app.command("validate")
def _recipe_validate(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME-or-FILE]...", help="None: all the shipped recipes.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check recipes: fields, types, names and every option.

    \b
    Examples:
      gendata recipe validate
      gendata recipe validate mine.yaml
    """
    faults: dict[str, GendataError] = {}
    digests: dict[str, str] = {}
    for name in names or list_recipes():
        try:
            digests[name] = load_recipe(name).resolved(where=name).digest()
        except GendataError as error:
            faults[name] = error
    if as_json:
        print_json(valid=digests, faults={name: f"{type(e).__name__}: {e}" for name, e in faults.items()})
    else:
        for name, digest in digests.items():
            typer.echo(f"{clean(name)}: valid, digest {digest[:12]}")
    for fault in faults.values():
        typer.echo(fault_text(fault), err=True)
    if faults:
        raise typer.Exit(2)


@recipe_app.command("run")
def _recipe_run(
    name: RecipeArgument,
    out: OutOption,
    overrides: SetOption = None,
    dry_run: DryRunOption = False,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make an artifact from a recipe. Killed and run again, the same command resumes.

    \b
    Examples:
      gendata recipe run digits/generative-demo --out runs/digits
      gendata recipe run mine.yaml --out runs/mine --set method.options.steps=500 --dry-run
    """
    from gendata.condensation import condense, plan
    from gendata.progress_bars import condensation_bar

    changes = tuple(overrides or ())
    if dry_run:
        print_plan(plan(name, overrides=changes, data_root=data), as_json=as_json)
        return
    with condensation_bar() as bar:
        artifact = condense(name, out=out, overrides=changes, data_root=data, on_progress=bar)
    path = load_recipe(name, overrides=changes).source.options.get("path")
    print_made(artifact, data=(data or Path()) / path if path else data, as_json=as_json)


def condense_command(
    data_set: DataSetArgument,
    out: OutOption,
    max_bytes: Annotated[
        str | None,
        typer.Option("--bytes", metavar="SIZE", help="Largest artifact: 100kB, 1MB; none: as IPC raw images."),
    ] = None,
    ipc: Annotated[int, typer.Option("--ipc", min=1, help="Images per class of the frozen set.")] = 10,
    resize: ResizeOption = None,
    overrides: SetOption = None,
    dry_run: DryRunOption = False,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Condense your own data: picks the settings by shape, classes and byte budget.

    \b
    Examples:
      gendata condense photos/train --out runs/photos --resize 64
      gendata condense fashion-mnist --out runs/fm --bytes 250kB --ipc 10 --dry-run
    """
    from gendata.condensation import condense, plan
    from gendata.progress_bars import condensation_bar
    from gendata.proposal import propose_recipe

    budget = None if max_bytes is None else parse_bytes(max_bytes)
    changes = (*([] if resize is None else [f"source.options.resize={resize}"]), *(overrides or ()))
    recipe = propose_recipe(data_set, max_bytes=budget, ipc=ipc, overrides=changes, data_root=data)
    if dry_run:
        print_plan(plan(recipe, data_root=data), as_json=as_json)
        return
    with condensation_bar() as bar:
        artifact = condense(recipe, out=out, data_root=data, on_progress=bar)
    print_made(artifact, data=recipe.source.options.get("path") or data, as_json=as_json)
