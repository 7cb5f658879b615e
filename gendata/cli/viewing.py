"""`gendata view`: look at an artifact in a browser."""

from __future__ import annotations

from typing import Annotated

import typer

from gendata.cli.arguments import ArtifactArgument, DataOption


def view_command(
    name: ArtifactArgument,
    data: DataOption = None,
    port: Annotated[int | None, typer.Option("--port", min=1, max=65535, help="default: a free one.")] = None,
    browser: Annotated[bool, typer.Option("--browser", help="Open the page too.")] = False,
) -> None:
    """Look at an artifact in a browser: samples, walks between them, results, manifest. Stop it with Ctrl-C.

    Real images stand beside the samples for the digits, or where --data says where the source's copy is. Served to
    this machine alone.

    \b
    Examples:
      gendata view runs/digits
      gendata view runs/fm --data ~/data --port 7860
    """
    from gendata.artifact.layout import EVALUATIONS
    from gendata.fetch import open_named
    from gendata.viewer import view

    view(open_named(name, also=[EVALUATIONS]), data_root=data, port=port, open_browser=browser, say=typer.echo)
