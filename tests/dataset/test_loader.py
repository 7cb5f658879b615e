from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, IterableDataset

from gendata.dataset.formats import Format
from gendata.dataset.generated import GeneratedDataset
from gendata.dataset.indices import Rows
from gendata.dataset.supply import DeviceSupply
from gendata.errors import SpecError
from gendata.testing import assert_resumable


def joined(batches):
    xs, ys = zip(*batches, strict=True)
    return torch.cat(xs), torch.cat(ys)


def test_an_epoch_has_every_sample_once_in_ready_batches(dataset):
    loader = dataset.loader(batch_size=16, shuffle=False)
    batches = list(loader)
    assert len(loader) == len(batches) == 3
    assert all(type(batch) is list for batch in batches)
    x, y = joined(batches)
    assert x.dtype == torch.float32 and y.dtype == torch.int64
    assert torch.equal(x, dataset[:][0]) and torch.equal(y, dataset.targets)


def test_shuffling_is_a_function_of_seed_and_epoch(frozen):
    numbered = frozen.with_transform(target_transform=lambda y: y)
    orders = {}
    for seed in (0, 1, 1 + 2**32):
        loader = numbered.loader(batch_size=40, seed=seed)
        for epoch in range(2):
            ((x, y),) = loader
            orders[seed, epoch] = x
            assert torch.equal(y.sort().values, frozen.targets)
    assert len({order.numpy().tobytes() for order in orders.values()}) == 6
    again = frozen.loader(batch_size=7, seed=1)
    again.set_epoch(1)
    assert torch.equal(joined(again)[0], orders[1, 1])


def test_fresh_samples_are_those_of_the_epoch(frozen):
    fresh = frozen.fresh(seed=4)
    loader = fresh.loader(batch_size=9, shuffle=False)
    for epoch in range(3):
        assert loader.epoch == epoch
        fresh.set_epoch(epoch)
        x = fresh[:][0]
        fresh.set_epoch(7)  # which the loader does not look at
        assert torch.equal(joined(loader)[0], x)


@pytest.mark.parametrize("chosen", [slice(None), slice(0, 40, 3)])
def test_epochs_that_follow_are_as_the_first_whatever_was_done_to_its_batches(frozen, chosen, monkeypatch):
    for kept_bytes in (0, 2**20):
        monkeypatch.setattr("gendata.dataset.supply._KEPT_BYTES", kept_bytes)
        some = frozen.select(chosen)
        loader = some.loader(batch_size=16, shuffle=False)
        for _ in range(4):
            batches = list(loader)
            assert torch.equal(joined(batches)[0], some[:][0])
            for x, _y in batches:
                x.zero_()


def test_drop_last_leaves_out_what_fills_no_batch(frozen):
    loader = frozen.loader(batch_size=16, drop_last=True)
    assert len(loader) == 2 and [len(y) for _, y in loader] == [16, 16]


