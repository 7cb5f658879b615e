"""What is refused, and what becomes of a card; nothing here asks the network. `tests/hub` pushes, on the loopback."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

import gendata
from gendata.artifact.amend import annotate, write_evaluations
from gendata.artifact.artifact import CondensedArtifact, Draft, Normalisation, save_artifact
from gendata.artifact.canonical import pretty
from gendata.artifact.front_matter import Readme
from gendata.artifact.manifest import seal
from gendata.artifact.metadata import Table, metadata_of
from gendata.artifact.seals import sealed
from gendata.errors import ArtifactError, HubError, IntegrityError
from gendata.fetch import shipped_folder
from gendata.licences import allows_sharing
from gendata.publish.checks import check_publishable, holds_real_images
from gendata.publish.push import push_to_hub
from gendata.publish.staging import stage
from gendata.registry import GENERATORS, LATENTS
from gendata.spec import SampleSpec


@pytest.fixture
def digits(tmp_path: Path) -> CondensedArtifact:
    return gendata.open_artifact(shutil.copytree(shipped_folder("digits"), tmp_path / "digits"))


@pytest.fixture
def changed(tmp_path: Path, digits_artifact: Path) -> Callable[..., CondensedArtifact]:
    """A bank of real digits whose manifest says something else; sealed again."""

    def change(**fields: Any) -> CondensedArtifact:
        path = shutil.copytree(digits_artifact, tmp_path / f"changed-{len(list(tmp_path.iterdir()))}")
        told = {**json.loads((path / "config.json").read_bytes()), **fields}
        (path / "config.json").write_bytes(pretty(seal(told)))
        return gendata.open_artifact(path)

    return change


def test_a_sound_artifact_may_go_up(digits: CondensedArtifact) -> None:
    check_publishable(digits)


def test_everything_against_it_is_told_at_once_with_the_commands_that_mend_it(
    changed: Callable[..., CondensedArtifact],
) -> None:
    artifact = changed(license=None, source=None)
    write_evaluations(artifact.path, [{"row": "artifact", "mean": 0.9}])
    with pytest.raises(ArtifactError) as caught:
        check_publishable(gendata.open_artifact(artifact.path))
    for told in (
        "it states no licence", "it states no source", "has no seal", "it holds real images",
        f"gendata annotate {artifact.path} --license", f"gendata evaluate {artifact.path} --write",
        "--contains-real-images",
    ):  # fmt: skip
        assert told in str(caught.value)


def test_a_result_that_was_edited_stops_it(digits: CondensedArtifact) -> None:
    row = sealed({"row": "artifact", "mode": "m", "mean": 0.6}, artifact_id=digits.artifact_id)
    write_evaluations(digits.path, [row])
    check_publishable(gendata.open_artifact(digits.path))
    write_evaluations(digits.path, [{**row, "mean": 0.99}])
    with pytest.raises(ArtifactError, match="of its results, artifact m .* was changed after it was measured"):
        check_publishable(gendata.open_artifact(digits.path))


def test_bytes_that_changed_since_it_was_opened_stop_it(digits: CondensedArtifact) -> None:
    weights = digits.path / "generator.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises(IntegrityError):
        check_publishable(digits)


def test_real_images_go_up_when_it_is_said_and_their_licence_allows_it(
    changed: Callable[..., CondensedArtifact],
) -> None:
    artifact = changed()
    with pytest.raises(ArtifactError, match=r"real images \(the method random-real chooses such\)"):
        check_publishable(artifact)
    check_publishable(artifact, contains_real_images=True)


@pytest.mark.parametrize(
    ("source", "license", "allowed"),
    [
        ({"name": "cifar10", "fingerprint": ""}, "MIT", False),  # its own licence is unknown; ours does not help
        ({"name": "cifar10", "fingerprint": "", "license": "CC-BY-ND-4.0"}, "MIT", False),
        ({"name": "folder", "folder": "photos", "fingerprint": ""}, "CC-BY-4.0", True),  # somebody's own photos
        ({"name": "folder", "folder": "photos", "fingerprint": ""}, "proprietary", False),
    ],
)
def test_the_licence_of_the_images_decides(
    source: dict[str, Any], license: str, allowed: bool, changed: Callable[..., CondensedArtifact]
) -> None:
    artifact = changed(source=source, license=license)
    if allowed:
        check_publishable(artifact, contains_real_images=True)
    else:
        with pytest.raises(ArtifactError, match="(?s)it holds real images under .*CC0"):
            check_publishable(artifact, contains_real_images=True)


def test_who_made_the_images_is_read_from_the_manifest(changed: Callable[..., CondensedArtifact]) -> None:
    def told(**fields: Any) -> str | None:
        return holds_real_images(changed(**fields).manifest)

    recipe = changed().manifest.recipe
    assert told(recipe=None) == "nobody says who made them"
    assert told(recipe={**recipe, "method": {"name": "from-elsewhere"}}) == "nobody says who made them"
    assert told(recipe={"method": "dm"}) == "nobody says who made them"
    assert told(recipe={"method": {"name": ["dm"]}}) == "nobody says who made them"
    assert told(recipe={**recipe, "method": {"name": "generative"}}) is None
    assert told(recipe=None, imported={"layout": "dc", "files": {}}) is None
    assert told(recipe=None, imported={"layout": "folder", "files": {}}) == "pictures that were imported may be"


@pytest.mark.parametrize("name", ["pixel-bank", "multi-formation-bank"])
def test_stored_images_of_an_unknown_maker_may_be_real(name: str, changed: Callable[..., CondensedArtifact]) -> None:
    manifest = changed(recipe=None).manifest
    bank = msgspec.structs.replace(manifest, generator=msgspec.structs.replace(manifest.generator, name=name))
    assert holds_real_images(bank) == "nobody says who made them"


@pytest.mark.parametrize("license", ["CC0-1.0", "cc-by-4.0", "MIT", "ODC-By-1.0"])
def test_licences_that_allow_sharing(license: str) -> None:
    assert allows_sharing(license)


@pytest.mark.parametrize("license", [None, "", "CC-BY-NC-ND-4.0", "for research only"])
def test_licences_that_do_not_or_that_nobody_knows(license: str | None) -> None:
    assert not allows_sharing(license)


def test_staging_leaves_the_folder_as_it_is_and_is_the_same_each_time(
    digits: CondensedArtifact, tmp_path: Path
) -> None:
    before = {path: path.read_bytes() for path in digits.path.iterdir()}
    staged = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        staged.append(stage(digits, tmp_path / name, max_parquet_bytes=10**6))
    assert {path: path.read_bytes() for path in digits.path.iterdir()} == before
    assert staged[0].manifest == staged[1].manifest
    assert staged[0].manifest.artifact_id == digits.artifact_id
    assert staged[0].table == Table(
        False, 10, staged[0].manifest.files["data/train-00000-of-00001.parquet"].size, False
    )


def test_a_preview_has_an_image_of_each_class(digits_artifact: Path, tmp_path: Path) -> None:
    import pyarrow.parquet

    staged = stage(gendata.open_artifact(digits_artifact), tmp_path, max_parquet_bytes=1000)
    rows = pyarrow.parquet.read_table(staged.paths["data/preview-00000-of-00001.parquet"]).to_pydict()
    assert rows["label"] == list(range(10))
    assert staged.table is not None
    assert (staged.table.is_preview, staged.table.num_rows) == (True, 10)


def bank(path: Path, *, side: int, classes: tuple[str, ...] = ("night", "fog"), **changes: Any) -> CondensedArtifact:
    """Black pictures; float32 where `changes` say so."""
    spec = SampleSpec(channels=1, height=side, width=side, classes=classes)
    law = LATENTS.load("slot")(LATENTS.config("slot", {"slots": 1}, where="t"), num_classes=2)
    options = {"slots": 1, "values": changes.get("dtype", "uint8")}
    generator = GENERATORS.load("pixel-bank")(
        GENERATORS.config("pixel-bank", options, where="t"), spec=spec, latent_dim=1
    )
    generator.images.zero_()
    draft = Draft(
        generator_name="pixel-bank",
        generator=generator,
        latent_name="slot",
        law=law,
        spec=spec,
        ipc=1,
        frozen_seed=0,
        micro_batch=1,
        storage="f16",
        normalisation=Normalisation(mean=(0.5,), std=(0.25,)),
        recipe=None,
        source=None,
        **changes,
    )
    return save_artifact(path, draft)


def test_many_pixels_that_compress_well_go_up_whole(tmp_path: Path) -> None:
    (tmp_path / "staged").mkdir()
    artifact = bank(tmp_path / "a", side=40)
    assert stage(artifact, tmp_path / "staged", max_parquet_bytes=1600).parquet == "full"


@pytest.mark.parametrize(
    ("changes", "told"), [({"dtype": "float32"}, "none: samples are float32"), ({"classes": ("a", "a")}, "none: two")]
)
def test_what_a_parquet_cannot_hold_goes_up_without_one_and_that_is_said(
    changes: dict[str, Any], told: str, tmp_path: Path
) -> None:
    (tmp_path / "staged").mkdir()
    staged = stage(bank(tmp_path / "a", side=8, **changes), tmp_path / "staged", max_parquet_bytes=10**6)
    assert staged.parquet.startswith(told)
    assert staged.table is None


def test_tables_that_were_published_once_are_not_made_again(digits: CondensedArtifact, tmp_path: Path) -> None:
    table = b"made on another machine"
    fields = json.loads((digits.path / "config.json").read_bytes())
    name = "data/train-00000-of-00001.parquet"
    fields["files"][name] = {"size": len(table), "sha256": hashlib.sha256(table).hexdigest()}
    (digits.path / "config.json").write_bytes(pretty(seal(fields)))
    (digits.path / "data").mkdir()
    (digits.path / name).write_bytes(table)
    staged = stage(gendata.open_artifact(digits.path), tmp_path, max_parquet_bytes=1000)
    assert staged.paths[name] == digits.path / name
    assert staged.manifest.digest == seal(fields)["digest"]


def test_without_a_parquet_the_card_still_names_a_configuration(digits: CondensedArtifact) -> None:
    told = metadata_of(digits.manifest, None, {"dataset_info": {"features": []}})
    assert len(told["configs"]) == 1
    assert told["dataset_info"] is None


def with_ours(text: str, **metadata: Any) -> str:
    return Readme(text, where="README.md").with_ours(metadata, "<!-- gendata:begin -->\nours\n<!-- gendata:end -->")


def metadata_in(text: str) -> dict[str, Any]:
    told = yaml.safe_load(text.split("---\n")[1])
    assert isinstance(told, dict)
    return told


def test_a_card_that_does_not_exist_is_begun() -> None:
    text = with_ours("", license="mit")
    assert text == "---\nlicense: mit\n---\n\n<!-- gendata:begin -->\nours\n<!-- gendata:end -->\n"
    assert with_ours(text, license="mit") == text


def test_own_words_without_marks_stay_in_front() -> None:
    assert with_ours("# Mine\n", license="mit").index("# Mine") < with_ours("# Mine\n", license="mit").index("ours")


@pytest.mark.parametrize(
    "front",
    [
        "tags:\n- a\n- b\nlicense: mit # by us\nother: 1\n",
        "license:\n  - mit\n  - other\ntags: [a, b]\nother: 1",
        '"license": mit\n\n# a comment\ntags:\n  - a\n\n  - b\nother: 1\n',
        "license: >-\n  m\n\n  it\nother: 1\ntags: [a,\n  b]\n",
        "{license: mit, tags: [a, b], other: 1}\n",
        "license: mit\ntags:\n- a\n# between\n- b\nother: 1\n",
    ],
)
def test_only_our_keys_change_however_the_others_are_written(front: str) -> None:
    front = front if front.endswith("\n") else front + "\n"
    text = with_ours(f"---\n{front}---\nbody\n", license="cc-by-4.0", tags=["a", "b", "gendata"], configs=[{"x": 1}])
    assert metadata_in(text) == {
        "license": "cc-by-4.0",
        "tags": ["a", "b", "gendata"],
        "configs": [{"x": 1}],
        "other": 1,
    }
    assert metadata_in(with_ours(text, configs=None)).keys() == {"license", "tags", "other"}
    assert "\nbody\n" in text


def test_text_that_looks_like_an_escape_is_written_as_it_is() -> None:
    text = with_ours("---\na: 1\n---\n", a=r"\1 \g<0> \n")
    assert metadata_in(text) == {"a": r"\1 \g<0> \n"}


def test_a_new_licence_reaches_the_card_and_its_old_name_goes(digits: CondensedArtifact) -> None:
    own = metadata_of(annotate(digits.path, license="Our terms 1.0").manifest, None, {})
    assert own["license"] == "other"
    assert own["license_name"]
    known = metadata_of(annotate(digits.path, license="CC0-1.0").manifest, None, own)
    assert (known["license"], known["license_name"]) == ("cc0-1.0", None)


def test_what_the_folder_holds_now_is_published_if_it_is_the_same_artifact(digits: CondensedArtifact) -> None:
    rows = digits.evaluations()
    write_evaluations(digits.path, [])
    annotate(digits.path, license="CC0-1.0")
    with pytest.raises(HubError, match="the artifact passed every check"):
        push_to_hub(digits, "org/name", dry_run=True, endpoint="http://127.0.0.1:9")
    write_evaluations(digits.path, [{**rows[0], "mean": 0.99}])
    with pytest.raises(ArtifactError, match="changed after it was measured"):
        push_to_hub(digits, "org/name", dry_run=True, endpoint="http://127.0.0.1:9")
    shutil.rmtree(digits.path)
    shutil.copytree(shipped_folder("fashion-mnist-8kb"), digits.path)
    with pytest.raises(ArtifactError, match=r"holds artifact [0-9a-f]{12} now"):
        push_to_hub(digits, "org/name", dry_run=True, endpoint="http://127.0.0.1:9")


@pytest.mark.parametrize("repo", ["name", "/name", "org/", "a/b/c"])
def test_a_name_without_an_owner_is_refused_before_the_hub_is_asked(repo: str, digits: CondensedArtifact) -> None:
    with pytest.raises(HubError, match="names no repository"):
        push_to_hub(digits, repo, dry_run=True)
