"""A stored set of fewer or more images per class than the artifact's IPC."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gendata.artifact.artifact import Draft, Normalisation, save_artifact
from gendata.dataset.generated import GeneratedDataset
from gendata.errors import SpecError
from gendata.registry import GENERATORS, LATENTS
from gendata.spec import SampleSpec

SPEC = SampleSpec(channels=1, height=12, width=12, classes=("ant", "bee"))


@pytest.fixture
def coded(tmp_path):
    """IPC 2 of seven codes for each of two classes."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config = LATENTS.config("codebook", {"dim": 6, "codes": 7, "frozen": "codes"}, where="test")
        law = LATENTS.load("codebook")(config, num_classes=2)
        options = GENERATORS.config("conv-decoder", {"widths": [8], "rank": 8, "class_dim": 4}, where="test")
        generator = GENERATORS.load("conv-decoder")(options, spec=SPEC, latent_dim=law.dim)
        for parameter in generator.parameters():
            parameter.data.mul_(3)
    law.prepare()
    draft = Draft(
        generator_name="conv-decoder", generator=generator, latent_name="codebook", law=law, spec=SPEC, ipc=2,
        frozen_seed=0, micro_batch=4, storage="f16", normalisation=Normalisation(mean=(0.5,), std=(0.25,)),
        recipe=None, source=None,
    )  # fmt: skip
    return GeneratedDataset(save_artifact(tmp_path / "coded", draft))


def by_class(dataset):
    x, y = dataset[:]
    return x.unflatten(0, (2, -1)), y.unflatten(0, (2, -1))


def test_every_code_is_an_image_and_the_first_ones_are_the_frozen_set(coded):
    assert coded.artifact.max_ipc == 7
    x, y = by_class(coded.frozen(ipc=7))
    assert x.shape[:2] == (2, 7) and y.tolist() == [[0] * 7, [1] * 7]
    assert x.flatten(0, 1).flatten(1).unique(dim=0).shape[0] == 14
    for ipc in (1, 2, 4):
        assert torch.equal(by_class(coded.frozen(ipc=ipc))[0], x[:, :ipc])
    assert torch.equal(coded[:][0], coded.frozen()[:][0])
    whole = coded.frozen(ipc=7)
    assert torch.equal(whole[9][0], x[1, 2]) and len(whole) == 14


def test_sets_of_another_size_have_another_fingerprint(coded):
    prints = {coded.frozen(ipc=ipc).fingerprint for ipc in (1, 2, 3, 7)}
    assert len(prints) == 4 and coded.frozen(ipc=2).fingerprint == coded.fingerprint


def test_no_more_than_the_codes_are_stored(coded):
    with pytest.raises(SpecError, match="images stored per class: 7"):
        coded.frozen(ipc=8)
    with pytest.raises(SpecError, match="ipc is 0"):
        coded.frozen(ipc=0)


def test_drawn_frozen_sets_have_no_further_images(frozen):
    assert frozen.artifact.max_ipc == 10
    first = frozen.frozen(ipc=3)[:][0]
    assert torch.equal(first, frozen[:][0].unflatten(0, (4, 10))[:, :3].flatten(0, 1))
    images, labels = frozen.artifact.frozen_images(np.array([4]), ipc=3)
    assert torch.equal(images[0] / 255, first[4]) and labels.tolist() == [1]
    with pytest.raises(SpecError, match="images stored per class: 10"):
        frozen.frozen(ipc=11)


def test_sets_of_several_sizes_lie_in_the_cache_side_by_side(coded, cache, caplog):
    for _ in range(2):
        for ipc in (2, 4, 7):
            GeneratedDataset(coded.artifact).frozen(ipc=ipc)[:]
    assert len(list(cache.iterdir())) == 3 and not caplog.records
