"""`gendata recipe ...` and `gendata condense`: from real data to an artifact."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
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
from gendata.recipe import MAX_IPC, SWEEPS, Recipe, list_recipes, load_recipe, read_fields, recipe_path
from gendata.sweeping.sweep import Sweep, list_sweeps, load_sweep, read_sweep

if TYPE_CHECKING:
    from gendata.sweeping.result import CellResult
    from gendata.sweeping.sweep import Cell

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
                {"name": n, "summary": r.summary, "measured": bool(r.measured), "reference": r.reference}
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
    from gendata.artifact.layout import writing

    path = recipe_path(name)
    if os.path.exists(to):  # False of a name that is too long for any
        raise RecipeError("exists already", where=str(to), remedy="Name another file, or remove this one.")
    if to.suffix not in (".yaml", ".yml") or not os.path.isdir(to.parent):
        raise RecipeError(f"cannot be written: {to}", expected="a .yaml file in an existing folder")
    with writing(to):
        shutil.copyfile(path, to)
    typer.echo(f"{clean(str(to))}: change it, then: gendata recipe run {clean(str(to))} --out DIR")


@recipe_app.command("validate")
def _recipe_validate(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME-or-FILE]...", help="default: all shipped recipes and sweeps."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check recipes: fields, types, names and every option; of sweeps, every recipe that they make.

    \b
    Examples:
      gendata recipe validate
      gendata recipe validate mine.yaml
    """
    faults: dict[str, GendataError] = {}
    digests: dict[str, str] = {}
    for name in names or [*list_recipes(), *list_sweeps()]:
        try:
            digests[name] = _digest(name)
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


def _digest(name: str) -> str:
    is_file = name.endswith((".yaml", ".yml")) and os.path.isfile(name)
    if "base" in read_fields(Path(name)) if is_file else name.startswith(SWEEPS):
        return load_sweep(name).digest()
    recipe = load_recipe(name).resolved(where=name)
    _check_protocol(recipe)
    return recipe.digest()


def _check_protocol(recipe: Recipe) -> None:
    """Raises UnknownNameError if the recipe's result could not be evaluated as the recipe says."""
    from gendata.evaluation.protocols import members_of

    members_of(recipe.evaluation.protocol)


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
    _check_protocol(load_recipe(name, overrides=changes))
    if dry_run:
        print_plan(plan(name, out=out, overrides=changes, data_root=data), as_json=as_json)
        return
    with condensation_bar() as bar:
        artifact = condense(name, out=out, overrides=changes, data_root=data, on_progress=bar)
    path = load_recipe(name, overrides=changes).source.options.get("path")
    print_made(artifact, data=(data or Path()) / path if path else data, as_json=as_json)