@pytest.mark.parametrize("world_size", [2, 3])
def test_ranks_share_every_epoch(frozen, world_size):
    ranks = [frozen.loader(batch_size=5, rank=rank, world_size=world_size) for rank in range(world_size)]
    assert {len(loader) for loader in ranks} == {-(-40 // (5 * world_size))}
    for _ in range(2):
        y = torch.cat([joined(loader)[1] for loader in ranks])
        assert torch.equal(y.sort().values, frozen.targets)


def test_workers_give_the_same_batches_and_live_on(frozen):
    fresh = frozen.fresh(seed=1)
    alone, helped = fresh.loader(batch_size=7), fresh.loader(batch_size=7, num_workers=2, timeout_sec=120)
    for _ in range(3):
        for ours, theirs in zip(alone, helped, strict=True):
            assert torch.equal(ours[0], theirs[0]) and torch.equal(ours[1], theirs[1])
    next(iter(helped))  # left early
    alone.set_epoch(4)
    assert torch.equal(joined(helped)[0], joined(alone)[0])


@pytest.mark.parametrize("num_workers", [0, 1])
def test_formats_labels_and_transforms_hold_in_batches(frozen, num_workers):
    options = {"batch_size": 40, "shuffle": False, "num_workers": num_workers, "timeout_sec": 120 * num_workers}
    ((x, _),) = frozen.with_format(dtype="uint8").loader(**options)
    assert x.dtype == torch.uint8 and torch.equal(x / 255, frozen[:][0])
    (batch,) = frozen.with_format("dict", keys=("pixel_values", "labels")).loader(**options)
    assert torch.equal(batch["pixel_values"], frozen[:][0]) and torch.equal(batch["labels"], frozen.targets)
    ((x, y),) = frozen.with_transform(torch.neg, target_transform=str).loader(**options)
    assert torch.equal(x, -frozen[:][0]) and y[39] == "3"
    ((x, _),) = frozen.with_format("numpy").loader(**options)
    assert torch.equal(x, frozen[:][0].permute(0, 2, 3, 1))


def test_global_random_states_stay_as_they_are(frozen):
    states = torch.get_rng_state(), np.random.get_state()[1].copy()
    for num_workers in (0, 1):
        list(frozen.fresh().loader(batch_size=20, num_workers=num_workers))
    assert torch.equal(torch.get_rng_state(), states[0]) and np.array_equal(np.random.get_state()[1], states[1])


# --- State ----------------------------------------------------------------------------------------------------------


def drawn(x):
    return torch.rand(())


def test_transforms_in_workers_draw_by_seed_and_rank(frozen):
    augmented = frozen.with_transform(drawn)

    def numbers(*, epoch=0, **options):
        loader = augmented.loader(batch_size=5, num_workers=2, multiprocessing_context="fork", **options)
        loader.set_epoch(epoch)
        return joined(loader)[0].tolist()

    first = numbers(seed=0, rank=0, world_size=2)
    assert numbers(seed=0, rank=0, world_size=2) == first
    assert numbers(seed=1, rank=0, world_size=2) != first
    assert numbers(seed=0, rank=1, world_size=2) != first
    assert numbers(seed=0, rank=0, world_size=2, epoch=1) != first


def ranks(dataset, world_size, **options):
    return lambda: [dataset.loader(rank=rank, world_size=world_size, **options) for rank in range(world_size)]


def test_a_loader_resumes_after_every_batch_with_other_batches_and_ranks(frozen):
    others = [ranks(frozen, 1, batch_size=4), ranks(frozen, 2, batch_size=2), ranks(frozen, 3, batch_size=5)]
    assert_resumable(ranks(frozen, 1, batch_size=9), resume_with=others)
    assert_resumable(ranks(frozen, 4, batch_size=3), resume_with=[ranks(frozen, 1, batch_size=40)], epochs=1)


def test_fresh_samples_resume_too(frozen):
    fresh = frozen.fresh(samples_per_class=3, seed=2)
    assert_resumable(ranks(fresh, 1, batch_size=5), resume_with=[ranks(fresh, 2, batch_size=4)], epochs=1)


@pytest.mark.slow
def test_a_loader_resumes_with_and_without_workers(frozen):
    fresh = frozen.fresh(samples_per_class=6, seed=2)

    def make(num_workers, batch_size=9):
        return lambda: fresh.loader(
            batch_size=batch_size, num_workers=num_workers, timeout_sec=120, multiprocessing_context="fork"
        )

    assert_resumable(make(0), resume_with=[make(2), make(1, batch_size=24)], epochs=1)
    assert_resumable(make(2), resume_with=[make(0)], epochs=1)


def test_a_state_taken_before_the_first_batch_leaves_everything(frozen):
    loader = frozen.loader(batch_size=16)
    loader.set_epoch(3)
    resumed = frozen.loader(batch_size=7)
    resumed.load_state_dict(loader.state_dict())
    assert torch.equal(joined(resumed)[0], joined(loader)[0]) and resumed.epoch == 4


@pytest.mark.slow
def test_workers_that_do_not_fork_give_the_same_batches(dataset):
    spawned = dataset.loader(batch_size=16, num_workers=1, multiprocessing_context="spawn", timeout_sec=120)
    assert torch.equal(joined(spawned)[0], joined(dataset.loader(batch_size=40))[0])


def test_what_was_made_ahead_is_not_counted(frozen):
    loader = frozen.loader(batch_size=4, num_workers=2, timeout_sec=120)
    batches = iter(loader)
    next(batches), next(batches)
    assert loader.state_dict()["samples"] == 8


def test_a_state_is_a_few_plain_numbers_whatever_was_done(frozen):
    loader = frozen.fresh(samples_per_class=1000).loader(batch_size=16)
    empty = json.dumps(loader.state_dict())
    for _, _batch in zip(range(20), loader, strict=False):
        pass
    state = json.loads(json.dumps(loader.state_dict()))
    assert state == loader.state_dict() and len(json.dumps(state)) < len(empty) + 8 < 600


def test_a_state_taken_at_the_last_batch_leaves_nothing_of_its_epoch(frozen):
    loader = frozen.loader(batch_size=16)
    states = [loader.state_dict() for _ in loader]
    resumed = frozen.loader(batch_size=16)
    resumed.load_state_dict(states[-1])
    assert list(resumed) == [] and resumed.epoch == 1
    assert torch.equal(joined(resumed)[0], joined(loader)[0])


def test_a_loop_left_early_counts_as_an_epoch_unless_its_state_is_loaded(frozen):
    loader = frozen.loader(batch_size=16)
    next(iter(loader))
    state = loader.state_dict()
    first = joined(loader)[0]
    assert loader.epoch == 2 and len(first) == 40
    loader.load_state_dict(state)
    assert len(joined(loader)[0]) == 24 and loader.epoch == 1
    assert torch.equal(joined(loader)[0], first)


def test_two_loops_at_once_are_two_epochs(frozen):
    loader = frozen.loader(batch_size=40)
    ((one, other),) = zip(loader, loader, strict=True)
    assert not torch.equal(one[0], other[0]) and loader.epoch == 2


def state_of(dataset, **options):
    return dataset.loader(**{"batch_size": 8, **options}).state_dict()


def test_a_state_of_other_samples_or_another_order_is_refused(frozen, make_artifact, tmp_path):
    loader = frozen.fresh(seed=1).loader(batch_size=8)
    other = GeneratedDataset(make_artifact(tmp_path / "other", seed=9))
    for name, state in {
        "artifact_id": state_of(other.fresh(seed=1)),
        "mode": state_of(frozen),
        "seed": state_of(frozen.fresh(seed=2)),
        "num_samples": state_of(frozen.fresh(seed=1, num_samples=20)),
        "selection": state_of(frozen.fresh(seed=1).select(slice(None, None, -1))),
        "shuffle": state_of(frozen.fresh(seed=1), shuffle=False),
    }.items():
        with pytest.raises(SpecError, match=f"the state is of {name} "):
            loader.load_state_dict(state)
    with pytest.raises(SpecError, match="the state is of seed 3"):
        loader.load_state_dict(state_of(frozen.fresh(seed=1), seed=3))


@pytest.mark.parametrize(
    "change",
    [{"version": 2}, {"samples": 41}, {"samples": -1}, {"epoch": "1"}, {"dataset": None}, {"more": 1}],
)
def test_a_state_that_is_none_is_refused(frozen, change):
    loader = frozen.loader(batch_size=8)
    with pytest.raises(SpecError):
        loader.load_state_dict({**loader.state_dict(), **change})
    with pytest.raises(SpecError):
        loader.load_state_dict(None)


def test_a_rank_that_would_have_no_sample_is_refused_at_once(frozen):
    with pytest.raises(SpecError, match="fewer samples than ranks"):
        frozen.loader(batch_size=1, rank=0, world_size=64)
    with pytest.raises(SpecError, match="fewer samples than ranks"):
        frozen.loader(batch_size=1, rank=0, world_size=3)
    with pytest.raises(SpecError, match="do not fill a batch"):
        frozen.loader(batch_size=41, drop_last=True)
    with pytest.raises(SpecError, match="do not fill a batch"):
        frozen.take(0).loader(batch_size=1)
    few_left = {**frozen.loader(batch_size=19).state_dict(), "samples": 38}
    with pytest.raises(SpecError, match="fewer samples than ranks"):
        frozen.loader(batch_size=5, rank=0, world_size=4).load_state_dict(few_left)


@pytest.mark.parametrize(
    "options",
    [
        {"batch_size": 0},
        {"seed": -1},
        {"num_workers": -1},
        {"device": "no such"},
        {"rank": 0},
        {"rank": 2, "world_size": 2},
    ],
)
def test_bad_options_are_spec_errors(frozen, options):
    with pytest.raises(SpecError):
        frozen.loader(**{"batch_size": 4, **options})


def test_repr_says_where_it_stands(frozen):
    loader = frozen.loader(batch_size=16, seed=3, rank=0, world_size=2)
    next(iter(loader))
    for part in ("2 batches of 16", "cpu", "seed 3", "rank 0 of 2", "epoch 0", "32 of 40", "tiny"):
        assert part in repr(loader)


# --- Devices --------------------------------------------------------------------------------------------------------


def test_a_cuda_device_that_is_not_there_is_refused(frozen, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SpecError, match="sees no CUDA device"):
        frozen.loader(batch_size=4, device="cuda")


class LoaderInWorker(IterableDataset):
    """What somebody does who iterates a loader inside another one."""

    def __init__(self, loader):
        self.loader = loader

    def __iter__(self):
        return iter(self.loader)


def test_an_accelerator_in_a_worker_is_refused(frozen, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    inside = LoaderInWorker(frozen.loader(batch_size=4, device="cuda"))
    with pytest.raises(SpecError, match="cannot put batches on cuda:0"):
        next(iter(DataLoader(inside, batch_size=None, num_workers=1, timeout=120)))


def test_a_generator_that_somebody_moved_is_refused_with_the_remedy(frozen, monkeypatch):
    monkeypatch.setattr(
        type(frozen.artifact.generator), "state_dict", lambda self: {"w": torch.empty(1, device="meta")}
    )
    for num_workers in (0, 1):
        with pytest.raises(SpecError, match=r"generator is on meta"):
            next(iter(DataLoader(frozen, num_workers=num_workers, timeout=120 * num_workers)))


def test_images_made_on_the_device_are_those_of_the_host_where_the_device_is_the_host(frozen):
    fresh = frozen.fresh(num_samples=30, seed=6)
    supply = DeviceSupply(fresh._view, Format(), soft=False, device=torch.device("cpu"))
    rows = Rows(np.array([29, 3, 3, 0]), 2)
    x, y = supply.device(supply.host(rows))
    fresh.set_epoch(2)
    expected = fresh[rows.positions]
    assert torch.equal(y, expected[1])
    assert (x - expected[0]).abs().max() <= 1.001 / 255  # another micro-batch
    assert supply.micro_batch == 64


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device")
def test_batches_on_cuda_are_those_of_the_host_within_a_step(dataset):
    host, cuda = dataset.loader(batch_size=7), dataset.loader(batch_size=7, device="cuda")
    busy = torch.randn(1024, 1024, device="cuda")
    for _ in range(2):
        for (x, y), (x_cuda, y_cuda) in zip(host, cuda, strict=True):
            for _ in range(8):
                busy = busy @ busy / 1024  # what a training step would be: the next batch is made beside it
            assert x_cuda.device.type == "cuda" and torch.equal(y_cuda.cpu(), y)
            difference = (x_cuda.cpu() - x).abs().max()
            assert difference == 0 if dataset.mode == "frozen" else difference <= 1.001 / 255
    assert host.state_dict() == cuda.state_dict()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device")
def test_a_sample_made_on_cuda_has_the_same_bits_in_a_batch_of_any_size(frozen):
    fresh = frozen.fresh(samples_per_class=50)
    whole = joined(fresh.loader(batch_size=200, device="cuda"))[0]
    for batch_size in (1, 3, 64, 65):
        assert torch.equal(joined(fresh.loader(batch_size=batch_size, device="cuda"))[0], whole)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device")
def test_workers_feed_cuda(dataset):
    one = joined(dataset.loader(batch_size=9, device="cuda", num_workers=2, timeout_sec=120))
    other = joined(dataset.loader(batch_size=9))
    assert torch.equal(one[0].cpu(), other[0]) and torch.equal(one[1].cpu(), other[1])


@pytest.mark.parametrize("num_workers", [0, 1])
def test_a_loop_that_goes_on_takes_nothing_from_a_newer_one(frozen, num_workers):
    loader = frozen.loader(batch_size=4, shuffle=False, num_workers=num_workers)
    older = iter(loader)
    next(older)
    newer = iter(loader)
    first = next(newer)
    if num_workers:
        with pytest.raises(SpecError, match="another loop over this loader has begun"):
            next(older)
    else:
        next(older)
    assert torch.equal(joined([first, *newer])[0], frozen[:][0])
