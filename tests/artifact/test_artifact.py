"""Saving is atomic and byte-reproducible; opening gives back what was saved."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import stat
import subprocess
import sys

import numpy as np
import pytest
import torch

from gendata.artifact import layout, weights
from gendata.artifact.artifact import open_artifact, save_artifact
from gendata.artifact.manifest import MAX_MANIFEST_BYTES
from gendata.errors import ArtifactError, IntegrityError, SpecError
from gendata.recipe import ArtifactPlan, Choice, Recipe, Reference

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b550000000a49444154789c6360000000020001"
    "48afa4710000000049454e44ae426082"
)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_same_draft_gives_the_same_bytes(make_draft, tmp_path):
    first, second = (save_artifact(tmp_path / name, make_draft()) for name in "ab")
    assert contents(first.path) == contents(second.path)
    assert first.artifact_id == second.artifact_id


def test_files_are_readable_by_all_and_writable_by_the_owner(artifact):
    assert stat.S_IMODE(artifact.path.stat().st_mode) == 0o755
    assert {stat.S_IMODE(path.stat().st_mode) for path in artifact.path.iterdir()} == {0o644}


def test_nothing_is_left_beside_the_folder(artifact):
    assert [path.name for path in artifact.path.parent.iterdir()] == ["a"]


@pytest.mark.parametrize("storage", ["f32", "f16", "bf16", "int8", "int6", "int4"])
@pytest.mark.parametrize("packed", [True, False])
def test_every_storage_opens_and_samples(make_draft, tmp_path, storage, packed):
    saved = save_artifact(tmp_path / "a", make_draft(storage=storage, packed=packed))
    images, labels = open_artifact(saved.path, verify="probe").frozen_images()
    assert images.shape == (15, 1, 12, 10)
    assert images.dtype == torch.uint8
    assert len(labels) == 15
    assert images.float().std() > 5


def test_f32_keeps_the_weights_bit_for_bit(make_draft, tmp_path):
    draft = make_draft(storage="f32")
    loaded = save_artifact(tmp_path / "a", draft).generator.state_dict()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in draft.generator.state_dict().items())


def test_packing_changes_the_bytes_and_not_the_artifact(make_draft, tmp_path):
    packed = save_artifact(tmp_path / "p", make_draft())
    split = save_artifact(tmp_path / "s", make_draft(packed=False))
    assert packed.artifact_bytes < split.artifact_bytes - 500
    assert torch.equal(packed.frozen_images()[0], split.frozen_images()[0])
    assert packed.manifest.weights.sha256 == split.manifest.weights.sha256
    assert packed.artifact_id == split.artifact_id


@pytest.mark.parametrize(
    "change", [{"seed": 1}, {"ipc": 6}, {"frozen_seed": 1}, {"micro_batch": 4}, {"storage": "f16"}]
)
def test_whatever_decides_samples_decides_the_id(artifact, make_draft, tmp_path, change):
    assert save_artifact(tmp_path / "b", make_draft(**change)).artifact_id != artifact.artifact_id


@pytest.mark.parametrize("change", [{"license": "MIT"}, {"citation": "Doe"}, {"source": None}])
def test_what_is_only_told_does_not_decide_the_id(artifact, make_draft, tmp_path, change):
    assert save_artifact(tmp_path / "b", make_draft(**change)).artifact_id == artifact.artifact_id


def test_bytes_are_those_on_disk(artifact):
    sizes = {path.name: path.stat().st_size for path in artifact.path.iterdir()}
    assert artifact.artifact_bytes == sizes["generator.safetensors"]
    assert artifact.manifest_bytes == sizes["config.json"]
    assert artifact.folder_bytes == sum(sizes.values())


def test_headers_cost_little(artifact):
    payload = sum(entry.num_bytes for entry in artifact.manifest.weights.tensors)
    assert artifact.artifact_bytes - payload < 100


def test_the_manifest_tells_neither_time_nor_host(artifact):
    text = (artifact.path / "config.json").read_text().lower()
    assert os.uname().nodename.lower() not in text
    assert not any(word in text for word in ("created", "minutes", "duration", str(artifact.path).lower()))


def test_saving_the_same_artifact_again_changes_nothing(artifact, make_draft):
    before = {path.name: path.stat().st_mtime_ns for path in artifact.path.iterdir()}
    save_artifact(artifact.path, make_draft())
    assert {path.name: path.stat().st_mtime_ns for path in artifact.path.iterdir()} == before


def test_another_artifact_is_never_overwritten(artifact, make_draft):
    before = contents(artifact.path)
    with pytest.raises(ArtifactError, match="something else"):
        save_artifact(artifact.path, make_draft(seed=1))
    assert contents(artifact.path) == before


def test_an_empty_folder_may_be_filled_and_a_used_one_not(make_draft, tmp_path):
    (tmp_path / "empty").mkdir()
    save_artifact(tmp_path / "empty", make_draft())
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "notes.txt").write_text("mine")
    with pytest.raises(ArtifactError, match="something else"):
        save_artifact(tmp_path / "used", make_draft())
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ArtifactError, match="cannot be made"):
        save_artifact(tmp_path / "file", make_draft())


def test_a_failed_save_leaves_nothing(make_draft, tmp_path, monkeypatch):
    def full(path, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(layout, "_write_new", full)
    with pytest.raises(OSError, match="No space"):
        save_artifact(tmp_path / "a", make_draft())
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_save_left_is_removed_and_what_a_running_one_writes_is_not(make_draft, tmp_path):
    dead = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
    for name in (
        f".a.partial-{dead.stdout.strip()}-x",
        f".a.partial-{os.getppid()}-x",
        ".b.partial-1-x",
        ".a.partial-x",
    ):
        (tmp_path / name).mkdir()
    save_artifact(tmp_path / "a", make_draft())
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == sorted([f".a.partial-{os.getppid()}-x", ".a.partial-x", ".b.partial-1-x", "a"])


def test_a_preview_is_listed_and_must_be_png(make_draft, tmp_path):
    saved = save_artifact(tmp_path / "a", make_draft(), preview=PNG)
    assert "preview.png" in saved.manifest.files
    assert "preview.png" in (saved.path / "README.md").read_text()
    with pytest.raises(ArtifactError, match="PNG"):
        save_artifact(tmp_path / "b", make_draft(), preview=b"GIF89a")


def test_soft_labels_are_stored_counted_and_given_back(artifact, make_draft, tmp_path):
    soft = torch.softmax(torch.randn(15, 3, generator=torch.Generator().manual_seed(0)), dim=1)
    saved = save_artifact(tmp_path / "b", make_draft(soft_labels=soft, storage="f16"))
    assert saved.manifest.labels.kind == "soft"
    assert torch.equal(saved.soft_labels, soft.half().float())
    hard = save_artifact(tmp_path / "c", make_draft(storage="f16"))
    assert saved.artifact_bytes - hard.artifact_bytes == 2 * 15 * 3
    assert hard.soft_labels is None


def test_soft_labels_of_another_count_are_refused(make_draft, tmp_path):
    with pytest.raises(ArtifactError, match=r"labels\.soft.*\[14, 3\].*\[15, 3\]"):
        save_artifact(tmp_path / "b", make_draft(soft_labels=torch.ones(14, 3) / 3))


def test_the_recipe_is_kept_without_its_measurements(make_draft, tmp_path):
    measured = Reference(row="artifact", mode="frozen", protocol="quick/v1", mean=0.5, std=0.1, n=3, minutes=7.5)
    recipe = Recipe(
        summary="s",
        source=Choice(name="digits"),
        generator=Choice(name="conv-decoder"),
        method=Choice(name="generative"),
        artifact=ArtifactPlan(ipc=5),
        reference=(measured,),
    )
    manifest = save_artifact(tmp_path / "a", make_draft(recipe=recipe)).manifest
    assert manifest.recipe_digest == recipe.digest()
    assert manifest.recipe["artifact"]["ipc"] == 5
    assert "reference" not in manifest.recipe


def test_an_artifact_survives_pickling_and_its_pickle_is_small(artifact):
    images, _ = artifact.frozen_images()
    pickled = pickle.dumps(artifact)
    assert len(pickled) < 8000
    assert torch.equal(pickle.loads(pickled).frozen_images()[0], images)


def test_files_may_be_symbolic_links_as_in_the_cache_of_the_hub(artifact, tmp_path):
    blobs, snapshot = tmp_path / "blobs", tmp_path / "snapshot"
    shutil.move(artifact.path, blobs)
    snapshot.mkdir()
    for path in blobs.iterdir():
        (snapshot / path.name).symlink_to(path)
    assert open_artifact(snapshot).artifact_id == artifact.artifact_id


def test_the_card_may_be_edited_and_optional_files_may_be_absent(artifact):
    (artifact.path / "README.md").write_text("my words")
    (artifact.path / "probes.safetensors").unlink()
    (artifact.path / ".cache").mkdir()
    (artifact.path / ".gitattributes").write_text("")
    assert open_artifact(artifact.path).artifact_id == artifact.artifact_id


def test_without_hashes_weights_are_read_at_first_use(artifact):
    lazy = open_artifact(artifact.path, verify="none")
    (artifact.path / "generator.safetensors").unlink()
    assert lazy.artifact_bytes > 0
    with pytest.raises(ArtifactError, match=r"generator\.safetensors.*cannot be read"):
        _ = lazy.generator


def test_weights_changed_after_opening_are_noticed_when_read_again(artifact):
    reopened = pickle.loads(pickle.dumps(artifact))
    path = artifact.path / "generator.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(IntegrityError, match="sha256"):
        _ = reopened.generator


@pytest.mark.parametrize("packed", [True, False])
def test_opening_reads_the_weights_once_and_hashes_packed_ones_once(make_draft, tmp_path, monkeypatch, packed):
    folder = save_artifact(tmp_path / "a", make_draft(packed=packed)).path
    done = []
    for name in ("read_array", "check_hash", "_digest"):
        original = getattr(weights, name)
        monkeypatch.setattr(weights, name, lambda *a, n=name, f=original, **k: (done.append(n), f(*a, **k))[1])
    open_artifact(folder).frozen_images()
    assert sorted(done) == sorted(["read_array", "_digest", *([] if packed else ["check_hash"])])


def test_weights_are_decoded_at_first_use_from_what_was_verified(artifact, tmp_path):
    assert "_parts" not in vars(artifact)
    shutil.rmtree(artifact.path)
    assert artifact.frozen_images()[0].float().std() > 5


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of forking where threads run
def test_what_a_fork_will_need_is_decoded_before_it(artifact):
    assert "_parts" not in vars(artifact)
    if (child := os.fork()) == 0:
        os._exit(0 if "_parts" in vars(artifact) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_every_hash_of_an_artifact_can_be_asked_for(artifact):
    artifact.check_files()
    path = artifact.path / "generator.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(IntegrityError, match=r"generator\.safetensors has sha256"):
        artifact.check_files()


def test_an_unknown_way_to_verify_is_refused(artifact):
    with pytest.raises(ArtifactError, match="'sha'"):
        open_artifact(artifact.path, verify="sha")


def test_samples_per_class_must_be_positive(artifact):
    with pytest.raises(SpecError, match="samples_per_class is 0"):
        artifact.fresh_images(np.arange(1), samples_per_class=0, seed=0, epoch=0)


def test_the_manifest_says_its_own_digest_in_plain_python(artifact):
    import hashlib

    fields = json.loads((artifact.path / "config.json").read_text())
    told, fields["digest"] = fields["digest"], ""
    canonical = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    assert hashlib.sha256(canonical).hexdigest() == told


def test_the_repr_says_what_it_is(artifact):
    assert "conv-decoder, 3 classes of (1, 12, 10), ipc=5" in repr(artifact)


def test_a_manifest_that_no_reader_would_take_is_not_written(make_draft, tmp_path):
    with pytest.raises(ArtifactError, match=str(MAX_MANIFEST_BYTES)):
        save_artifact(tmp_path / "a", make_draft(citation="x" * (MAX_MANIFEST_BYTES + 1)))
    with pytest.raises(ArtifactError, match="means"):
        from gendata.artifact.artifact import Normalisation

        save_artifact(tmp_path / "a", make_draft(normalisation=Normalisation(mean=(0.1, 0.2), std=(1.0,))))
    assert not (tmp_path / "a").exists()
