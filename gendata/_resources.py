"""Where the shipped `recipes/` and `hub/` folders are: inside the wheel, or in the checkout."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from gendata.errors import GendataError


@cache
def shipped(name: str) -> Path:
    """The folder `name` ("recipes", "hub") as installed, else as it stands beside pyproject.toml in a checkout."""
    package = Path(__file__).resolve().parent
    installed, checkout = package / "_shipped" / name, package.parent / name
    if installed.is_dir():
        return installed
    if (package.parent / "pyproject.toml").is_file() and checkout.is_dir():
        return checkout
    raise GendataError(
        f"the shipped folder {name!r} is missing",
        where=str(package),
        remedy="Reinstall: pip install --force-reinstall gendata",
    )
