"""The `gendata` command: parse, call, print; no other logic.

What a command needs is imported inside it, so `gendata --help` and `gendata recipe list` answer without torch. Facts
go to standard output (with `--json` exactly one object), progress and errors to standard error. A GendataError ends
with its message and exit code 2; anything else keeps its traceback.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import msgspec
import typer

import gendata
from gendata.errors import ArtifactError, GendataError, RecipeError
from gendata.recipe import Recipe, list_recipes, load_recipe, recipe_path

if TYPE_CHECKING:
    from gendata.artifact.artifact import CondensedArtifact
    from gendata.condensation import Plan
    from gendata.evaluation.report import Report

app = typer.Typer(
    name="gendata",
    no_args_is_help=True,
    rich_markup_mode=None,  # text of recipes and artifacts is never read as markup
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
recipe_app = typer.Typer(
    no_args_is_help=True,
    help=(
        "Recipes: the declared settings of one condensation.\n\n\b\nExamples:\n"
        "  gendata recipe list\n  gendata recipe run digits/generative-demo --out runs/digits"
    ),
)
app.add_typer(recipe_app, name="recipe")

RecipeArgument = Annotated[str, typer.Argument(metavar="NAME-or-FILE", help="A shipped recipe's name or a YAML file.")]
ArtifactArgument = Annotated[Path, typer.Argument(metavar="ARTIFACT", help="The artifact's folder.")]
OutOption = Annotated[Path, typer.Option("--out", help="The artifact's folder: made, or resumed, or left as it is.")]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", metavar="PATH=VALUE", help="Override a field; may be repeated.")
]
DataOption = Annotated[
    Path | None, typer.Option("--data", metavar="DIR", help="Where local data sets are; else $GENDATA_DATA.")
]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Check everything, make nothing.")]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")]


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs the command line and exits."""
    try:
        app(args=None if arguments is None else list(arguments), prog_name="gendata")
    except GendataError as error:
        typer.echo(_fault(error), err=True)
        sys.exit(2)
    sys.exit(0)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"gendata {gendata.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Condensed datasets as publishable artifacts.

    \b
    Examples:
      gendata recipe run digits/generative-demo --out runs/digits
      gendata info runs/digits
    """


# --- recipes ---------------------------------------------------------------------------------------------------------


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
        _print_json(
            recipes=[
                {"name": n, "summary": r.summary, "measured": bool(r.reference), "reference": r.reference}
                for n, r in recipes.items()
            ]
        )
        return
    _print_table(
        ["recipe", "measured", "summary"], [[name, _measured(r), r.summary] for name, r in sorted(recipes.items())]
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
        _print_json(recipe=resolved, digest=resolved.digest())
    elif overrides:
        typer.echo(_clean(_yaml(recipe), keep="\n"), nl=False)
    else:
        typer.echo(_clean(recipe_path(name).read_text(encoding="utf-8"), keep="\n"), nl=False)


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
    typer.echo(f"{_clean(str(to))}: change it, then: gendata recipe run {_clean(str(to))} --out DIR")


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
        _print_json(valid=digests, faults={name: f"{type(e).__name__}: {e}" for name, e in faults.items()})
    else:
        for name, digest in digests.items():
            typer.echo(f"{_clean(name)}: valid, digest {digest[:12]}")
    for fault in faults.values():
        typer.echo(_fault(fault), err=True)
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
        _print_plan(plan(name, overrides=changes, data_root=data), as_json=as_json)
        return
    with condensation_bar() as bar:
        artifact = condense(name, out=out, overrides=changes, data_root=data, on_progress=bar)
    path = load_recipe(name, overrides=changes).source.options.get("path")
    _print_made(artifact, data=(data or Path()) / path if path else data, as_json=as_json)


@app.command("condense")
def _condense(
    data_set: Annotated[
        str, typer.Argument(metavar="FOLDER-or-DATASET", help="A folder of images, or a data set's name.")
    ],
    out: OutOption,
    max_bytes: Annotated[
        str | None,
        typer.Option("--bytes", metavar="SIZE", help="Largest artifact: 100kB, 1MB; none: as IPC raw images."),
    ] = None,
    ipc: Annotated[int, typer.Option("--ipc", min=1, help="Images per class of the frozen set.")] = 10,
    resize: Annotated[
        int | None, typer.Option("--resize", min=1, metavar="N", help="Make every image N x N pixels.")
    ] = None,
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

    budget = None if max_bytes is None else _parse_bytes(max_bytes)
    changes = (*([] if resize is None else [f"source.options.resize={resize}"]), *(overrides or ()))
    recipe = propose_recipe(data_set, max_bytes=budget, ipc=ipc, overrides=changes, data_root=data)
    if dry_run:
        _print_plan(plan(recipe, data_root=data), as_json=as_json)
        return
    with condensation_bar() as bar:
        artifact = condense(recipe, out=out, data_root=data, on_progress=bar)
    _print_made(artifact, data=recipe.source.options.get("path") or data, as_json=as_json)


# --- artifacts -------------------------------------------------------------------------------------------------------


@app.command("info")
def _info(path: ArtifactArgument, as_json: JsonOption = False) -> None:
    """What an artifact holds and what it costs in bytes.

    \b
    Examples:
      gendata info runs/digits
      gendata info runs/digits --json
    """
    from gendata.artifact.artifact import open_artifact

    facts = _facts(open_artifact(path))
    if as_json:
        _print_json(**facts)
    else:
        _print_facts(facts)


@app.command("verify")
def _verify(path: ArtifactArgument, as_json: JsonOption = False) -> None:
    """Check every hash, and that this machine reproduces the samples.

    \b
    Examples:
      gendata verify runs/digits
      gendata verify runs/digits --json
    """
    from gendata.artifact.artifact import open_artifact
    from gendata.artifact.probes import verify_probes

    artifact = open_artifact(path)
    report = verify_probes(artifact)
    if as_json:
        _print_json(path=str(path), artifact_id=artifact.artifact_id, **msgspec.to_builtins(report))
    else:
        typer.echo(f"{_clean(str(path))}: every hash is right; tier {report.tier}: {report.meaning}")


@app.command("annotate")
def _annotate(
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
    from gendata.artifact.amend import annotate

    if license is None and source is None and citation is None:
        raise ArtifactError("nothing to state", where=str(path), expected="--license, --source or --citation")
    artifact = annotate(path, license=license, source=source, citation=citation)
    _print_made(artifact, as_json=as_json)


@app.command("sample")
def _sample(
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
    typer.echo(f"{_clean(str(grid))}: {x_u8.shape[0]} classes, {x_u8.shape[1]} images each")


@app.command("evaluate")
def _evaluate(
    path: ArtifactArgument,
    protocol: Annotated[
        str | None, typer.Option("--protocol", help="How students are trained and tested; none: as its recipe says.")
    ] = None,
    runs: Annotated[
        int | None, typer.Option("--runs", min=1, help="Networks per row; none: the recipe's, or the protocol's.")
    ] = None,
    rows: Annotated[
        str | None, typer.Option("--rows", metavar="A,B", help="Which rows: frozen,random-real,...; none: all.")
    ] = None,
    data: DataOption = None,
    write: Annotated[bool, typer.Option("--write", help="Keep the rows in the artifact's evaluations.json.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Train students on the artifact and on its baselines; test them on real images.

    \b
    Examples:
      gendata evaluate runs/digits --protocol quick/v1
      gendata evaluate runs/fm --runs 1 --rows frozen,random-real --data ~/data --json
    """
    from gendata.evaluation import evaluate
    from gendata.evaluation.record import record_report
    from gendata.progress_bars import evaluation_bar

    chosen = tuple(rows.split(",")) if rows else None
    with evaluation_bar() as bar:
        report = evaluate(path, protocol=protocol, runs=runs, rows=chosen, data_root=data, progress=bar)
    _print_report(report, as_json=as_json)  # first: nothing that fails while writing may lose what was measured
    if write:
        record_report(path, report)


