"""`gendata push|pull` and `gendata hub list|search`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from gendata.cli import hub as commands
from gendata.errors import ArtifactError, HubError
from gendata.fetch import shipped_folder

pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

DIGITS = shipped_folder("digits")


@pytest.fixture
def run(hub: Any, loopback: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """The commands in this process, logged in as the writer."""
    monkeypatch.setenv("HF_TOKEN", loopback.WRITER)
    app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)
    app.command("push")(commands.push)
    app.command("pull")(commands.pull)
    app.add_typer(commands.hub_app, name="hub")

    def call(*arguments: str | Path, online: bool = True) -> Result:
        words = [str(argument) for argument in arguments]
        return CliRunner().invoke(app, [*words, "--endpoint", hub.url] if online else words)

    return call


def test_an_artifact_goes_up_by_one_command_and_comes_down_by_another(
    run: Callable[..., Result], tmp_path: Path
) -> None:
    pushed = run("push", DIGITS, "org/digits", "--tag", "v1.0.0")
    assert pushed.exit_code == 0, pushed.exception
    assert 'Next: gendata.load_condensed("org/digits@v1.0.0")' in pushed.output
    assert "generator.safetensors" in pushed.output
    pulled = run("pull", "org/digits@v1.0.0", "--out", tmp_path / "digits", "--json")
    facts = json.loads(pulled.stdout)
    assert facts["path"] == str(tmp_path / "digits")
    assert (tmp_path / "digits" / "data" / "train-00000-of-00001.parquet").exists()
    again = json.loads(run("push", tmp_path / "digits", "org/digits", "--json").stdout)
    assert {file["change"] for file in again["files"]} == {"same"}
    assert again["manifest"] == facts["manifest"]


def test_a_dry_run_shows_files_and_card(run: Callable[..., Result], hub: Any) -> None:
    told = run("push", DIGITS, "org/digits", "--dry-run", "--no-parquet", "--private")
    assert told.exit_code == 0, told.exception
    assert "Nothing was published" in told.output
    assert "none: left out" in told.output
    assert "+# Condensed dataset: digits" in told.output
    assert hub.repositories == {}


def test_what_is_refused_is_an_error_of_gendata(run: Callable[..., Result], digits_artifact: Path) -> None:
    assert isinstance(run("push", digits_artifact, "org/real").exception, ArtifactError)
    assert isinstance(run("pull", "org/nothing").exception, HubError)
    assert run("push", DIGITS, "org/digits", "--max-parquet", "much").exit_code == 2


def test_the_catalogue_is_listed_and_searched(run: Callable[..., Result]) -> None:
    listed = run("hub", "list", online=False)
    assert "shipped" in listed.output
    assert 'gendata.load_condensed("digits")' in listed.output
    found = json.loads(run("hub", "search", "handwritten", "--json", online=False).stdout)
    assert [entry["name"] for entry in found["artifacts"]] == ["digits"]
    assert "--online" in run("hub", "search", "flowers", online=False).output


def test_the_hub_is_searched_for_what_was_pushed(run: Callable[..., Result], hub: Any) -> None:
    run("push", DIGITS, "org/digits-ipc1")
    hub.seed("org/digits-raw", {"README.md": b"real"})
    assert run("hub", "search", "digits", "--online").stdout == "org/digits-ipc1\n"
    assert json.loads(run("hub", "search", "x", "--online", "--json").stdout) == {"repositories": []}


def test_a_published_artifact_is_inspected_by_its_name_and_no_picture_is_fetched(
    hub: Any, fresh_python: Callable[..., str], measured_artifact: Path
) -> None:
    names = ["config.json", "generator.safetensors", "probes.safetensors", "evaluations.json", "README.md"]
    files = {name: (measured_artifact / name).read_bytes() for name in names}
    hub.seed("org/digits", {**files, "preview.png": b"x", "data/train-00000-of-00001.parquet": b"x"})
    facts = json.loads(fresh_python("-m", "gendata", "info", "org/digits", "--json"))
    (row,) = facts["evaluations"]
    assert (row["protocol"], row["mode"], row["mean"], row["n"]) == ("quick/v1", "frozen(10)", 0.6, 1)
    assert json.loads(fresh_python("-m", "gendata", "verify", "org/digits", "--json"))["tier"] in (2, 3)
    fetched = {request.path.rpartition("/")[2] for request in hub.requests if "/resolve/" in request.path}
    assert fetched == {"config.json", "generator.safetensors", "probes.safetensors", "evaluations.json"}
