"""From a path or a short name to a dataset; nothing here asks the network. `tests/hub` does, on the loopback."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pytest

import gendata
from gendata.catalog import CatalogEntry, parse_catalog, read_catalog, search_catalog, shipped_folder
from gendata.errors import ArtifactError, GendataError, HubError, IntegrityError
from gendata.fetch import locate, open_located, open_named, own_folder, pull_artifact
from gendata.hub_access import HubAccess


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.mark.usefixtures("no_network")
def test_a_folder_is_opened_as_its_frozen_set(digits_artifact: Path) -> None:
    for path in (digits_artifact, str(digits_artifact)):
        ds = gendata.load_condensed(path)
        assert len(ds) == 30
        assert ds.classes[3] == "3"


@pytest.mark.usefixtures("no_network")
def test_the_shipped_digits_load_offline_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ds = gendata.load_condensed("digits", verify="probe")
    assert (len(ds), ds[0][0].shape) == (10, (1, 8, 8))
    assert ds.artifact.artifact_bytes < 20_000
    assert len(ds.fresh(samples_per_class=3)) == 30


def test_every_shipped_artifact_is_what_the_catalogue_says() -> None:
    shipped = {name: entry for name, entry in read_catalog().items() if entry.is_shipped}
    assert "digits" in shipped
    assert {path.name for path in shipped_folder("digits").parent.iterdir()} == set(shipped)
    for name, entry in shipped.items():
        artifact = gendata.open_artifact(shipped_folder(name))
        told = (entry.manifest, entry.bytes, entry.ipc, entry.num_classes)
        manifest = artifact.manifest
        assert told == (manifest.digest, artifact.artifact_bytes, artifact.ipc, artifact.spec.num_classes)
        assert manifest.license and manifest.citation and manifest.source


def test_a_shipped_artifact_that_was_swapped_is_refused(digits_artifact: Path) -> None:
    swapped = locate("digits")._replace(folder=digits_artifact)
    with pytest.raises(IntegrityError, match="which the catalogue of gendata promises"):
        open_located(swapped, HubAccess(), verify="hash")


def test_an_existing_folder_wins_over_a_name(
    digits_artifact: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "org").mkdir()
    for name in ("org/digits", "digits"):
        (tmp_path / name).symlink_to(digits_artifact, target_is_directory=True)
    monkeypatch.chdir(tmp_path)
    assert len(gendata.load_condensed("org/digits")) == 30
    assert len(gendata.load_condensed("digits")) == 30


@pytest.mark.parametrize(("name", "why"), [("digits", "comes with gendata"), (".", "is a local folder")])
def test_what_has_no_revisions_refuses_one(
    name: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ArtifactError, match=f"revision is 'v1', and {name} {why}"):
        gendata.load_condensed(name, revision="v1")


@pytest.mark.parametrize("name", ["org/digits-ipc10", "digits"])
def test_what_is_published_is_nobodys_own_folder(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(HubError, match=f"no folder is called '{name}'") as caught:
        own_folder(name)
    assert str(tmp_path / name) in str(caught.value)
    assert f"gendata pull {name} --out DIR" in str(caught.value)
    (tmp_path / name).mkdir(parents=True)
    assert own_folder(name) == Path(name)


@pytest.mark.usefixtures("no_network")
def test_a_shipped_name_is_opened_where_it_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert open_named("digits", also=["evaluations.json"], verify="probe").path == shipped_folder("digits")


@pytest.mark.parametrize(
    "path", ["nothing-here", "./org/name", "../name", "/no/such/folder", "~/x", "a/b/c", "", "a/..", "org/name@"]
)
@pytest.mark.usefixtures("no_network")
def test_a_path_that_does_not_exist_is_named(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "inner").mkdir()
    monkeypatch.chdir(tmp_path / "inner")
    with pytest.raises(ArtifactError):
        gendata.load_condensed(path)


@pytest.mark.usefixtures("no_network")
def test_a_path_object_is_never_taken_for_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for path in (Path("org/name"), Path("digits")):
        with pytest.raises(ArtifactError, match="no such folder"):
            gendata.load_condensed(path)


@pytest.mark.usefixtures("no_network")
def test_a_folder_that_is_missing_or_not_made_yet_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "begun.run").mkdir(parents=True)
    with pytest.raises(HubError, match=r"(?s)no such folder here, and on the Hub.*gendata recipe run"):
        gendata.load_condensed("runs/digits", local_files_only=True)
    with pytest.raises(ArtifactError, match=r"is not made yet(.|\n)*begun\.run is of the run that makes it"):
        gendata.load_condensed("runs/begun")


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("load", [gendata.load_condensed, lambda name: pull_artifact(name, access=HubAccess())])
def test_a_name_too_long_for_a_file_is_no_folder(load: Callable[[str], object]) -> None:
    with pytest.raises(ArtifactError, match="no such folder"):
        load("x" * 300)


def test_a_mistyped_short_name_is_corrected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ArtifactError, match="Did you mean 'digits'"):
        gendata.load_condensed("digitz")


def test_a_file_is_not_an_artifact(tmp_path: Path) -> None:
    (tmp_path / "file.pt").write_bytes(b"")
    with pytest.raises(ArtifactError, match=r"file\.pt: is a file; expected an artifact's folder"):
        gendata.load_condensed(tmp_path / "file.pt")


ENTRY = "summary: s, manifest: " + "a" * 64 + ", bytes: 1, ipc: 1, num_classes: 2"


def test_a_catalogue_maps_a_name_to_repository_revision_and_manifest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "catalog.yaml"
    path.write_text(f"artifacts:\n  flowers-ipc10: {{{ENTRY}, repo: org/flowers, revision: v1.0.0}}\n")
    monkeypatch.setattr("gendata.fetch.read_catalog", lambda: parse_catalog(path))
    monkeypatch.chdir(tmp_path)
    assert locate("flowers-ipc10") == (None, "org/flowers", "v1.0.0", "a" * 64)
    assert locate("flowers-ipc10@v2.0.0") == (None, "org/flowers", "v2.0.0", None)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"artifacts: {{x: {{{ENTRY}, repo: org/x}}}}", "repo and revision go together"),
        (f"artifacts: {{x: {{{ENTRY}, url: org/x}}}}", "unknown field `url`"),
        (f"artifacts: {{org/x: {{{ENTRY}}}}}", "other characters"),
        ("artifacts: {x: {summary: s}}", "missing required field"),
        ("artifacts: [", "is not a catalogue"),
    ],
)
def test_a_catalogue_with_a_fault_names_it(text: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "catalog.yaml").write_text(text)
    with pytest.raises(GendataError, match=told):
        parse_catalog(tmp_path / "catalog.yaml")


def test_the_catalogue_is_searched_by_words() -> None:
    assert list(search_catalog("HANDWRITTEN digits")) == ["digits"]
    assert search_catalog("handwritten flowers") == {}
    assert isinstance(search_catalog("")["digits"], CatalogEntry)