@recipe_app.command("sweep")
def _recipe_sweep(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME-or-FILE]", help="A shipped sweep or a YAML file; default: list the shipped."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Made, or taken up again; default: runs/sweep-NAME.")
    ] = None,
    jobs: Annotated[int, typer.Option("--jobs", min=1, help="Processes side by side, one thread each.")] = 1,
    seeds: Annotated[
        int | None, typer.Option("--seeds", min=1, help="So many seeds, from 0; default: as the file says.")
    ] = None,
    plot: Annotated[bool, typer.Option("--plot/--no-plot", help="Draw plot.png; needs gendata[report].")] = True,
    dry_run: DryRunOption = False,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Condense and score variants of a recipe over seeds: one table, one plot.

    Writes results.json, table.md and plot.png into DIR. Killed and run again, the same command goes on: what is
    finished is not repeated. Accuracies are of images held out of train, unless the file says `split: test`.

    \b
    A sweep file:
      summary: Images per class
      base: digits/random-real          # a shipped recipe, or a YAML file beside this one
      overrides: [artifact.ipc=5]       # of every cell
      variants:                         # name: overrides; may be left out
        raw: []
        herded: [method.name=herding]
      grid:                             # path: values; every combination, with every variant
        artifact.storage: [f32, int8]
      seeds: 3                          # or a list
      evaluation: {protocol: quick/v1, runs: 3, rows: [frozen], split: validation}
      plot: {x: artifact.storage}       # a path of the grid, or spread, gap, bytes; may be left out

    \b
    Examples:
      gendata recipe sweep sweeps/losses --dry-run
      gendata recipe sweep mine.yaml --out runs/mine --jobs 4 --seeds 5
    """
    if name is None:
        _list_sweeps(as_json=as_json)
        return
    sweep = load_sweep(name, num_seeds=seeds)
    out = out or Path("runs") / f"sweep-{sweep.name}"
    if dry_run:
        _print_sweep_plan(sweep, out, as_json=as_json)
        return
    from gendata.sweeping.running import run_sweep
    from gendata.sweeping.table import cells_of, columns, footnotes

    def told(cell: Cell, result: CellResult | GendataError, minutes: float) -> None:
        rows = [] if isinstance(result, GendataError) else [f"{r.label} {100 * r.mean:.1f} %" for r in result.rows]
        typer.echo(clean(f"{minutes:.1f} min: {cell.label}: {', '.join(rows) or 'FAILED'}"), err=True)

    command = f"gendata recipe sweep {name}" + (f" --seeds {seeds}" if seeds else "")
    results = run_sweep(sweep, out=out, command=command, jobs=jobs, data_root=data, with_plot=plot, on_cell=told)
    if as_json:
        print_json(**msgspec.to_builtins(results))
    else:
        print_table(columns(sweep), (cells_of(sweep, line) for line in results.table))
        for note in footnotes(sweep, results.table):
            typer.echo(clean(note))
        typer.echo(f"{clean(str(out))}: results.json, table.md" + (", plot.png" if plot else ""))
    for label, why in results.failed.items():
        typer.echo(clean(f"{label} was not measured: {why}", keep="\n"), err=True)
    if results.failed:
        raise typer.Exit(2)


def _list_sweeps(*, as_json: bool) -> None:
    files = {name: read_sweep(name) for name in list_sweeps()}
    if as_json:
        print_json(sweeps=[{"name": name, "summary": file.summary} for name, file in files.items()])
    else:
        print_table(["sweep", "base", "summary"], [[name, f.base, f.summary] for name, f in files.items()])


def _print_sweep_plan(sweep: Sweep, out: Path, *, as_json: bool) -> None:
    """Which cells there are, and which are finished."""
    from gendata.sweeping.result import kept

    rows = [(cell.label, cell.recipe.digest(), kept(out, cell.key) is not None) for cell in sweep.cells]
    if as_json:
        print_json(cells=[{"cell": label, "recipe_digest": digest, "finished": done} for label, digest, done in rows])
        return
    print_table(
        ["cell", "recipe digest", ""],
        [[label, digest[:12], "finished" if done else ""] for label, digest, done in rows],
    )
    typer.echo(f"{len(rows)} cells, {sum(done for *_, done in rows)} finished. Nothing was made: --dry-run.")


def condense_command(
    data_set: DataSetArgument,
    out: OutOption,
    max_bytes: Annotated[
        str | None,
        typer.Option(
            "--bytes", metavar="SIZE", help="Largest artifact: 1MB; default: as IPC raw images, at least 8kB."
        ),
    ] = None,
    ipc: Annotated[int, typer.Option("--ipc", min=1, max=MAX_IPC, help="Images per class of the frozen set.")] = 10,
    resize: ResizeOption = None,
    overrides: SetOption = None,
    dry_run: DryRunOption = False,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Condense your own data: picks the settings by shape, classes and byte budget.

    \b
    Examples:
      gendata condense photos --out runs/photos --resize 64
      gendata condense fashion-mnist --out runs/fm --bytes 250kB --ipc 10 --dry-run
    """
    from gendata.condensation import condense, plan
    from gendata.progress_bars import condensation_bar
    from gendata.proposal import propose

    budget = None if max_bytes is None else parse_bytes(max_bytes)
    changes = (*([] if resize is None else [f"source.options.resize={resize}"]), *(overrides or ()))
    recipe, source = propose(data_set, max_bytes=budget, ipc=ipc, overrides=changes, data_root=data)
    if dry_run:
        print_plan(plan(recipe, out=out, data_root=data, source=source), as_json=as_json)
        return
    with condensation_bar() as bar:
        artifact = condense(recipe, out=out, data_root=data, source=source, on_progress=bar)
    print_made(artifact, data=recipe.source.options.get("path") or data, as_json=as_json)
