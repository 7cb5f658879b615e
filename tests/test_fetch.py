"""From a path or a name to a dataset."""

from __future__ import annotations

from pathlib import Path

import pytest

import gendata
from gendata.errors import ArtifactError, HubError


def test_a_folder_is_opened_as_its_frozen_set(digits_artifact: Path) -> None:
    for path in (digits_artifact, str(digits_artifact)):
        ds = gendata.load_condensed(path)
        assert len(ds) == 30
        assert ds.classes[3] == "3"


def test_a_name_on_the_hub_is_refused_and_the_message_says_where_a_folder_was_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(HubError, match="no folder is called 'org/digits-ipc10'") as caught:
        gendata.load_condensed("org/digits-ipc10")
    assert str(tmp_path / "org" / "digits-ipc10") in str(caught.value)


def test_an_existing_folder_wins_over_a_name(
    digits_artifact: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "org").mkdir()
    (tmp_path / "org" / "digits").symlink_to(digits_artifact, target_is_directory=True)
    monkeypatch.chdir(tmp_path)
    assert len(gendata.load_condensed("org/digits")) == 30


@pytest.mark.parametrize(
    "path", ["nothing-here", "./org/name", "../name", "/no/such/folder", "~/x", "a/b/c", "", "a/.."]
)
def test_a_path_that_does_not_exist_is_named(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "inner").mkdir()
    monkeypatch.chdir(tmp_path / "inner")
    with pytest.raises(ArtifactError):
        gendata.load_condensed(path)


def test_a_file_is_not_an_artifact(tmp_path: Path) -> None:
    (tmp_path / "file.pt").write_bytes(b"")
    with pytest.raises(ArtifactError, match=r"file\.pt: is a file; expected an artifact's folder"):
        gendata.load_condensed(tmp_path / "file.pt")
