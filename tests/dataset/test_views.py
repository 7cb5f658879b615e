from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

import gendata
from gendata.dataset.generated import GeneratedDataset
from gendata.errors import SpecError


def test_frozen_samples_are_those_of_the_artifact(frozen, artifact):
    x, y = artifact.frozen_images()
    assert torch.equal(frozen[:][0], x / 255) and torch.equal(frozen[:][1], y)


def test_fresh_samples_are_those_of_the_artifact(frozen, artifact):
    x, y = artifact.fresh_images(np.arange(28), samples_per_class=7, seed=3, epoch=2)
    fresh = frozen.fresh(samples_per_class=7, seed=3)
    fresh.set_epoch(2)
    assert torch.equal(fresh[:][0], x / 255) and torch.equal(fresh[:][1], y)


def test_a_sample_is_the_same_alone_in_any_order_and_in_any_company(dataset):
    x, _ = dataset[:]
    order = np.random.default_rng(0).permutation(40)
    for size in (1, 3, 16, 17, 40):
        for start in range(0, 40, size):
            chosen = order[start : start + size]
            assert torch.equal(dataset[chosen][0], x[chosen])
    assert all(torch.equal(dataset[int(i)][0], x[i]) for i in order)


def test_what_was_asked_first_changes_nothing_in_the_frozen_set(artifact):
    x = GeneratedDataset(artifact)[:][0]
    one_by_one = GeneratedDataset(artifact)
    assert all(torch.equal(one_by_one[i][0], x[i]) for i in (39, 0, 17, 16, 15))
    assert torch.equal(one_by_one[[20, 39]][0], x[[20, 39]])


def test_frozen_images_are_generated_in_full_micro_batches_and_once(artifact, monkeypatch):
    made = []
    generate = type(artifact).frozen_images
    monkeypatch.setattr(
        type(artifact),
        "frozen_images",
        lambda self, rows, **size: made.append(len(rows)) or generate(self, rows, **size),
    )
    frozen = GeneratedDataset(artifact)
    assert made == []
    frozen[17], frozen[18], frozen[16:32]
    assert made == [16]
    frozen[[39, 0]]
    assert made == [16, 16]  # both of them, and what fills the micro-batch
    frozen[:], frozen[:], frozen[0]
    assert made == [16, 16, 8]


def test_epochs_differ_only_when_fresh(frozen):
    fresh = frozen.fresh(seed=0)
    first = {"frozen": frozen[:][0], "fresh": fresh[:][0]}
    frozen.set_epoch(1)
    fresh.set_epoch(1)
    assert torch.equal(frozen[:][0], first["frozen"]) and torch.equal(frozen[(7, 3)][0], frozen[3][0])
    assert not any(torch.equal(a, b) for a, b in zip(fresh[:][0], first["fresh"], strict=True))
    fresh.set_epoch(0)
    assert torch.equal(fresh[:][0], first["fresh"])


def test_an_epoch_index_pair_equals_set_epoch(frozen):
    fresh = frozen.fresh(seed=0)
    paired, batch = fresh[(3, 11)][0], fresh[[(3, 11), (3, 12)]][0]
    fresh.set_epoch(3)
    assert torch.equal(paired, fresh[11][0]) and torch.equal(batch, fresh[11:13][0])


def test_seeds_differ_also_beyond_32_bits(frozen):
    draws = [frozen.fresh(seed=seed)[:][0] for seed in (0, 1, 1 + 2**32)]
    assert not torch.equal(draws[0], draws[1]) and not torch.equal(draws[1], draws[2])


def test_fresh_has_the_frozen_length_unless_told(frozen):
    assert len(frozen.fresh()) == len(frozen) and len(frozen.fresh(samples_per_class=1000)) == 4000


def test_fresh_leaves_the_frozen_dataset_and_other_views_alone(frozen):
    one, two = frozen.fresh(seed=0), frozen.fresh(seed=0)
    one.set_epoch(5)
    assert (frozen.mode, one.mode) == ("frozen", "fresh") and (one.epoch, two.epoch) == (5, 0)


@pytest.mark.parametrize(
    "options",
    [{"seed": -1}, {"seed": 2**63}, {"seed": 1.0}, {"samples_per_class": 0}, {"samples_per_class": True}],
)
def test_bad_options_of_fresh_are_spec_errors(frozen, options):
    with pytest.raises(SpecError, match="expected a whole number"):
        frozen.fresh(**options)


def test_a_negative_epoch_is_refused(dataset):
    with pytest.raises(SpecError):
        dataset.set_epoch(-1)


def test_reading_fresh_samples_one_by_one_generates_each_micro_batch_once(frozen, artifact, monkeypatch):
    made = []
    generate = type(artifact).fresh_images
    monkeypatch.setattr(
        type(artifact), "fresh_images", lambda self, rows, **key: made.append(len(rows)) or generate(self, rows, **key)
    )
    fresh = frozen.fresh()
    for index in np.random.default_rng(0).permutation(40).tolist():
        fresh[index]
    assert sorted(made) == [8, 16, 16]


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda ds: pickle.loads(pickle.dumps(ds))])
def test_set_epoch_reaches_the_persistent_workers_of_a_copy(frozen, copied):
    fresh = copied(frozen.fresh(seed=3))
    mixture = copied(gendata.mix([(fresh, 1.0)]))
    for ds in (fresh, mixture):
        loader = DataLoader(ds, batch_size=40, num_workers=1, persistent_workers=True, multiprocessing_context="fork")
        epochs = []
        for epoch in range(2):
            ds.set_epoch(epoch)
            epochs.append(next(iter(loader))[0])
        assert not torch.equal(*epochs)


def test_more_samples_than_an_index_counts_are_refused(frozen):
    with pytest.raises(SpecError, match=r"expected less than 2\*\*63 in all"):
        frozen.fresh(samples_per_class=2**61)
