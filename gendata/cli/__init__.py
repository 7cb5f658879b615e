"""The `gendata` command: parse, call, print; no other logic.

What a command needs is imported inside it, so `gendata --help` and `gendata recipe list` answer without torch. Facts
go to standard output (with `--json` exactly one object), progress and errors to standard error. A GendataError ends
with its message and exit code 2; anything else keeps its traceback.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated, NoReturn

import typer

import gendata
from gendata._memory import keep_freed_memory
from gendata.cli import artifacts, cache, evaluation, hub, imports, recipes, teachers, viewing
from gendata.cli.arguments import JsonOption
from gendata.cli.printing import fault_text, print_facts, print_json
from gendata.errors import GendataError

_INTERRUPTED = 130  # typer's exit code after Ctrl-C

app = typer.Typer(
    name="gendata",
    no_args_is_help=True,
    rich_markup_mode=None,  # text of recipes and artifacts is never read as markup
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs the command line and exits."""
    keep_freed_memory()
    try:
        app(args=None if arguments is None else list(arguments), prog_name="gendata")
    except GendataError as error:
        typer.echo(fault_text(error), err=True)
        sys.exit(2)
    except SystemExit as end:
        if end.code == _INTERRUPTED:
            typer.echo("Interrupted. What trains goes on when the same command is given again.", err=True)
        raise
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
        print_json(**facts)
    else:
        packages = facts.pop("packages")
        print_facts({**facts, **packages})


app.add_typer(recipes.recipe_app, name="recipe")
app.command("condense")(recipes.condense_command)
app.command("info")(artifacts.info)
app.command("verify")(artifacts.verify)
app.command("annotate")(artifacts.annotate)
app.command("sample")(artifacts.sample)
app.command("export")(artifacts.export)
app.command("import")(imports.import_command)
app.command("evaluate")(evaluation.evaluate_command)
app.command("baseline")(evaluation.baseline)
app.add_typer(evaluation.protocol_app, name="protocol")
app.add_typer(teachers.teacher_app, name="teacher")
app.command("view")(viewing.view_command)
app.command("push")(hub.push)
app.command("pull")(hub.pull)
app.add_typer(hub.hub_app, name="hub")
app.add_typer(cache.cache_app, name="cache")
app.command("env")(_env)
