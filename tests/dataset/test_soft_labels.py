from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, default_collate

from gendata.dataset.batch import collate
from gendata.dataset.formats import Format
from gendata.dataset.generated import GeneratedDataset
from gendata.dataset.indices import Rows
from gendata.dataset.supply import DeviceSupply
from gendata.errors import SpecError
from gendata.generators.label_head import LabelHead, LabelHeadConfig


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


@pytest.fixture
def headed(make_artifact, tmp_path):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        head = LabelHead(LabelHeadConfig(width=4, class_dim=2), num_classes=4, code_dim=6)
    return GeneratedDataset(make_artifact(tmp_path / "headed", label_head=head))


def test_a_head_gives_the_stored_set_and_new_samples_soft_labels(headed):
    assert torch.equal(headed.with_labels("soft")[:][1], headed.artifact.soft_labels)
    fresh = headed.fresh(samples_per_class=9, seed=1)
    assert fresh[0][1] == 0  # hard ones, unless asked
    soft = fresh.with_labels("soft")
    soft.set_epoch(2)
    wanted = headed.artifact.fresh_soft_labels(np.arange(36), samples_per_class=9, seed=1, epoch=2)
    x, y = soft[:]
    assert torch.equal(y, wanted) and torch.equal(x, fresh[[(2, i) for i in range(36)]][0])
    assert torch.equal(soft[20][1], wanted[20]) and torch.equal(soft.select([20, 3])[:][1], wanted[[20, 3]])
    other = headed.artifact.fresh_soft_labels(np.arange(36), samples_per_class=9, seed=1, epoch=0)
    mixed = soft[[(2, 4), (0, 5), (2, 6)]][1]
    assert torch.equal(mixed, torch.stack([wanted[4], other[5], wanted[6]])) and not torch.equal(wanted[5], other[5])


@pytest.mark.parametrize("num_workers", [0, 1])
def test_soft_labels_of_new_samples_reach_every_loader(headed, num_workers):
    soft = headed.fresh(samples_per_class=5, seed=1).with_labels("soft")
    wanted = headed.artifact.fresh_soft_labels(np.arange(20), samples_per_class=5, seed=1, epoch=0)
    ((_, y),) = DataLoader(soft, batch_size=20, num_workers=num_workers)
    assert torch.equal(y, wanted)
    ((_, y),) = soft.loader(batch_size=20, shuffle=False, num_workers=num_workers)
    assert torch.equal(y, wanted)
    assert torch.equal(soft.with_format("dict")[:]["label"], wanted)


def test_generating_on_the_device_gives_the_soft_labels_of_the_host(headed):
    soft = headed.fresh(samples_per_class=5, seed=1).with_labels("soft")
    supply = DeviceSupply(soft._view, Format(), soft=True, device=torch.device("cpu"))
    x, y = supply.device(supply.host(Rows(np.arange(20), 0)))
    assert x.shape == (20, 1, 12, 12) and torch.equal(y, soft[:][1])