@app.command("env")
def _env(as_json: JsonOption = False) -> None:
    """Versions, processor and accelerators: what an issue report needs.

    \b
    Examples:
      gendata env
      gendata env --json
    """
    from gendata._environment import environment

    facts = environment()
    if as_json:
        _print_json(**facts)
    else:
        packages = facts.pop("packages")
        _print_facts({**facts, **packages})


# --- printing --------------------------------------------------------------------------------------------------------


def _print_plan(plan: Plan, *, as_json: bool) -> None:
    facts = {**msgspec.to_builtins(plan), "digest": plan.recipe.digest()}
    if as_json:
        _print_json(**facts)
    else:
        stages = [f"{name}: {steps} steps" for name, steps in facts.pop("stages")]
        del facts["recipe"]
        _print_facts({**facts, "stages": stages or "none"})
        typer.echo("Nothing was made: --dry-run.")


def _print_made(artifact: CondensedArtifact, *, data: str | Path | None = None, as_json: bool) -> None:
    """`data`: what `evaluate` must be told to find the real images again."""
    if as_json:
        _print_json(**_facts(artifact))
        return
    typer.echo(
        f"{_clean(str(artifact.path))}: {artifact.artifact_bytes} bytes for {artifact.spec.num_classes} classes, "
        f"IPC {artifact.ipc}, id {artifact.artifact_id[:12]}"
    )
    path = _clean(shlex.quote(str(artifact.path)))
    found = f" --data {_clean(shlex.quote(str(data)))}" if data else ""
    typer.echo(f"Next: gendata sample {path} --grid grid.png; gendata evaluate {path}{found}")


