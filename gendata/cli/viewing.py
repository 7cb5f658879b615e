"""`gendata view`: look at an artifact in a browser."""

from __future__ import annotations

from typing import Annotated

import typer

from gendata.cli.arguments import DataOption


def view_command(
    name: Annotated[
        str, typer.Argument(metavar="ARTIFACT", help="A folder, a name of `gendata hub list`, or org/name on the Hub.")
    ],
    data: DataOption = None,
    port: Annotated[int | None, typer.Option("--port", min=1, max=65535, help="None: a free one.")] = None,
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
    from gendata.fetch import locate, open_located
    from gendata.hub_access import HubAccess
    from gendata.viewer import view

    artifact = open_located(locate(name), HubAccess(), verify="hash", whole=True)  # its results too
    view(artifact, data_root=data, port=port, open_browser=browser, say=typer.echo)
