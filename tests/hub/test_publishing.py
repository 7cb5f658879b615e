"""`push_to_hub` against a real server with the real client."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from huggingface_hub import constants

import gendata
from gendata.artifact.amend import annotate
from gendata.artifact.canonical import pretty
from gendata.artifact.card import render_card
from gendata.artifact.copying import copy_artifact
from gendata.errors import ArtifactError, HubError
from gendata.fetch import pull_artifact
from gendata.publish.push import Publication, push_to_hub

# The client's own way to upload by LFS.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

READING = {"GET", "HEAD"}
SHIPPED = gendata.fetch.shipped_folder("digits")


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    """A copy of the shipped digits, with the card of a folder that has no name."""
    path = shutil.copytree(SHIPPED, tmp_path / "runs" / "digits")
    opened = gendata.open_artifact(path)
    (path / "README.md").write_bytes(render_card(opened.manifest, opened.evaluations()))
    return path


@pytest.fixture
def push(hub: Any, loopback: Any, artifact: Path) -> Callable[..., Publication]:
    def call(name: str = "org/digits", *, path: Path = artifact, **options: Any) -> Publication:
        return push_to_hub(path, name, **{"token": loopback.WRITER, "endpoint": hub.url, **options})

    return call


def test_what_is_pushed_comes_back_byte_for_byte_and_sample_for_sample(
    hub: Any, push: Callable[..., Publication], load: Callable[..., Any], artifact: Path, tmp_path: Path,
    access: Callable[..., Any],
) -> None:  # fmt: skip
    before = files_of(artifact)
    done = push(tag="v1.0.0")
    assert files_of(artifact) == before
    ds, local = load("org/digits@v1.0.0"), gendata.load_condensed(artifact)
    assert ds.artifact.artifact_id == local.artifact.artifact_id
    assert all(torch.equal(a, b) for a, b in zip(ds[:], local[:], strict=True))
    pulled = pull_artifact("org/digits", out=tmp_path / "pulled", access=access(token=False)).path
    names = {path.name for path in SHIPPED.iterdir()}
    assert set(files_of(pulled)) == {*names, "data/train-00000-of-00001.parquet"}
    for name in ("generator.safetensors", "probes.safetensors", "evaluations.json"):
        assert files_of(pulled)[name] == before[name]
    assert gendata.open_artifact(pulled).manifest.digest == done.manifest
    again = push(path=pulled, name="org/again")
    assert again.manifest == done.manifest


@pytest.mark.parametrize("switched_off", [True, False])
def test_a_dry_run_without_a_network_tells_what_is_sound_and_what_is_missing(
    push: Callable[..., Publication], artifact: Path, monkeypatch: pytest.MonkeyPatch, switched_off: bool
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", switched_off)
    with pytest.raises(HubError, match=r"(?s)the artifact passed every check.*missing is the repository.*network"):
        push(dry_run=True, endpoint="http://127.0.0.1:9")
    with pytest.raises(HubError, match="org/digits") as caught:
        push(endpoint="http://127.0.0.1:9")
    assert "passed every check" not in str(caught.value)
    annotate(artifact, license="CC-BY-4.0")
    (artifact / "generator.safetensors").write_bytes(b"")
    with pytest.raises(ArtifactError):  # what is wrong with the artifact comes first
        push(dry_run=True, endpoint="http://127.0.0.1:9")


def test_a_push_is_one_commit_and_the_same_push_again_is_none(hub: Any, push: Callable[..., Publication]) -> None:
    first = push()
    repository = hub.repository("org/digits")
    assert len(repository.commits) == 2  # the Hub makes the first, with .gitattributes
    assert (first.url, first.commit) == (f"{hub.url}/datasets/org/digits", repository.branches["main"])
    assert {file.change for file in first.files} == {"new"}
    again = push()
    assert (len(repository.commits), again.commit) == (2, first.commit)
    assert {file.change for file in again.files} == {"same"}
    assert (again.uploaded_bytes, again.readme_diff) == (0, "")


def test_a_dry_run_tells_all_of_it_and_changes_nothing(hub: Any, push: Callable[..., Publication]) -> None:
    told = push(dry_run=True, tag="v1.0.0")
    assert (told.commit, told.parquet, hub.repositories) == (None, "full", {})
    assert {file.name for file in told.files} >= {"README.md", "config.json", "data/train-00000-of-00001.parquet"}
    assert "+license: cc-by-4.0" in told.readme_diff
    assert {request.method for request in hub.requests} <= READING
    assert push().manifest == told.manifest


def test_somebody_who_commits_first_is_built_upon(hub: Any, push: Callable[..., Publication]) -> None:
    push()
    readme = hub.read("org/digits", "README.md")
    hub.change("org/digits", {"config.json": b'{"format": "gendata.condensed"}'})
    hub.before_commit = lambda: hub.change("org/digits", {"README.md": b"", "LICENSE": b"theirs"})
    done = push()
    repository = hub.repository("org/digits")
    assert done.commit == repository.branches["main"]
    assert hub.read("org/digits", "LICENSE") == b"theirs"
    assert hub.read("org/digits", "README.md") == readme
    assert 412 in {request.status for request in hub.requests}


def test_a_commit_whose_answer_got_lost_is_not_made_twice(
    hub: Any, push: Callable[..., Publication], loopback: Any
) -> None:
    push()
    hub.change("org/digits", {"probes.safetensors": b"x"})
    before = len(hub.repository("org/digits").commits)
    hub.faults.append(loopback.Fault("/commit/main", method="POST", cut=0))
    done = push()
    repository = hub.repository("org/digits")
    assert len(repository.commits) == before + 1
    assert done.commit == repository.branches["main"]


def test_faults_that_pass_are_waited_for(hub: Any, push: Callable[..., Publication], loopback: Any) -> None:
    hub.faults += [
        loopback.Fault("/api/repos/create", method="POST", status=503),
        loopback.Fault("/_lfs/", method="PUT", status=500),
        loopback.Fault("/commit/", method="POST", status=502),
        loopback.Fault("/tag/", method="POST", status=503),
    ]
    done = push(tag="v1.0.0")
    assert hub.repository("org/digits").tags == {"v1.0.0": done.commit}


def test_a_push_that_failed_halfway_is_finished_by_the_same_command(
    hub: Any, push: Callable[..., Publication], loopback: Any, load: Callable[..., Any]
) -> None:
    hub.faults.append(loopback.Fault("/commit/", method="POST", status=503, times=99))
    with pytest.raises(HubError, match="the Hub is not available"):
        push()
    hub.faults.clear()
    hub.requests.clear()
    push()
    assert len(load("org/digits")) == 10
    assert not [request for request in hub.requests if request.method == "PUT"]  # large files were there already


def test_a_tag_is_never_moved(hub: Any, push: Callable[..., Publication], artifact: Path) -> None:
    first = push(tag="v1.0.0")
    assert push(tag="v1.0.0").commit == first.commit  # the very same: nothing to do
    annotate(artifact, citation="another")
    requests = len(hub.requests)
    with pytest.raises(HubError, match=r"the tag v1\.0\.0 exists already, at commit \w{12}"):
        push(tag="v1.0.0")
    assert {request.method for request in hub.requests[requests:]} <= READING
    second = push(tag="v1.1.0")
    assert hub.repository("org/digits").tags == {"v1.0.0": first.commit, "v1.1.0": second.commit}


def test_a_pull_request_leaves_main_as_it_is(hub: Any, push: Callable[..., Publication], artifact: Path) -> None:
    with pytest.raises(HubError, match="no such repository"):
        push(create_pr=True)
    first = push()
    annotate(artifact, citation="another")
    proposed = push(create_pr=True)
    assert proposed.pull_request == f"{hub.url}/datasets/org/digits/discussions/1"
    repository = hub.repository("org/digits")
    assert repository.branches["main"] == first.commit
    assert b"another" in hub.read("org/digits", "config.json", "refs/pr/1")
    with pytest.raises(HubError, match="a pull request is no commit of main"):
        push(create_pr=True, tag="v1")


def test_a_private_repository_is_made_private_and_a_public_one_does_not_pass_for_it(
    hub: Any, push: Callable[..., Publication], load: Callable[..., Any], loopback: Any
) -> None:
    push("org/secret", private=True)
    assert hub.repository("org/secret").private
    with pytest.raises(HubError, match="or a private one"):
        load("org/secret")
    assert len(load("org/secret", token=loopback.WRITER)) == 10
    push("org/open")
    with pytest.raises(HubError, match="exists and is public"):
        push("org/open", private=True)


def test_somebody_without_the_right_to_write_is_refused(
    hub: Any, push: Callable[..., Publication], loopback: Any
) -> None:
    for token in (False, loopback.READER):
        with pytest.raises(HubError, match=r"org/digits: the Hub refuses \(HTTP 40[13]\).*\n.*hf auth login"):
            push(token=token)
    assert hub.repositories == {}


@pytest.mark.parametrize("held", [{"data/train.parquet": b"PAR1"}, {"config.json": b"{}", "model.safetensors": b""}])
def test_nobodys_files_are_overwritten(held: dict[str, bytes], hub: Any, push: Callable[..., Publication]) -> None:
    hub.seed("org/digits", held)
    with pytest.raises(HubError, match=f"holds something else \\({min(held)}"):
        push()
    assert {request.method for request in hub.requests} <= READING


def test_files_of_the_artifact_that_are_gone_are_removed_and_those_of_others_stay(
    hub: Any, push: Callable[..., Publication]
) -> None:
    push()
    hub.change("org/digits", {"LICENSE": b"theirs", "data/real-00000-of-00001.parquet": b"theirs"})
    done = push(parquet=False)
    held = set(hub.repository("org/digits").find("main").files)
    assert "data/train-00000-of-00001.parquet" not in held
    assert held >= {"LICENSE", "data/real-00000-of-00001.parquet", "generator.safetensors"}
    assert [file.name for file in done.files if file.change == "deleted"] == ["data/train-00000-of-00001.parquet"]


@pytest.mark.parametrize("files", [5, [{"name": "x"}], "LICENSE", None])
def test_a_manifest_there_that_lists_no_files_hinders_nothing(
    files: Any, hub: Any, push: Callable[..., Publication]
) -> None:
    hub.seed("org/digits", {"config.json": pretty({"format": "gendata.condensed", "files": files}), "LICENSE": b"x"})
    push()
    assert set(hub.repository("org/digits").find("main").files) >= {"LICENSE", "generator.safetensors"}


README = """---
license: mit
# ours since 2026
language:
- en
tags:
    - digits
