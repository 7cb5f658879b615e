"""Stored images are an artifact like any other, and come back exactly."""

from __future__ import annotations

import numpy as np
import torch

from gendata.artifact.artifact import open_artifact, save_artifact
from gendata.registry import GENERATORS, LATENTS
from gendata.spec import SampleSpec

SPEC = SampleSpec(channels=3, height=5, width=4, classes=("a", "b"))


def bank_draft(make_draft):
    generator = GENERATORS.load("pixel-bank")(
        GENERATORS.config("pixel-bank", {"slots": 7}, where="test"), spec=SPEC, latent_dim=1
    )
    law = LATENTS.load("slot")(LATENTS.config("slot", {"slots": 7}, where="test"), num_classes=2)
    numbers = torch.Generator().manual_seed(0)
    generator.images.copy_(torch.randint(0, 256, generator.images.shape, generator=numbers, dtype=torch.uint8))
    normalisation = type(make_draft().normalisation)(mean=(0.5,) * 3, std=(0.5,) * 3)
    return make_draft(
        generator_name="pixel-bank",
        generator=generator,
        latent_name="slot",
        law=law,
        spec=SPEC,
        ipc=7,
        normalisation=normalisation,
    )


def test_the_frozen_set_is_the_bank_byte_for_byte(make_draft, tmp_path):
    draft = bank_draft(make_draft)
    opened = open_artifact(save_artifact(tmp_path / "a", draft).path, verify="probe")
    images, labels = opened.frozen_images()
    assert torch.equal(images, draft.generator.images.flatten(0, 1))
    assert labels.tolist() == [0] * 7 + [1] * 7


def test_uint8_images_are_stored_as_they_are_whatever_the_storage(make_draft, tmp_path):
    opened = save_artifact(tmp_path / "a", bank_draft(make_draft))
    assert {entry.dtype for entry in opened.manifest.weights.tensors} == {"u8"}
    assert opened.artifact_bytes - 2 * 7 * 3 * 5 * 4 < 100


def test_fresh_samples_are_stored_images_of_the_right_class(make_draft, tmp_path):
    draft = bank_draft(make_draft)
    opened = save_artifact(tmp_path / "a", draft)
    images, labels = opened.fresh_images(np.arange(40), samples_per_class=20, seed=0, epoch=0)
    for image, label in zip(images, labels, strict=True):
        assert (draft.generator.images[label] == image).flatten(1).all(1).any()
