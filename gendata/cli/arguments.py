"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

RecipeArgument = Annotated[str, typer.Argument(metavar="NAME-or-FILE", help="A shipped recipe's name or a YAML file.")]
ArtifactArgument = Annotated[
    str, typer.Argument(metavar="ARTIFACT", help="A folder, a name of `gendata hub list`, or org/name on the Hub.")
]
FolderArgument = Annotated[Path, typer.Argument(metavar="ARTIFACT", help="The artifact's folder.")]
DataSetArgument = Annotated[
    str, typer.Argument(metavar="FOLDER-or-DATASET", help="A folder of images, or a data set's name.")
]
OutOption = Annotated[Path, typer.Option("--out", help="The artifact's folder: made, or resumed, or left as it is.")]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", metavar="PATH=VALUE", help="Override a field; may be repeated.")
]
DataOption = Annotated[
    Path | None, typer.Option("--data", metavar="DIR", help="Where local data sets are; else $GENDATA_DATA.")
]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Check everything, make nothing.")]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")]
ResizeOption = Annotated[
    int | None, typer.Option("--resize", min=1, metavar="N", help="Make every image N x N pixels.")
]
