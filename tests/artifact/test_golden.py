"""An artifact written once, by the first writer of its format version, is read for ever."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import pytest
import safetensors.torch

from gendata.artifact.artifact import open_artifact, save_artifact
from gendata.artifact.card import render_card
from gendata.artifact.probes import verify_probes

GOLDEN = Path(__file__).parents[1] / "data" / "golden-v0"
ARTIFACT_ID = "f2633118ad476ec70238dd71485555cd91be4fb30e09e6bd25376e9a60c009fe"
LATENTS = "85975b0e7356259028abc3a10a827c8413276f0c906e7ebb6840f237341282f3"
WEIGHTS_FILE = "0a5abd452231652ac4e902bfe92330bd7ce0e7d791521eda8613f204a566c01c"


@pytest.fixture(scope="module")
def golden():
    return open_artifact(GOLDEN)


def test_it_opens_and_its_identity_is_fixed(golden):
    assert golden.artifact_id == ARTIFACT_ID
    assert golden.manifest.files["generator.safetensors"].sha256 == WEIGHTS_FILE
    assert golden.manifest.format_version == 0
    assert golden.artifact_bytes == 2818


def test_its_latents_are_fixed_and_its_pixels_within_one_step(golden):
    assert golden.manifest.probes.latents_sha256 == LATENTS
    assert verify_probes(golden).max_step <= 1


def test_its_frozen_set_holds_the_stored_probes(golden):
    stored = safetensors.torch.load((GOLDEN / "probes.safetensors").read_bytes())["images"]
    images, labels = golden.frozen_images()
    assert images.shape == (40, 3, 18, 16)
    assert labels.bincount().tolist() == [10, 10, 10, 10]
    drawn = images[list(golden.manifest.probes.frozen)]
    assert (drawn.int() - stored[: len(drawn)].int()).abs().max() <= 1
    assert images.float().std() > 30  # not a grey set, on which any error would hide


def test_its_text_is_read_as_written(golden):
    assert golden.spec.classes == ("circle", "square", "trïangle", "star")
    assert golden.evaluations() == [
        {"row": "artifact", "mode": "frozen", "protocol": "none", "mean": 0.25, "std": 0.0, "n": 1}
    ]


def test_its_folder_is_small():
    assert sum(path.stat().st_size for path in GOLDEN.iterdir()) < 50_000


def test_todays_writer_makes_the_same_artifact(tmp_path):
    spec = importlib.util.spec_from_file_location("make_golden", Path(__file__).with_name("make_golden.py"))
    make_golden = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make_golden)
    saved = save_artifact(tmp_path / "again", make_golden.golden_draft())
    assert saved.artifact_id == ARTIFACT_ID
    assert saved.manifest.files["generator.safetensors"].sha256 == WEIGHTS_FILE


def test_a_copy_whose_git_changed_the_modes_still_opens(tmp_path):
    copy = shutil.copytree(GOLDEN, tmp_path / "copy")
    for path in copy.iterdir():
        path.chmod(0o600)
    assert open_artifact(copy).artifact_id == ARTIFACT_ID


def test_a_card_can_be_rendered_from_it(golden):
    assert b"Condensed dataset: golden" in render_card(golden.manifest, golden.evaluations())
