from __future__ import annotations

import itertools
import json
from collections import Counter

import pytest
import torch
from torch.utils.data import DataLoader

from gendata.dataset.batch import collate
from gendata.errors import SpecError


def taken(stream, count):
    return list(itertools.islice(iter(stream), count))


def as_bytes(samples):
    return [(x.numpy().tobytes(), int(y)) for x, y in samples]


def test_epochs_follow_each_other_without_end(frozen):
    fresh = frozen.fresh(seed=1)
    samples = taken(fresh.stream(seed=3), 100)
    whole = [(fresh[(epoch, index)]) for epoch in range(2) for index in range(40)]
    assert Counter(as_bytes(samples[:80])) == Counter(as_bytes(whole))
    assert [y for _, y in samples[:10]] != [0] * 10


def test_without_shuffling_the_order_is_that_of_the_dataset(frozen):
    assert [y for _, y in taken(frozen.stream(shuffle=False), 50)] == [*frozen.targets.tolist(), *[0] * 10]


@pytest.mark.parametrize("num_workers", [0, 2])
def test_workers_and_ranks_share_the_stream_without_duplicates(frozen, num_workers):
    fresh = frozen.fresh(seed=1)
    found = []
    for rank in range(2):
        stream = fresh.stream(rank=rank, world_size=2)
        loader = DataLoader(stream, batch_size=5, num_workers=num_workers, timeout=60 * num_workers)
        for x, y in itertools.islice(loader, 4):
            found += as_bytes(zip(x, y, strict=True))
    assert Counter(found) == Counter(as_bytes(fresh[(0, index)] for index in range(40)))


@pytest.mark.parametrize("num_workers", [0, 1])
def test_ready_batches_need_no_collation(dataset, num_workers):
    stream = dataset.stream(batch_size=6, seed=2)
    loader = DataLoader(stream, batch_size=None, num_workers=num_workers, timeout=60 * num_workers)
    (x, y), singles = next(iter(loader)), taken(dataset.stream(seed=2), 6)
    assert x.shape == (6, 1, 12, 12)
    assert as_bytes(zip(x, y, strict=True)) == as_bytes(singles)


def test_formats_and_transforms_hold_in_a_stream(frozen):
    (sample,) = taken(frozen.with_format("dict").with_transform(torch.neg).stream(shuffle=False), 1)
    assert torch.equal(sample["image"], -frozen[0][0])


def test_an_iterator_resumes_after_every_sample(frozen):
    stream = frozen.fresh(seed=1).stream(seed=5)
    expected = as_bytes(taken(stream, 90))
    for count in (0, 1, 39, 40, 41, 64, 65):
        before = iter(stream)
        for _ in range(count):
            next(before)
        state = json.loads(json.dumps(before.state_dict()))
        after = iter(stream)
        next(after)
        after.load_state_dict(state)
        assert as_bytes(itertools.islice(after, 5)) == expected[count : count + 5]


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("dataset", lambda ds: ds.fresh(seed=1).stream()),
        ("seed", lambda ds: ds.stream(seed=1)),
        ("shuffle", lambda ds: ds.stream(shuffle=False)),
        ("part", lambda ds: ds.stream(rank=0, world_size=2)),
    ],
)
def test_a_state_of_another_stream_is_refused(frozen, name, change):
    state = iter(change(frozen)).state_dict()
    with pytest.raises(SpecError, match=f"the state is of {name} "):
        iter(frozen.stream()).load_state_dict(state)


@pytest.mark.parametrize("state", [None, {}, {"taken": 1}])
def test_a_state_that_is_none_is_refused(frozen, state):
    with pytest.raises(SpecError):
        iter(frozen.stream()).load_state_dict(state)


def test_an_empty_dataset_has_no_stream(frozen):
    with pytest.raises(SpecError, match="empty"):
        frozen.take(0).stream()


def test_repr_names_what_streams(frozen):
    assert "batches of 4" in repr(frozen.stream(batch_size=4)) and "tiny" in repr(frozen.stream())


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
@pytest.mark.parametrize("num_workers", [0, 2])
def test_torchdata_resumes_a_stream(frozen, num_workers):
    torchdata = pytest.importorskip("torchdata.stateful_dataloader", reason="torchdata is not installed")

    def loader():
        return torchdata.StatefulDataLoader(
            frozen.fresh(seed=1).stream(), batch_size=3, num_workers=num_workers, timeout=60 * num_workers
        )

    first = loader()
    batches = iter(first)
    for _ in range(5):
        next(batches)
    state = first.state_dict()
    rest = [next(batches)[0] for _ in range(4)]
    second = loader()
    second.load_state_dict(state)
    for expected, (x, _) in zip(rest, second, strict=False):
        assert torch.equal(x, expected)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
def test_torchdata_resumes_the_dataset_itself(frozen):
    torchdata = pytest.importorskip("torchdata.stateful_dataloader", reason="torchdata is not installed")

    def loader():
        return torchdata.StatefulDataLoader(frozen, batch_size=9, collate_fn=collate)

    first = loader()
    batches = iter(first)
    next(batches)
    state, rest = first.state_dict(), [y for _, y in batches]
    second = loader()
    second.load_state_dict(state)
    assert [y.tolist() for _, y in second] == [y.tolist() for y in rest]
