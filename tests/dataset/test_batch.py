from __future__ import annotations

import pickle

import pytest
import torch
from torch.utils.data import default_collate

from gendata.dataset.batch import Batch, collate
from gendata.dataset.pixels import as_float


@pytest.fixture
def batch():
    return Batch(torch.arange(12, dtype=torch.uint8).view(3, 1, 2, 2), torch.tensor([5, 6, 7]))


def test_every_byte_becomes_what_torchvision_makes_of_it():
    values = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(as_float(values), values.to(torch.float32).div(255))


def test_a_batch_is_a_list_of_samples(batch):
    assert isinstance(batch, list) and len(batch) == 3
    x, y = batch[1]
    assert torch.equal(x, batch.ready[0][1]) and type(y) is int and y == 6


@pytest.mark.parametrize(
    "look",
    [
        len,
        bool,
        list,
        tuple,
        lambda batch: sorted(batch, key=lambda sample: sample[1]),
        lambda batch: [*batch],
        lambda batch: list(zip(*batch, strict=True)),
        lambda batch: batch + [],  # noqa: RUF005  (its own method)
        lambda batch: batch[-1],
        lambda batch: batch.copy(),
        lambda batch: next(reversed(batch)),
        repr,
    ],
)
def test_whoever_looks_first_finds_all_samples(batch, look):
    plain = list(zip(batch.ready[0].unbind(), [5, 6, 7], strict=True))
    assert repr(look(batch)) == repr(look(plain))


def test_batches_are_added_and_compared_as_lists_whichever_side_they_are_on(batch):
    def again():
        return Batch(batch.images, batch.labels)

    assert [y for _, y in again() + again()] == [5, 6, 7, 5, 6, 7]
    assert [y for _, y in [] + again()] == [5, 6, 7]  # noqa: RUF005  (its own method)
    assert len([1] + again()) == 4  # noqa: RUF005
    longer = Batch(torch.zeros(2, 1, 2, 2, dtype=torch.uint8), torch.tensor([0, 1]))
    assert again() != longer and longer != again() and [] != again()
    grown = []
    grown += again()
    assert len(grown) == 3
    with pytest.raises(TypeError):
        (1,) + again()  # noqa: RUF005


def test_collate_gives_what_default_collate_gives(batch):
    stacked, ready = default_collate(list(batch)), collate(Batch(batch.images, batch.labels))
    assert type(ready) is type(stacked) is list
    assert all(torch.equal(a, b) and a.dtype == b.dtype for a, b in zip(ready, stacked, strict=True))


def test_collate_stacks_what_carries_no_ready_batch(batch):
    assert torch.equal(collate(list(batch))[0], batch.ready[0])
    assert collate([1, 2]).tolist() == [1, 2]


def test_collate_sees_that_a_batch_was_changed(batch):
    batch.append((torch.ones(1, 2, 2), 8))
    batch[0] = (torch.ones(1, 2, 2), 9)
    assert collate(batch)[1].tolist() == [9, 6, 7, 8]
    assert collate(batch[:2])[1].tolist() == [9, 6]


def test_a_batch_survives_pickling(batch):
    for data in (pickle.dumps(batch), pickle.dumps(Batch(batch.images, batch.labels))):
        copy = pickle.loads(data)
        assert len(copy) == 3 and copy[2][1] == 7 and torch.equal(copy[2][0], batch.ready[0][2])


def test_a_changed_batch_keeps_its_changes_when_pickled(batch):
    batch.pop()
    assert [y for _, y in pickle.loads(pickle.dumps(batch))] == [5, 6]
