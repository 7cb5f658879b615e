"""A machine can find out whether it makes the publisher's samples."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
import safetensors.torch
import torch

from gendata.artifact import probes
from gendata.artifact.artifact import open_artifact, save_artifact
from gendata.artifact.layout import facts_of
from gendata.artifact.probes import verify_probes
from gendata.errors import ArtifactError, IntegrityError


def with_images(forged, artifact, change):
    path = artifact.path / "probes.safetensors"
    images = safetensors.torch.load(path.read_bytes())["images"].clone()
    data = safetensors.torch.save({"images": change(images)})
    path.write_bytes(data)
    facts = facts_of(data)
    forged(lambda fields: fields["files"].update({path.name: {"size": facts.size, "sha256": facts.sha256}}))
    return open_artifact(artifact.path)


def test_the_machine_that_saved_reproduces_every_bit(artifact):
    report = verify_probes(artifact)
    assert (report.tier, report.max_step, report.same_machine) == (2, 0, True)
    assert "bit-equal" in report.meaning


def test_probes_count_no_byte_of_the_artifact(artifact):
    assert artifact.artifact_bytes == (artifact.path / "generator.safetensors").stat().st_size
    assert "probes.safetensors" in artifact.manifest.files


def test_one_step_of_difference_is_tier_three(artifact, forged):
    changed = with_images(forged, artifact, lambda images: images ^ 1)
    report = verify_probes(changed)
    assert (report.tier, report.max_step) == (3, 1)
    open_artifact(artifact.path, verify="probe")


def test_two_steps_of_difference_fail(artifact, forged):
    changed = with_images(forged, artifact, lambda images: torch.where(images > 127, images - 2, images + 2))
    with pytest.raises(IntegrityError, match="differ by 2 of 255; expected at most 1"):
        verify_probes(changed)
    with pytest.raises(IntegrityError, match="differ by 2"):
        open_artifact(artifact.path, verify="probe")


def test_without_stored_images_labels_and_latents_are_checked(artifact):
    (artifact.path / "probes.safetensors").unlink()
    report = verify_probes(open_artifact(artifact.path))
    assert (report.tier, report.max_step) == (1, None)


def test_other_latents_fail(artifact, forged):
    forged(lambda fields: fields["probes"].update(latents_sha256="0" * 64))
    with pytest.raises(IntegrityError, match="latents have sha256"):
        verify_probes(open_artifact(artifact.path))


def test_an_artifact_without_probes_is_told_so(artifact, forged):
    forged(lambda fields: fields.update(probes=None))
    report = verify_probes(open_artifact(artifact.path))
    assert (report.tier, report.max_step, report.same_machine) == (0, None, False)
    assert "no probes" in report.meaning
    with pytest.raises(ArtifactError, match="has no probes"):
        open_artifact(artifact.path, verify="probe")


@pytest.mark.parametrize(
    ("change", "message"),
    [({"tolerance": 3}, "tolerance is 3, expected 0 to 2"), ({"frozen": [], "fresh": []}, "probes name 0 samples")],
)
def test_probes_that_would_pass_anything_are_refused(forged, change, message):
    folder = forged(lambda fields: fields["probes"].update(change))
    with pytest.raises(ArtifactError, match=message):
        open_artifact(folder)


def test_images_of_another_shape_are_refused(artifact, forged):
    changed = with_images(forged, artifact, lambda images: images[:, :, :3].contiguous())
    with pytest.raises(ArtifactError, match="images are"):
        verify_probes(changed)


def test_an_artifact_of_one_image_has_probes(make_draft, tmp_path):
    assert verify_probes(save_artifact(tmp_path / "a", make_draft(ipc=1))).tier == 2


def test_another_kind_of_machine_is_told_apart(artifact, monkeypatch):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "PAPER")
    assert not verify_probes(artifact).same_machine


def test_narrower_vector_instructions_give_equal_latents_and_images_within_the_tolerance(artifact):
    script = (
        "import sys, json; from gendata.artifact.artifact import open_artifact;"
        "from gendata.artifact.probes import verify_probes; r = verify_probes(open_artifact(sys.argv[1]));"
        "print(json.dumps([r.tier, r.max_step]))"
    )
    told = subprocess.run(
        [sys.executable, "-c", script, str(artifact.path)],
        env={**os.environ, "ONEDNN_MAX_CPU_ISA": "SSE41", "ATEN_CPU_CAPABILITY": "default"},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    tier, step = json.loads(told.stdout)
    assert tier in (2, 3)
    assert step <= probes._TOLERANCE
