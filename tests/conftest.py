"""What several folders of tests share: a small artifact, and the command line in this process."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

import gendata


@pytest.fixture(autouse=True)
def _seeded() -> None:
    """Every test draws the same numbers on every run: what passes once passes always."""
    torch.manual_seed(0)


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nothing is read from, or left in, the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GENDATA_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def digits_artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An artifact made by a shipped recipe: one real image of each digit. Not to be written to."""
    out = tmp_path_factory.mktemp("runs") / "digits"
    changes = ("artifact.ipc=3", "generator.options.slots=3", "latent.options.slots=3")
    return gendata.condense("digits/random-real", out=out, overrides=changes).path


_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A chromium without a window: the system's, else the one that `playwright install chromium` fetched."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="playwright drives a browser; pip install playwright"
    )
    found = next(filter(None, map(shutil.which, _BROWSERS)), None)
    with playwright.sync_playwright() as driver:
        try:
            opened = driver.chromium.launch(executable_path=found, args=["--no-sandbox"])
        except playwright.Error as error:
            told = str(error).splitlines()[0]
            pytest.skip(f"no browser starts here ({told}); apt-get install chromium, or playwright install chromium")
        yield opened
        opened.close()


@dataclass(frozen=True)
class Outcome:
    """What a command left: its exit code and what it printed."""

    code: int
    out: str
    err: str


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Runs `gendata` with these arguments in this process."""
    from gendata.cli import main

    def run(*arguments: str | Path) -> Outcome:
        capsys.readouterr()
        with pytest.raises(SystemExit) as caught:
            main([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return Outcome(code=int(caught.value.code or 0), out=printed.out, err=printed.err)

    return run
