from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from gendata.dataset.batch import collate
from gendata.dataset.selection import Evenly, all_of, narrowed, picked
from gendata.errors import SpecError


@pytest.mark.parametrize(
    "indices",
    [slice(3, 30, 4), slice(None, None, -3), [5, 39, -1, 5], np.arange(40) % 3 == 0, torch.tensor([2, 1]), range(4, 9)],
)
def test_a_selection_has_the_chosen_samples_in_their_order(dataset, indices):
    some, (x, y) = dataset.select(indices), dataset[indices]
    assert len(some) == len(y)
    assert torch.equal(some[:][0], x) and torch.equal(some[:][1], y) and torch.equal(some.targets, y)
    assert torch.equal(some[-1][0], x[-1])
    with pytest.raises(IndexError):
        some[len(some)]
    loaded = torch.cat([x for x, _ in DataLoader(some, batch_size=3, collate_fn=collate)])
    assert torch.equal(loaded, x)


def test_selections_of_selections_are_selections(dataset):
    order = np.arange(40)
    for first in (slice(30, 2, -3), [7, 3, 1, 8, 2, 9]):
        for second in (slice(1, 4), [2, 0, 1], slice(None, None, -1)):
            some = dataset.select(first).select(second)
            assert torch.equal(some[:][0], dataset[order[first][second]][0])


@pytest.mark.parametrize("contiguous", [False, True])
@pytest.mark.parametrize("num_shards", [1, 3, 7, 64])
def test_shards_hold_every_sample_once_and_differ_by_at_most_one(dataset, num_shards, contiguous):
    shards = [dataset.shard(num_shards, index, contiguous=contiguous) for index in range(num_shards)]
    lengths = [len(shard) for shard in shards]
    assert sum(lengths) == 40 and max(lengths) - min(lengths) <= 1
    assert torch.equal(torch.cat([shard.targets for shard in shards]).sort().values, dataset.targets)


def test_a_shard_has_all_classes_unless_it_is_contiguous(frozen):
    assert frozen.shard(4, 1).targets.unique().tolist() == [0, 1, 2, 3]
    assert frozen.shard(4, 1, contiguous=True).targets.unique().tolist() == [1]


def test_take_gives_the_first_samples(dataset):
    assert torch.equal(dataset.take(3)[:][0], dataset[:3][0])
    assert len(dataset.take(100)) == 40 and len(dataset.take(0)) == 0


@pytest.mark.parametrize(
    "wrong",
    [
        lambda ds: ds.shard(0, 0),
        lambda ds: ds.shard(2, 2),
        lambda ds: ds.shard(2, -1),
        lambda ds: ds.take(-1),
        lambda ds: ds.fresh(num_samples=0),
        lambda ds: ds.fresh(num_samples=8, samples_per_class=2),
    ],
)
def test_bad_parts_are_spec_errors(frozen, wrong):
    with pytest.raises(SpecError):
        wrong(frozen)


def test_a_selection_cannot_name_epochs(frozen):
    with pytest.raises(TypeError, match="same in every epoch"):
        frozen.select([(1, 2)])


def test_a_selection_of_fresh_samples_follows_the_epoch(frozen):
    fresh = frozen.fresh(seed=2)
    some = fresh.select([39, 0])
    some.set_epoch(3)
    assert fresh.epoch == 3 and torch.equal(some[:][0], fresh[[39, 0]][0])
    assert torch.equal(some[(5, 0)][0], fresh[(5, 39)][0])
    assert torch.equal(some[[(5, 0), (1, 1)]][0], fresh[[(5, 39), (1, 0)]][0])


@pytest.mark.parametrize("num_samples", [1, 3, 4, 10, 39, 41])
def test_an_epoch_may_have_any_number_of_samples_and_is_balanced(frozen, num_samples):
    fresh = frozen.fresh(num_samples=num_samples)
    counts = np.bincount(fresh.targets, minlength=4)
    assert len(fresh) == num_samples and counts.max() - counts.min() <= 1
    assert torch.equal(fresh[:][1], fresh.targets) and len(fresh[:][0]) == num_samples


def test_a_pickled_selection_is_small_and_the_same(dataset):
    some = dataset.shard(3, 1).take(7)
    data = pickle.dumps(some)
    assert len(data) < 4096 and torch.equal(pickle.loads(data)[:][0], some[:][0])


def test_repr_and_fingerprint_know_the_selection(frozen):
    assert "10 of 40 samples" in repr(frozen.shard(4, 0))
    prints = [
        frozen.fingerprint,
        frozen.shard(4, 0).fingerprint,
        frozen.shard(4, 1).fingerprint,
        frozen.select([1, 2]).fingerprint,
        frozen.select([2, 1]).fingerprint,
        frozen.fresh().fingerprint,
        frozen.fresh(seed=1).fingerprint,
        frozen.fresh(num_samples=39).fingerprint,
    ]
    assert len(set(prints)) == len(prints)
    assert frozen.take(10).fingerprint == frozen.select(slice(0, 10)).fingerprint


def test_even_picks_are_spread():
    assert all_of(Evenly(3, 9)).tolist() == [0, 3, 6]
    assert all_of(Evenly(4, 4)).tolist() == [0, 1, 2, 3]
    assert all_of(narrowed(Evenly(3, 9), range(2, -1, -1))).tolist() == [6, 3, 0]


@pytest.mark.parametrize("num_samples", [4_000_000_005, 6_000_000_005, 2**62 + 1])
def test_epochs_without_end_have_samples_of_their_own_everywhere(frozen, num_samples):
    picks = Evenly(num_samples, -(-num_samples // 4) * 4)
    positions = np.array([0, 1, num_samples // 2, num_samples - 2, num_samples - 1])
    assert picked(picks, positions).tolist() == [
        position * picks.total // picks.count for position in positions.tolist()
    ]
    assert frozen.fresh(num_samples=num_samples)[num_samples - 1][1] == 3
