"""An artifact whose soft labels a head makes: of the frozen set and of new images, refused where it does not fit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch

from gendata.artifact import modules
from gendata.artifact.artifact import CondensedArtifact, Draft, open_artifact, save_artifact
from gendata.artifact.layout import facts_of
from gendata.artifact.probes import verify_probes
from gendata.errors import ArtifactError, IntegrityError, SpecError, UnsupportedVersionError
from gendata.generators.label_head import LabelHead, LabelHeadConfig

FRESH = {"samples_per_class": 7, "seed": 3, "epoch": 2}


def head_of(code_dim: int = 6) -> LabelHead:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        return LabelHead(LabelHeadConfig(width=4, class_dim=2), num_classes=3, code_dim=code_dim)


@pytest.fixture
def labelled(make_draft: Callable[..., Draft], tmp_path: Path) -> CondensedArtifact:
    return save_artifact(tmp_path / "labelled", make_draft(label_head=head_of(), storage="int4"))


@pytest.fixture
def artifact(labelled: CondensedArtifact) -> CondensedArtifact:
    """What `forged` changes."""
    return labelled


def test_every_image_has_a_soft_label_and_the_stored_set_the_same_one_again(labelled: CondensedArtifact) -> None:
    soft = labelled.soft_labels
    assert soft is not None and soft.shape == (15, 3)
    torch.testing.assert_close(soft.sum(1), torch.ones(15))
    assert soft.unique(dim=0).shape[0] == 15  # of each image its own, not of its class
    again = open_artifact(labelled.path)
    assert again.soft_labels is not None and torch.equal(again.soft_labels, soft)
    assert torch.equal(soft, labelled.label_probabilities())
    first = labelled.label_probabilities(ipc=2)
    assert first is not None and torch.equal(first, soft.unflatten(0, (3, 5))[:, :2].flatten(0, 1))


def test_a_machine_finds_out_whether_it_gives_the_publishers_labels(
    labelled: CondensedArtifact, forged: Callable[..., Path]
) -> None:
    assert verify_probes(labelled).tier == 2
    path = labelled.path / "probes.safetensors"
    stored = safetensors.torch.load(path.read_bytes())
    assert torch.equal(stored["soft_labels"][:4], labelled.soft_labels[[0, 4, 9, 14]])  # type: ignore[index]
    changed = {"images": stored["images"].clone(), "soft_labels": stored["soft_labels"].flip(1).contiguous()}
    for tensors, error, told in (
        (changed, IntegrityError, "soft labels differ"),
        ({"images": changed["images"]}, ArtifactError, "no float32 tensor called soft_labels"),
    ):
        data = safetensors.torch.save(tensors)
        path.write_bytes(data)
        facts = facts_of(data)
        listed = {path.name: {"size": facts.size, "sha256": facts.sha256}}
        forged(lambda fields, listed=listed: fields["files"].update(listed))
        with pytest.raises(error, match=told):
            verify_probes(open_artifact(labelled.path))


def test_the_card_says_which_images_have_soft_labels(labelled: CondensedArtifact) -> None:
    assert '`.with_labels("soft")` gives either soft labels' in (labelled.path / "README.md").read_text()


def test_the_label_of_a_new_image_is_its_own_in_any_company(labelled: CondensedArtifact) -> None:
    whole = labelled.fresh_soft_labels(np.arange(21), **FRESH)
    some = np.array([20, 0, 9])
    assert torch.equal(labelled.fresh_soft_labels(some, **FRESH), whole[torch.from_numpy(some)])
    other = labelled.fresh_soft_labels(np.arange(21), **{**FRESH, "epoch": 3})
    assert not torch.equal(whole, other)


def test_the_head_costs_its_bytes_and_is_never_stored_in_four_bits(
    labelled: CondensedArtifact, make_draft: Callable[..., Draft], tmp_path: Path
) -> None:
    plain = save_artifact(tmp_path / "plain", make_draft(storage="int4"))
    num_values = sum(weight.numel() for weight in head_of().parameters())
    assert num_values <= labelled.artifact_bytes - plain.artifact_bytes <= 2 * num_values + 16
    kinds = {entry.name: entry.dtype for entry in labelled.manifest.weights.tensors}
    assert {kind for name, kind in kinds.items() if name.startswith("labels.head.")} == {"int8", "f16"}
    assert labelled.artifact_id != plain.artifact_id and "of new images too" in labelled.manifest.labels.told


def test_without_a_head_new_images_have_hard_labels(make_draft: Callable[..., Draft], tmp_path: Path) -> None:
    plain = save_artifact(tmp_path / "plain", make_draft())
    assert plain.soft_labels is None and not plain.has_fresh_soft_labels
    with pytest.raises(SpecError, match="hard labels only"):
        plain.fresh_soft_labels(np.arange(3), **FRESH)


def test_stored_labels_and_a_head_are_one_too_many(make_draft: Callable[..., Draft], tmp_path: Path) -> None:
    stored = torch.full((15, 3), 1 / 3)
    with pytest.raises(ArtifactError, match="one of both"):
        save_artifact(tmp_path / "both", make_draft(label_head=head_of(), soft_labels=stored))


CONFIG = {"width": 4, "class_dim": 2}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"head": {"config": {**CONFIG, "width": 9}, "revision": 1}}, "labels.head.hidden.weight' has shape"),
        ({"head": {"config": CONFIG, "revision": 2}}, "'label head' is of revision 2"),
        ({"head": {"config": {**CONFIG, "depth": 3}, "revision": 1}}, "unknown field"),
        ({"head": {"config": {**CONFIG, "width": 10**9}, "revision": 1}}, "width must be 1 to 4096"),
        ({"values": "logits"}, "makes soft probabilities"),
        ({"kind": "hard"}, "makes soft probabilities"),
        ({"head": None}, "belongs to nothing"),
    ],
)
def test_a_forged_head_is_refused(forged: Callable[..., Path], change: dict[str, Any], message: str) -> None:
    folder = forged(lambda fields: fields["labels"].update(change))
    with pytest.raises((ArtifactError, UnsupportedVersionError), match=message):
        open_artifact(folder)


def test_more_labels_than_anybody_can_hold_are_refused(forged: Callable[..., Path]) -> None:
    def one_pixel_each(fields: dict[str, Any]) -> None:
        fields["spec"].update(height=1, width=1)
        fields["frozen"].update(ipc=10**9)

    folder = forged(one_pixel_each)
    with pytest.raises(ArtifactError, match="soft labels of the frozen set would take"):
        open_artifact(folder)


def test_a_head_that_takes_too_much_is_refused(labelled: CondensedArtifact, monkeypatch: pytest.MonkeyPatch) -> None:
    macs = 8 * labelled.generator.macs_per_image()  # of a micro-batch, without the head
    monkeypatch.setattr(modules, "MAX_MACS", macs)
    with pytest.raises(ArtifactError, match="multiply-accumulates"):
        open_artifact(labelled.path)


def test_labels_that_are_no_numbers_are_never_handed_out(make_draft: Callable[..., Draft], tmp_path: Path) -> None:
    draft = make_draft(latent="codebook", latent_options={"dim": 6, "codes": 8}, label_head=head_of(), storage="f32")
    draft.law.scales.data.fill_(3e38)  # times a normal number: beyond float32
    broken = save_artifact(tmp_path / "broken", draft)
    with pytest.raises(ArtifactError, match="not finite"):
        broken.fresh_soft_labels(np.arange(21), **FRESH)
