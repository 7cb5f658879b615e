"""Banks of floats come back as they are, and real images can be brought into their space."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from gendata.artifact.artifact import open_artifact, save_artifact
from gendata.artifact.manifest import Normalisation, Training
from gendata.artifact.space import Space, SpaceTransform, Whitening, fit_whitening
from gendata.dataset.generated import GeneratedDataset
from gendata.dataset.grid import sample_grid
from gendata.errors import ArtifactError, RecipeError, SpecError
from gendata.registry import GENERATORS, LATENTS
from gendata.spec import SampleSpec

SPEC = SampleSpec(channels=3, height=5, width=4, classes=("a", "b"))
MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)
MTT = Whitening(stored=False, normalised=False, unit_images=False, centred=True, ridge=0.1, ridge_relative=False)
KIP = Whitening(stored=False, normalised=True, unit_images=True, centred=False, ridge=0.1, ridge_relative=True)
NORMALISED = Space(name="normalised")


def noise(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(0)) * 2


def train_images(count=50):
    return torch.randint(0, 256, (count, *SPEC.shape), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)


@pytest.fixture
def bank_draft(make_draft):
    def draft(**changes):
        config = GENERATORS.config("pixel-bank", {"slots": 3, "values": "float32"}, where="test")
        bank = GENERATORS.load("pixel-bank")(config, spec=SPEC, latent_dim=1)
        bank.images.copy_(noise(*bank.images.shape))
        law = LATENTS.load("slot")(LATENTS.config("slot", {"slots": 3}, where="test"), num_classes=2)
        options = {"storage": "f32", "dtype": "float32", "normalisation": Normalisation(mean=MEAN, std=STD)}
        options |= {"generator_name": "pixel-bank", "generator": bank, "latent_name": "slot", "law": law}
        return make_draft(**{**options, "spec": SPEC, "ipc": 3, **changes})

    return draft


def test_floats_come_back_as_they_were_stored_frozen_fresh_and_in_a_dataset(bank_draft, tmp_path):
    draft = bank_draft(space=NORMALISED)
    opened = open_artifact(save_artifact(tmp_path / "a", draft).path, verify="probe")
    images, labels = opened.frozen_images()
    stored = draft.generator.images.flatten(0, 1)
    assert images.dtype == torch.float32 and torch.equal(images, stored)
    assert images.min() < 0 and images.max() > 1
    assert labels.tolist() == [0, 0, 0, 1, 1, 1]
    fresh, _ = opened.fresh_images(np.arange(8), samples_per_class=4, seed=0, epoch=0)
    assert all((stored == image).flatten(1).all(1).any() for image in fresh)
    ds = GeneratedDataset(opened)
    assert torch.equal(ds[:][0], stored) and torch.equal(ds[4][0], stored[4])
    ds[4][0].zero_()
    assert torch.equal(ds[4][0], stored[4])
    assert ds.fresh()[0][0].dtype == torch.float32


def test_pixels_and_floats_in_the_image_space_are_no_other_space(bank_draft, make_draft, tmp_path):
    floats = save_artifact(tmp_path / "f", bank_draft())
    assert floats.space == "image" and floats.sample_dtype == torch.float32
    pixels = save_artifact(tmp_path / "p", make_draft())
    assert pixels.space == "image" and pixels.sample_dtype == torch.uint8
    x_u8 = train_images(2)
    assert torch.equal(floats.to_space(x_u8), x_u8 / 255)


def test_real_images_are_normalised_as_torchvision_does_it(bank_draft, tmp_path):
    opened = save_artifact(tmp_path / "a", bank_draft(space=NORMALISED))
    x_u8 = train_images(4)
    mean, std = torch.tensor(MEAN).view(-1, 1, 1), torch.tensor(STD).view(-1, 1, 1)
    assert opened.space == "normalised"
    assert torch.equal(opened.to_space(x_u8), x_u8.float().div(255).sub(mean).div(std))


@pytest.mark.parametrize("how", [MTT, KIP])
def test_a_whitening_named_and_one_stored_whiten_alike(bank_draft, tmp_path, how):
    train = train_images()
    named = save_artifact(tmp_path / "n", bank_draft(space=Space(name="zca", whitening=how)))
    by_name = named.space_transform(train)
    stored_how = Whitening(**{**json_of(how), "stored": True})
    draft = bank_draft(space=Space(name="zca", whitening=stored_how), whitener=by_name.whitener)
    stored = save_artifact(tmp_path / "s", draft)
    assert torch.equal(stored.to_space(train), by_name(train))
    assert stored.artifact_bytes - named.artifact_bytes == pytest.approx(4 * 60 * 60 + 4 * 60, abs=100)
    with pytest.raises(SpecError, match=r"(?s)named, not stored.*space_transform\(train"):
        named.to_space(train)


def json_of(how):
    return {field: getattr(how, field) for field in how.__struct_fields__}


def test_without_a_ridge_training_images_come_out_white():
    train = train_images(2000)
    how = Whitening(**{**json_of(MTT), "ridge": 0.0})
    transform = SpaceTransform(
        Space(name="zca", whitening=how), mean=MEAN, std=STD, whitener=fit_whitening(train, how, mean=MEAN, std=STD)
    )
    flat = transform(train).flatten(1).double()
    assert flat.mean(0).abs().max() < 1e-3
    assert (flat.T.cov() - torch.eye(60)).abs().max() < 1e-3


@pytest.mark.parametrize("how", [MTT, KIP])
def test_a_whitening_is_what_its_definition_says(how):
    train = train_images(70)
    x = train.double() / 255
    if how.normalised:
        x = (x - torch.tensor(MEAN).view(-1, 1, 1).double()) / torch.tensor(STD).view(-1, 1, 1).double()
    flat = x.flatten(1)
    if how.unit_images:
        flat = flat - flat.mean(1, keepdim=True)
        flat = flat / flat.norm(dim=1, keepdim=True)
    middle = flat.mean(0) if how.centred else torch.zeros(60, dtype=torch.float64)
    covariance = (flat - middle).T @ (flat - middle) / (69 if how.centred else 70)
    u, s, _ = torch.linalg.svd(covariance)
    ridge = 0.1 * (covariance.trace() / 60 if how.ridge_relative else 1)
    expected = (flat - middle) @ (u @ ((s + ridge) ** -0.5).diag() @ u.T)
    transform = SpaceTransform(
        Space(name="zca", whitening=how), mean=MEAN, std=STD, whitener=fit_whitening(train, how, mean=MEAN, std=STD)
    )
    assert (transform(train).flatten(1).double() - expected).abs().max() < 1e-3


def test_a_covariance_that_cannot_be_inverted_is_refused():
    how = Whitening(**{**json_of(MTT), "ridge": 0.0})
    with pytest.raises(SpecError, match="singular"):
        fit_whitening(torch.zeros(5, *SPEC.shape, dtype=torch.uint8), how, mean=MEAN, std=STD)
    with pytest.raises(SpecError, match="at least two"):
        fit_whitening(train_images(1), how, mean=MEAN, std=STD)


def test_images_of_another_kind_are_refused(bank_draft, tmp_path):
    opened = save_artifact(tmp_path / "a", bank_draft(space=NORMALISED))
    for wrong in (torch.zeros(2, 3, 5, 4), torch.zeros(2, 1, 5, 4, dtype=torch.uint8)):
        with pytest.raises(SpecError, match="expected uint8"):
            opened.to_space(wrong)


def test_the_space_and_what_it_is_measured_by_are_part_of_the_identity(bank_draft, tmp_path):
    drafts = {
        "image": bank_draft(),
        "normalised": bank_draft(space=NORMALISED),
        "other mean": bank_draft(space=NORMALISED, normalisation=Normalisation(mean=(0.1,) * 3, std=STD)),
        "mtt": bank_draft(space=Space(name="zca", whitening=MTT)),
        "kip": bank_draft(space=Space(name="zca", whitening=KIP)),
    }
    ids = {name: save_artifact(tmp_path / name, draft).artifact_id for name, draft in drafts.items()}
    assert len(set(ids.values())) == len(drafts)


def test_a_learning_rate_is_kept_outside_the_identity(bank_draft, tmp_path):
    plain = save_artifact(tmp_path / "a", bank_draft())
    learned = save_artifact(tmp_path / "b", bank_draft(training=Training(lr=0.0123)))
    assert learned.manifest.training.lr == 0.0123
    assert learned.artifact_id == plain.artifact_id
    assert "0.0123" in (learned.path / "README.md").read_text()


def test_pictures_undo_the_normalisation_and_stretch_what_was_whitened(bank_draft, tmp_path):
    opened = save_artifact(tmp_path / "a", bank_draft(space=NORMALISED))
    x_u8 = train_images(3)
    assert torch.equal(opened.to_pictures(opened.to_space(x_u8)), x_u8)
    white = save_artifact(tmp_path / "w", bank_draft(space=Space(name="zca", whitening=MTT)))
    sheet = sample_grid(white, per_class=2)
    assert sheet.dtype == torch.uint8 and sheet.shape == (2, 2, 3, 5, 4)
    assert 100 < sheet.float().mean() < 155 and sheet.float().std() > 30


def test_soft_labels_say_what_their_numbers_are(bank_draft, tmp_path):
    labels = noise(6, 2)
    with pytest.raises(ArtifactError, match=r"(?s)probabilities.*label_values is logits or targets"):
        save_artifact(tmp_path / "p", bank_draft(soft_labels=labels))
    opened = save_artifact(tmp_path / "l", bank_draft(soft_labels=labels, label_values="logits"))
    assert opened.manifest.labels.values == "logits" and torch.equal(opened.soft_labels, labels)
    assert torch.equal(opened.label_probabilities(), labels.softmax(1))
    soft = save_artifact(tmp_path / "q", bank_draft(soft_labels=labels.softmax(1)))
    assert soft.manifest.labels.kind == "soft" and torch.equal(soft.label_probabilities(), labels.softmax(1))
    targets = save_artifact(tmp_path / "t", bank_draft(soft_labels=labels, label_values="targets"))
    assert targets.label_probabilities().sum(1).eq(1).all()
    assert torch.equal(targets.label_probabilities().argmax(1), labels.argmax(1))
    assert save_artifact(tmp_path / "h", bank_draft()).label_probabilities() is None


def test_an_artifact_of_pixels_says_nothing_new_in_its_identity(artifact):
    fields = json.loads((artifact.path / "config.json").read_text())
    assert fields["space"] is None and fields["labels"] == {"kind": "hard"}
    assert fields["sampling"] == {"dtype": "uint8", "micro_batch": 8, "rounding": "half-even"}
    assert "values" not in fields["generator"]["config"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.update(space={"name": "normalised"}), "sampling.dtype is 'uint8'"),
        (lambda f: f.update(space={"name": "hsv"}), "space.name"),
        (lambda f: (f.update(space={"name": "zca"}), f["sampling"].update(dtype="float32")), "zca has one"),
        (lambda f: f.update(training={"lr": -1.0}), "training.lr"),
        (lambda f: f["labels"].update(values="logits"), "hard labels have not"),
    ],
)
def test_spaces_labels_and_rates_that_make_no_sense_are_refused(forged, change, message):
    with pytest.raises(ArtifactError, match=message):
        open_artifact(forged(change))


def test_a_stored_whitening_must_be_there_and_fit_the_images(bank_draft, tmp_path):
    how = Whitening(**{**json_of(MTT), "stored": True})
    with pytest.raises(ArtifactError, match=r"'space\.matrix' is missing"):
        save_artifact(tmp_path / "a", bank_draft(space=Space(name="zca", whitening=how)))


def test_values_of_a_bank_are_bytes_or_floats_alone():
    with pytest.raises(RecipeError, match=r"generator\.options\.values"):
        GENERATORS.config("pixel-bank", {"slots": 1, "values": "complex64"}, where="generator")
