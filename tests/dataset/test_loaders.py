"""The dataset inside torch's own tools. Workers that hang fail after two minutes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.utils.data import (
    BatchSampler,
    ConcatDataset,
    DataLoader,
    DistributedSampler,
    RandomSampler,
    SequentialSampler,
    StackDataset,
    Subset,
    WeightedRandomSampler,
    default_collate,
    random_split,
)

from gendata.dataset.batch import collate
from gendata.dataset.generated import GeneratedDataset


def loaded(dataset, *, num_workers=0, batch_size=8, **options):
    """Everything a DataLoader yields, concatenated."""
    timeout = 120 if num_workers else 0
    loader = DataLoader(dataset, batch_size=batch_size, num_workers=num_workers, timeout=timeout, **options)
    xs, ys = zip(*loader, strict=True)
    return torch.cat(xs), torch.cat(ys)


class EpochSampler:
    """Sends (epoch, index) pairs, which prefetching cannot overtake."""

    def __init__(self, length: int) -> None:
        self.length, self.epoch = length, 0

    def __len__(self) -> int:
        return self.length

    def __iter__(self):
        return iter([(self.epoch, index) for index in range(self.length)])


@pytest.mark.parametrize("collate_fn", [default_collate, collate])
@pytest.mark.parametrize("num_workers", [0, 2])
@pytest.mark.parametrize("batch_size", [1, 3, 16, 50])
def test_batch_size_workers_order_and_subset_change_no_sample(dataset, batch_size, num_workers, collate_fn):
    options = {"batch_size": batch_size, "num_workers": num_workers, "collate_fn": collate_fn}
    x, y = loaded(dataset, **options)
    assert torch.equal(x, dataset[:][0]) and torch.equal(y, dataset.targets)
    some = np.random.default_rng(0).permutation(40)[:25].tolist()
    x, y = loaded(Subset(dataset, some), **options)
    assert torch.equal(x, dataset[some][0]) and torch.equal(y, dataset.targets[some])


# Processes that do not fork import torch anew, which takes seconds.
START_METHODS = pytest.mark.parametrize(
    "method",
    ["fork", pytest.param("spawn", marks=pytest.mark.slow), pytest.param("forkserver", marks=pytest.mark.slow)],
)


def forbidden(self, index):
    raise AssertionError("made again")


@START_METHODS
def test_workers_of_any_start_method_share_one_frozen_set(artifact, method, monkeypatch, cache, caplog):
    cache.parent.touch()  # no folder can be made here, so memory is all there is
    # The parent samples before its workers do: threads that it started must not hang them.
    expected = GeneratedDataset(artifact)[:][0]
    frozen = GeneratedDataset(artifact)
    x, y = loaded(frozen, num_workers=2, batch_size=7, multiprocessing_context=method, collate_fn=collate)
    assert torch.equal(x, expected) and torch.equal(y, frozen.targets)
    monkeypatch.setattr(type(artifact), "frozen_images", forbidden)
    assert torch.equal(frozen[:][0], expected)  # the parent finds what its workers have generated


@pytest.mark.parametrize("method", ["fork", pytest.param("forkserver", marks=pytest.mark.slow)])
def test_workers_of_any_start_method_read_a_cached_frozen_set(artifact, method, monkeypatch):
    expected = GeneratedDataset(artifact)[:][0]
    monkeypatch.setattr(type(artifact), "frozen_images", forbidden)
    frozen = GeneratedDataset(artifact)
    options = {"num_workers": 2, "batch_size": 7, "multiprocessing_context": method, "collate_fn": collate}
    assert torch.equal(loaded(frozen, **options)[0], expected)


def test_workers_that_complete_a_frozen_set_put_it_into_the_cache(artifact, cache, monkeypatch):
    x, _ = loaded(GeneratedDataset(artifact), num_workers=1)
    assert len(list(cache.iterdir())) == 1
    monkeypatch.setattr(type(artifact), "frozen_images", forbidden)
    assert torch.equal(GeneratedDataset(artifact)[:][0], x)


@START_METHODS
def test_set_epoch_reaches_persistent_workers_of_any_start_method(frozen, method):
    fresh = frozen.fresh(seed=1)
    loader = DataLoader(
        fresh,
        batch_size=7,
        num_workers=2,
        timeout=120,
        persistent_workers=True,
        multiprocessing_context=method,
        collate_fn=collate,
    )
    epochs = []
    for epoch in range(3):
        fresh.set_epoch(epoch)
        epochs.append(torch.cat([x for x, _ in loader]))
        assert torch.equal(epochs[-1], fresh[:][0])
    assert not torch.equal(epochs[0], epochs[1])


def test_what_arrives_from_a_worker_is_a_plain_list_of_plain_tensors(dataset):
    (batch,) = DataLoader(dataset, batch_size=40, num_workers=1, timeout=120, collate_fn=collate)
    assert type(batch) is list and [type(part) for part in batch] == [torch.Tensor, torch.Tensor]
    assert batch[0].dtype == torch.float32 and batch[1].dtype == torch.int64


def doubled(samples):
    """A collate_fn of a user, around ours."""
    x, y = collate(samples)
    return x * 2, y


def test_a_collate_function_may_build_on_collate_inside_a_worker(dataset):
    assert torch.equal(loaded(dataset, num_workers=1, collate_fn=doubled)[0], dataset[:][0] * 2)


@pytest.mark.parametrize("num_workers", [0, 2])
def test_shuffling_gives_each_sample_once(dataset, num_workers):
    generator = torch.Generator().manual_seed(0)
    order = list(RandomSampler(dataset, generator=torch.Generator().manual_seed(0)))
    x, y = loaded(dataset, num_workers=num_workers, sampler=order)
    assert torch.equal(x, dataset[order][0]) and torch.equal(y, dataset.targets[order])
    _, y = loaded(dataset, num_workers=num_workers, shuffle=True, generator=generator, collate_fn=collate)
    assert torch.equal(y.sort().values, dataset.targets)


@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_batch_sampler_without_automatic_batching_works(dataset, num_workers):
    sampler = BatchSampler(SequentialSampler(dataset), batch_size=9, drop_last=False)
    x, y = loaded(dataset, num_workers=num_workers, batch_size=None, sampler=sampler)
    assert torch.equal(x, dataset[:][0]) and torch.equal(y, dataset.targets)


@pytest.mark.parametrize("collate_fn", [default_collate, collate])
def test_torch_containers_keep_samples_as_they_are(dataset, collate_fn):
    x = dataset[:][0]
    assert torch.equal(loaded(Subset(dataset, [5, 39, 0]), collate_fn=collate_fn)[0], x[[5, 39, 0]])
    left, right = random_split(dataset, [30, 10], generator=torch.Generator().manual_seed(0))
    assert torch.equal(loaded(left, collate_fn=collate_fn)[0], x[left.indices])
    assert torch.equal(loaded(right, collate_fn=collate_fn)[0], x[right.indices])
    twice, y = loaded(ConcatDataset([dataset, dataset]), collate_fn=collate_fn)
    assert torch.equal(twice, torch.cat([x, x])) and torch.equal(y, dataset.targets.repeat(2))


@pytest.mark.parametrize("collate_fn", [default_collate, collate])
def test_a_stack_dataset_pairs_samples(dataset, collate_fn):
    stacked = StackDataset(one=dataset, two=dataset)
    batch = next(iter(DataLoader(stacked, batch_size=6, collate_fn=collate_fn)))
    assert torch.equal(batch["one"][0], dataset[:6][0]) and torch.equal(batch["two"][1], dataset.targets[:6])


def test_samplers_read_targets(dataset):
    weights = (dataset.targets == 2).double()
    sampler = WeightedRandomSampler(weights, num_samples=20, generator=torch.Generator().manual_seed(0))
    assert loaded(dataset, sampler=sampler)[1].unique().tolist() == [2]
    assert np.bincount(dataset.targets).tolist() == [10, 10, 10, 10]


@pytest.mark.parametrize("world", [3, 64])
def test_distributed_samplers_cover_the_set(dataset, world):
    ranks = [DistributedSampler(dataset, num_replicas=world, rank=rank, shuffle=False) for rank in range(world)]
    assert {len(sampler) for sampler in ranks} == {-(-40 // world)}
    seen = torch.cat([loaded(dataset, sampler=sampler)[0] for sampler in ranks])
    wrapped = np.arange(seen.shape[0]) % 40  # torch pads with the first samples
    order = np.concatenate([wrapped[rank::world] for rank in range(world)])
    assert torch.equal(seen, dataset[order][0])


def test_epochs_in_the_index_reach_persistent_workers(frozen):
    fresh, sampler = frozen.fresh(seed=1), EpochSampler(40)
    loader = DataLoader(fresh, batch_size=10, sampler=sampler, num_workers=2, timeout=120, persistent_workers=True)
    for epoch in range(3):
        sampler.epoch = epoch
        x = torch.cat([x for x, _ in loader])
        fresh.set_epoch(epoch)
        assert torch.equal(x, fresh[:][0])
        fresh.set_epoch(0)


@pytest.mark.slow
def test_a_frozen_set_that_does_not_fit_into_shared_memory_is_generated_by_each_worker(frozen, monkeypatch, caplog):
    def no_space(self):
        raise RuntimeError("unable to allocate shared memory(shm)")

    monkeypatch.setattr(torch.Tensor, "share_memory_", no_space)
    x, _ = loaded(frozen, num_workers=1, multiprocessing_context="spawn")
    assert torch.equal(x, frozen[:][0])
    assert "every worker generates its own" in caplog.text


def test_an_index_out_of_range_in_a_worker_is_an_index_error(dataset):
    with pytest.raises(IndexError, match="index 40 is out of range"):
        loaded(dataset, num_workers=1, sampler=[0, 40])


def test_the_memory_of_an_epoch_is_an_array_not_a_list(dataset):
    assert isinstance(dataset.targets, torch.Tensor)
