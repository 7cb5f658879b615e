"""`load_condensed` by name, against a real server with the real client."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import gendata
from gendata.artifact.canonical import pretty
from gendata.artifact.manifest import seal
from gendata.errors import ArtifactError, HubError, IntegrityError, UnsupportedVersionError
from gendata.fetch import pull_artifact, search_hub

NEEDED = {"config.json", "generator.safetensors"}


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def files(digits_artifact: Path) -> dict[str, bytes]:
    """Of an artifact, and what else a repository holds."""
    return {**files_of(digits_artifact), ".gitattributes": b"", "LICENSE": b"theirs", "extra.parquet": b"x" * 5000}


def test_a_name_is_loaded_by_a_stranger_and_gives_the_very_samples(
    hub: Any, load: Callable[..., Any], files: dict[str, bytes], digits_artifact: Path
) -> None:
    hub.seed("org/digits", files)
    ds, local = load("org/digits"), gendata.load_condensed(digits_artifact)
    assert ds.artifact.artifact_id == local.artifact.artifact_id
    assert all(torch.equal(a, b) for a, b in zip(ds[:], local[:], strict=True))


def test_only_what_sampling_needs_is_fetched(hub: Any, load: Callable[..., Any], files: dict[str, bytes]) -> None:
    hub.seed("org/digits", files)
    ds = load("org/digits")
    assert {path.name for path in ds.artifact.path.iterdir()} == NEEDED
    assert hub.bytes_sent("/resolve/") == sum(len(files[name]) for name in NEEDED)


def test_weights_larger_than_the_manifest_says_are_not_fetched(
    hub: Any, load: Callable[..., Any], files: dict[str, bytes], access: Callable[..., Any]
) -> None:
    hub.seed("org/digits", {**files, "generator.safetensors": b"x" * 100_000})
    size = len(files["generator.safetensors"])
    for fetching in (load, lambda name: pull_artifact(name, access=access())):
        with pytest.raises(
            ArtifactError,
            match=rf"org/digits at \w{{12}}: generator\.safetensors has 100000 bytes; expected.* {size}\.",
        ):
            fetching("org/digits")
    assert hub.bytes_sent("generator") == 0


@pytest.mark.parametrize(
    ("manifest", "told"),
    [
        (b" " * (4 << 20) + b"{}", "config.json has 4194306 bytes; expected at most 4194304"),
        ({"frozen": {"ipc": 0, "seed": 0}}, "frozen.ipc is 0"),
        ({"min_reader": 7}, "format_version"),
    ],
    ids=["large", "faulty", "newer"],
)
def test_the_manifest_comes_first_and_alone(
    manifest: Any, told: str, hub: Any, load: Callable[..., Any], files: dict[str, bytes]
) -> None:
    fields = json.loads(files["config.json"])
    held = manifest if isinstance(manifest, bytes) else pretty(seal({**fields, **manifest}))
    hub.seed("org/digits", {**files, "config.json": held})
    with pytest.raises(ArtifactError, match=f"org/digits at .*{told}"):
        load("org/digits")
    assert hub.bytes_sent("/resolve/") == (0 if len(held) > 4 << 20 else len(held))


def test_a_card_larger_than_any_is_not_fetched(hub: Any, files: dict[str, bytes], access: Callable[..., Any]) -> None:
    hub.seed("org/digits", {**files, "README.md": b"x" * ((1 << 20) + 1)})
    with pytest.raises(ArtifactError, match=r"README\.md has 1048577 bytes; expected at most 1048576"):
        pull_artifact("org/digits", access=access())
    assert hub.bytes_sent("README") == 0


def test_a_second_load_asks_for_the_commit_alone(hub: Any, load: Callable[..., Any], files: dict[str, bytes]) -> None:
    commit = hub.seed("org/digits", files).branches["main"]
    load("org/digits")
    hub.requests.clear()
    load("org/digits")
    assert [request.path for request in hub.requests] == ["/api/datasets/org/digits"]
    hub.requests.clear()
    load(f"org/digits@{commit}")
    assert hub.requests == []


def test_a_revision_pins_what_is_loaded_after_main_has_moved(
    hub: Any, load: Callable[..., Any], files: dict[str, bytes], caplog: pytest.LogCaptureFixture
) -> None:
    repository = hub.seed("org/digits", files)
    first = repository.branches["main"]
    repository.tags["v1.0.0"] = first
    fields = json.loads(files["config.json"])
    hub.change("org/digits", {"config.json": pretty(seal({**fields, "citation": "another"}))})
    with caplog.at_level(logging.INFO, logger="gendata"):
        pinned = [load(name, revision=revision) for name, revision in [
            ("org/digits", "v1.0.0"), ("org/digits@v1.0.0", None), (f"org/digits@{first}", None)
        ]]  # fmt: skip
    assert {ds.artifact.manifest.citation for ds in pinned} == {fields["citation"]}
    assert load("org/digits").artifact.manifest.citation == "another"
    assert f"org/digits@v1.0.0 is commit {first}" in caplog.text


def test_two_revisions_in_one_call_are_refused() -> None:
    with pytest.raises(ArtifactError, match="revision is 'v2'"):
        gendata.load_condensed("org/digits@v1", revision="v2")


def test_what_was_loaded_once_opens_without_a_network(
    hub: Any, load: Callable[..., Any], files: dict[str, bytes]
) -> None:
    hub.seed("org/digits", files)
    load("org/digits")
    hub.requests.clear()
    assert len(load("org/digits", local_files_only=True)) == 30
    assert hub.requests == []


def test_what_was_loaded_once_opens_while_the_hub_is_down(
    hub: Any, load: Callable[..., Any], files: dict[str, bytes], loopback: Any
) -> None:
    hub.seed("org/digits", files)
    load("org/digits")
    hub.faults.append(loopback.Fault(".", status=503, times=99))
    assert len(load("org/digits")) == 30


def test_without_a_network_and_never_loaded_it_says_what_to_do(load: Callable[..., Any]) -> None:
    with pytest.raises(HubError, match=r"org/digits: is not in the cache.*\n.*Load it once with a network"):
        load("org/digits", local_files_only=True)


def test_a_fault_that_passes_is_waited_for(
    hub: Any, load: Callable[..., Any], files: dict[str, bytes], loopback: Any, caplog: pytest.LogCaptureFixture
) -> None:
    hub.seed("org/digits", files)
    hub.faults += [
        loopback.Fault(r"/api/datasets/org/digits$", status=502),
        loopback.Fault(r"/tree/", status=500),
        loopback.Fault(r"generator\.safetensors", status=503, times=2),
        loopback.Fault(r"config\.json", cut=100),
    ]
    assert len(load("org/digits")) == 30
    assert "HTTP 503; trying again" in caplog.text


def test_a_fault_that_stays_is_told_after_four_attempts(
    hub: Any, load: Callable[..., Any], files: dict[str, bytes], loopback: Any
) -> None:
    hub.seed("org/digits", files)
    hub.faults.append(loopback.Fault(r"generator\.safetensors", status=503, times=99))
    with pytest.raises(HubError, match=r"org/digits at \w{12}: the Hub is not available \(HTTP 503\)"):
        load("org/digits")
    attempts = [request for request in hub.requests if request.status == 503]
    assert len(attempts) == 4


@pytest.mark.parametrize("name", ["generator.safetensors", "config.json"])
def test_a_bit_that_flips_on_the_way_is_found_and_the_command_mends_it(
    name: str, hub: Any, load: Callable[..., Any], files: dict[str, bytes], loopback: Any, access: Callable[..., Any]
) -> None:
    hub.seed("org/digits", files)
    hub.faults.append(loopback.Fault(name, flip=300))
    with pytest.raises(ArtifactError, match=name) as caught:
        load("org/digits")
    assert "gendata pull org/digits --force" in str(caught.value)
    pull_artifact("org/digits", access=access(token=False, force_download=True))
    assert len(load("org/digits")) == 30


@pytest.mark.parametrize("damage", ["flipped", "truncated"])
def test_damage_in_the_cache_is_found_even_without_a_network(
    damage: str, hub: Any, load: Callable[..., Any], files: dict[str, bytes]
) -> None:
    hub.seed("org/digits", files)
    weights = (load("org/digits").artifact.path / "generator.safetensors").resolve()
    data = weights.read_bytes()
    weights.write_bytes(data[:-1] if damage == "truncated" else data[:-1] + bytes([data[-1] ^ 1]))
    for options in ({}, {"local_files_only": True}):
        with pytest.raises(IntegrityError, match=r"generator\.safetensors.*\n.*gendata pull org/digits --force"):
            load("org/digits", **options)
    assert len(load("org/digits", force_download=True)) == 30


def test_a_missing_repository_a_private_one_and_a_missing_revision_are_told_apart_from_each_other(
    hub: Any, load: Callable[..., Any], files: dict[str, bytes], loopback: Any
) -> None:
    hub.seed("org/digits", files, private=True)
    for token in (False, loopback.READER):
        for name in ("org/digits", "org/nothing"):  # the Hub does not say which is there
            with pytest.raises(HubError, match=f"{name}: no such data set, or a private one") as caught:
                load(name, token=token)
            assert "hf auth login" in str(caught.value)
    assert len(load("org/digits", token=loopback.WRITER)) == 30
    with pytest.raises(HubError, match="org/digits@v9: has no such revision"):
        load("org/digits@v9", token=loopback.WRITER)


@pytest.mark.parametrize(
    ("held", "told"),
    [
        ({"train.parquet": b"PAR1"}, r"an ordinary data set \(train\.parquet\).*load_dataset"),
        ({"config.json": b'{"model_type": "bert"}', "model.bin": b""}, "it looks like a model"),
        ({"res_DM.pt": b"\x80"}, r"it holds pickled files \(res_DM\.pt\).*gendata import"),
        ({".gitattributes": b""}, "it is empty"),
        ({"config.json": b"no json"}, "is not a repository of gendata"),
    ],
    ids=["data", "model", "pickles", "empty", "garbage"],
)  # fmt: skip
def test_a_repository_of_something_else_is_said_to_be_what_it_is(
    held: dict[str, bytes], told: str, hub: Any, load: Callable[..., Any]
) -> None:
    hub.seed("org/other", held)
    with pytest.raises(HubError, match=f"(?s)org/other at .* is not a repository of gendata.*{told}|{told}"):
        load("org/other")


def test_a_model_is_said_to_be_one(hub: Any, load: Callable[..., Any]) -> None:
    hub.seed("org/bert", {"config.json": b"{}"}, kind="model")
    with pytest.raises(HubError, match="org/bert: is a model, and gendata reads data sets"):
        load("org/bert")


def test_a_newer_format_says_what_to_upgrade(hub: Any, load: Callable[..., Any], files: dict[str, bytes]) -> None:
    fields = {**json.loads(files["config.json"]), "min_reader": 7, "format_version": 7}
    hub.seed("org/digits", {**files, "config.json": pretty(seal(fields))})
    with pytest.raises(UnsupportedVersionError, match=r"org/digits at \w{12}: format_version is 7.*\n.*pip install -U"):
        load("org/digits")


def test_nobody_listening_is_told_as_such(tmp_path: Path) -> None:
    with pytest.raises(HubError, match="org/digits: cannot be reached"):
        gendata.load_condensed("org/digits", endpoint="http://127.0.0.1:9", cache_dir=tmp_path, token=False)


def test_probes_are_fetched_where_they_are_wanted(hub: Any, load: Callable[..., Any], files: dict[str, bytes]) -> None:
    hub.seed("org/digits", files)
    ds = load("org/digits", verify="probe")
    assert {path.name for path in ds.artifact.path.iterdir()} == {*NEEDED, "probes.safetensors"}


def test_pulling_gives_everything_of_the_artifact_and_nothing_else(
    hub: Any, access: Callable[..., Any], files: dict[str, bytes], digits_artifact: Path, tmp_path: Path
) -> None:
    hub.seed("org/digits", files)
    out = tmp_path / "pulled" / "digits"
    assert pull_artifact("org/digits", out=out, access=access()).path == out
    assert files_of(out) == files_of(digits_artifact)
    hub.requests.clear()
    pull_artifact("org/digits", out=out, access=access())
    assert hub.bytes_sent("/resolve/") == 0
    assert files_of(out) == files_of(digits_artifact)


def test_pulling_replaces_a_damaged_artifact_only_when_it_is_forced(
    hub: Any, access: Callable[..., Any], files: dict[str, bytes], tmp_path: Path
) -> None:
    hub.seed("org/digits", files)
    out = pull_artifact("org/digits", out=tmp_path / "digits", access=access()).path
    weights = out / "generator.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(ArtifactError, match=r"(?s)holds no sound artifact.*--force"):
        pull_artifact("org/digits", out=out, access=access())
    pull_artifact("org/digits", out=out, access=access(force_download=True))
    assert weights.read_bytes() == files["generator.safetensors"]
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_pulling_never_removes_what_is_not_an_artifacts(
    hub: Any, access: Callable[..., Any], files: dict[str, bytes], tmp_path: Path
) -> None:
    hub.seed("org/digits", files)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("years")
    with pytest.raises(ArtifactError, match=r"holds 'thesis\.tex'"):
        pull_artifact("org/digits", out=tmp_path / "mine", access=access(force_download=True))
    assert (tmp_path / "mine" / "thesis.tex").read_text() == "years"


def test_a_shipped_name_can_be_pulled_into_a_folder_without_a_network(tmp_path: Path) -> None:
    out = pull_artifact("digits", out=tmp_path / "digits").path
    assert gendata.load_condensed(out).artifact.artifact_id == gendata.load_condensed("digits").artifact.artifact_id


def test_a_folder_cannot_be_pulled(digits_artifact: Path) -> None:
    with pytest.raises(ArtifactError, match="is a folder already"):
        pull_artifact(str(digits_artifact))


def test_artifacts_on_the_hub_are_found_by_their_tag(hub: Any, access: Callable[..., Any]) -> None:
    hub.seed("org/digits-ipc1", {"README.md": b"---\ntags: [gendata]\n---\n"})
    hub.seed("org/digits-raw", {"README.md": b"# real\n"})
    assert search_hub("digits", access=access(token=False)) == ["org/digits-ipc1"]
    assert search_hub("flowers", access=access(token=False)) == []


def test_an_old_commit_is_loaded_after_its_repository_lost_a_file(
    hub: Any, load: Callable[..., Any], files: dict[str, bytes]
) -> None:
    first = hub.seed("org/digits", files).branches["main"]
    hub.change("org/digits", {"generator.safetensors": None})
    with pytest.raises(IntegrityError, match=r"generator\.safetensors is missing"):
        load("org/digits")
    assert len(load(f"org/digits@{first}")) == 30


def test_an_artifact_from_the_cache_can_be_copied_and_moved(
    hub: Any, load: Callable[..., Any], files: dict[str, bytes], tmp_path: Path
) -> None:
    hub.seed("org/digits", files)
    copy = shutil.copytree(load("org/digits").artifact.path, tmp_path / "copy")
    assert len(gendata.load_condensed(copy)) == 30