def _facts(artifact: CondensedArtifact) -> dict[str, Any]:
    manifest = artifact.manifest
    return {
        "path": str(artifact.path),
        "artifact_id": artifact.artifact_id,
        "format_version": manifest.format_version,
        "artifact_bytes": artifact.artifact_bytes,
        "manifest_bytes": artifact.manifest_bytes,
        "folder_bytes": artifact.folder_bytes,
        "ipc": artifact.ipc,
        "num_classes": artifact.spec.num_classes,
        "image_shape": list(artifact.spec.shape),
        "generator": manifest.generator.name,
        "macs_per_image": artifact.generator.macs_per_image(),
        "latent": manifest.latent.name,
        "labels": manifest.labels.kind,
        "source": manifest.source.name if manifest.source else None,
        "license": manifest.license,
        "citation": manifest.citation,
        "recipe_digest": manifest.recipe_digest,
    }


def _print_report(report: Report, *, as_json: bool) -> None:
    if as_json:
        _print_json(**report.to_dict())
        return
    _print_table(report.columns(), report.cells())
    typer.echo(f"{report.protocol}, {report.network}, {report.source}: test accuracy, mean ± std over n networks")
    for row, reason in report.skipped.items():
        typer.echo(f"{row} was not measured: {_clean(reason)}")


def _print_json(**facts: Any) -> None:
    typer.echo(json.dumps(msgspec.to_builtins(facts)))


def _print_facts(facts: dict[str, Any]) -> None:
    width = max(len(name) for name in facts)
    for name, value in facts.items():
        text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else "-" if value is None else str(value)
        typer.echo(f"{_clean(name):<{width}}  {_clean(text)}")


def _print_table(header: list[str], rows: Iterable[list[str]]) -> None:
    lines = [header, *[[_clean(cell) for cell in row] for row in rows]]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    for line in lines:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _clean(text: str, *, keep: str = "") -> str:
    """`text` without control and format characters: a stranger's recipe or manifest must not steer a terminal."""
    return "".join(c for c in text if c in keep or unicodedata.category(c) not in ("Cc", "Cf"))


def _fault(error: GendataError) -> str:
    return f"{type(error).__name__}: {_clean(str(error), keep=chr(10))}"


def _measured(recipe: Recipe) -> str:
    if not recipe.reference:
        return "not measured"
    best = recipe.reference[0]
    return f"{100 * best.mean:.1f} ± {100 * best.std:.1f} % ({best.row}, {best.mode}, {best.protocol}, n={best.n})"


def _yaml(recipe: Recipe) -> str:
    import yaml

    text: str = yaml.safe_dump(msgspec.to_builtins(recipe), sort_keys=False, allow_unicode=True)
    return text


_UNITS = {"": 1, "b": 1, "kb": 1000, "mb": 1000**2, "kib": 1024, "mib": 1024**2}


def _parse_bytes(text: str) -> int:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)", text.strip())
    unit = _UNITS.get(match[2].lower()) if match else None
    if match is None or unit is None or float(match[1]) * unit < 1:
        raise typer.BadParameter(f"{text!r} is not a size; write 100kB or 1MB", param_hint="--bytes")
    return int(float(match[1]) * unit)