extra_gated_fields: {Name: text}
---
# Our digits

Written by hand.

<!-- gendata:begin, an older one -->
old
<!-- gendata:end -->

## Contact

us@example.org
"""


def test_the_readmes_own_text_and_metadata_stay_as_they_were_typed(hub: Any, push: Callable[..., Publication]) -> None:
    hub.seed("org/digits", {"README.md": README.replace("\n", "\r\n").encode()})
    push()
    text = hub.read("org/digits", "README.md").decode()
    assert text.count("\n") == text.count("\r\n")
    text = text.replace("\r\n", "\n")
    for kept in ("# ours since 2026\nlanguage:\n- en\n", "extra_gated_fields: {Name: text}\n",
                 "---\n# Our digits\n\nWritten by hand.\n\n", "\n\n## Contact\n\nus@example.org\n"):  # fmt: skip
        assert kept in text
    metadata = yaml.safe_load(text.split("---\n")[1])
    assert metadata["license"] == "cc-by-4.0"
    assert metadata["tags"][:2] == ["digits", "gendata"]
    assert text.count("gendata:begin") == 1
    assert "old" not in text.split()
    assert 'load_condensed("org/digits")' in text
    assert push().readme_diff == ""


def test_a_readme_that_cannot_be_kept_is_not_touched(hub: Any, push: Callable[..., Publication]) -> None:
    for text, told in (
        (b"---\nlicense: [mit\n---\n", "its metadata is not readable YAML"),
        (b"<!-- gendata:begin -->\nno end", "1 marks where gendata's block begins and 0 where it ends"),
        (b"\xff\xfe", "is not UTF-8"),
    ):
        hub.seed("org/digits", {"README.md": text})
        with pytest.raises((HubError, gendata.GendataError), match=told):
            push()
        assert hub.read("org/digits", "README.md") == text


def test_a_card_edited_in_the_folder_goes_up_to_a_new_repository(
    hub: Any, push: Callable[..., Publication], artifact: Path
) -> None:
    (artifact / "README.md").write_text("# Mine\n\nWords.\n")
    push()
    text = hub.read("org/digits", "README.md").decode()
    assert "# Mine\n\nWords.\n" in text
    assert "gendata:begin" in text


def test_metadata_that_the_hub_refuses_is_told(hub: Any, push: Callable[..., Publication], loopback: Any) -> None:
    hub.faults.append(loopback.Fault("/api/validate-yaml", method="POST", status=400, times=99))
    with pytest.raises(HubError, match="HTTP 400"):
        push()
    assert len(hub.repository("org/digits").commits) == 1


def test_a_readme_that_was_damaged_on_the_way_is_never_written_back(
    hub: Any, push: Callable[..., Publication], loopback: Any
) -> None:
    push()
    hub.faults.append(loopback.Fault(r"resolve/.*/README\.md", flip=40))
    with pytest.raises(HubError, match=r"README\.md: was damaged on the way"):
        push()


def test_uploads_go_through_xet_where_the_client_has_it(
    hub: Any, push: Callable[..., Publication], load: Callable[..., Any], tmp_path: Path, artifact: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    pytest.importorskip("hf_xet", reason="the client's Xet part is not installed")
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", False)
    hub.xet = tmp_path / "xet"
    try:
        push()
    except HubError as error:
        pytest.skip(f"this hf_xet has no store in a folder ({error})")
    weights = hub.repository("org/digits").find("main").files["generator.safetensors"]
    assert weights.xet is not None
    assert (load("org/digits").artifact.path / "generator.safetensors").read_bytes() == (
        artifact / "generator.safetensors"
    ).read_bytes()


def test_a_card_that_leads_to_a_file_elsewhere_is_not_published(
    push: Callable[..., Publication], artifact: Path, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("key")
    (artifact / "README.md").unlink()
    (artifact / "README.md").symlink_to(tmp_path / "secret")
    with pytest.raises(ArtifactError, match=r"README\.md: is a link to a file elsewhere"):
        push()
    with pytest.raises(ArtifactError, match="is a link to a file elsewhere"):
        copy_artifact(gendata.open_artifact(artifact), tmp_path / "copy")
    assert not (tmp_path / "copy").exists()
