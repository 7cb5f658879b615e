from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, default_collate

from gendata.dataset.batch import collate
from gendata.dataset.generated import GeneratedDataset
from gendata.errors import SpecError


@pytest.fixture
def soft(make_artifact, tmp_path):
    labels = torch.softmax(torch.randn(40, 4, generator=torch.Generator().manual_seed(0)), dim=1)
    return GeneratedDataset(make_artifact(tmp_path / "soft", soft_labels=labels)).with_labels("soft")


def test_a_soft_label_is_the_stored_one(soft):
    stored = soft.artifact.soft_labels
    x, y = soft[7]
    assert x.shape == (1, 12, 12) and y.dtype == torch.float32 and torch.equal(y, stored[7])
    assert torch.equal(soft[[3, 39]][1], stored[[3, 39]])
    assert torch.equal(soft.select([39, 3])[:][1], stored[[39, 3]])


def test_hard_labels_are_to_be_had_too(soft):
    assert soft.with_labels("hard")[12][1] == 1 and soft.targets[12] == 1
    assert "soft labels" in repr(soft) and "soft labels" not in repr(soft.with_labels("hard"))


@pytest.mark.parametrize("num_workers", [0, 1])
def test_soft_labels_are_collated(soft, num_workers):
    for collate_fn in (collate, default_collate):
        loader = DataLoader(soft, batch_size=40, collate_fn=collate_fn, num_workers=num_workers)
        ((x, y),) = loader
        assert torch.equal(y, soft.artifact.soft_labels) and x.dtype == torch.float32
    ((_, y),) = soft.loader(batch_size=40, shuffle=False, num_workers=num_workers)
    assert torch.equal(y, soft.artifact.soft_labels)


def test_soft_labels_take_every_format(soft):
    assert soft.with_format("dict")[:2]["label"].shape == (2, 4)
    assert isinstance(soft.with_format("numpy")[0][1], np.ndarray)
    assert torch.equal(soft.with_format("pil")[5][1], soft.artifact.soft_labels[5])


def test_changing_a_soft_label_leaves_the_artifact_as_it_was(soft):
    soft[0][1].zero_()
    soft[0:2][1].zero_()
    soft.__getitems__([0])[0][1].zero_()
    assert soft.artifact.soft_labels.min() > 0


def test_an_artifact_without_soft_labels_says_so(frozen):
    with pytest.raises(SpecError, match="hard labels only"):
        frozen.with_labels("soft")
    with pytest.raises(SpecError, match="'fuzzy'"):
        frozen.with_labels("fuzzy")


def test_fresh_samples_have_hard_labels(soft):
    assert soft.fresh()[0][1] == 0
    with pytest.raises(SpecError, match="fresh samples have none"):
        soft.fresh().with_labels("soft")
