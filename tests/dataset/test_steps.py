from __future__ import annotations

import itertools

import pytest

from gendata.dataset.ranks import Rank
from gendata.dataset.steps import Plan
from gendata.errors import SpecError


def plans(length, *, batch_size, world_size=1, drop_last=False, shuffle=True):
    """The plan of each rank."""
    return [
        Plan(
            length=length,
            batch_size=batch_size,
            shuffle=shuffle,
            seed=1,
            drop_last=drop_last,
            rank=Rank(rank, world_size),
        )
        for rank in range(world_size)
    ]


def steps(plan, epoch=0, start=0):
    return [step.rows.positions.tolist() for step in plan.steps(epoch, start)]


CASES = list(itertools.product([1, 2, 7, 12, 25], [1, 2, 3], [1, 2, 3, 4], [False, True]))


@pytest.mark.parametrize(("length", "batch_size", "world_size", "drop_last"), CASES)
def test_ranks_share_an_epoch_and_none_is_left_without_a_sample(length, batch_size, world_size, drop_last):
    ranks = plans(length, batch_size=batch_size, world_size=world_size, drop_last=drop_last)
    for start in range(length):
        taken = [steps(plan, 0, start) for plan in ranks]
        samples = [sample for rank in taken for step in rank for sample in step]
        left = length - start
        assert len(samples) == len(set(samples)) == left - (left % (batch_size * world_size) if drop_last else 0)
        assert len({len(rank) for rank in taken}) == 1, "equally many steps on every rank"
        assert all(len(step) <= batch_size for rank in taken for step in rank)
        if start == 0:
            assert len(taken[0]) == ranks[0].num_steps
        try:
            ranks[0].check(start)
        except SpecError:
            assert any(not step for rank in taken for step in rank)
        else:
            assert all(step for rank in taken for step in rank)


def test_steps_go_on_from_any_sample_whatever_the_batch_and_the_ranks():
    order = [sample for step in steps(plans(25, batch_size=25)[0], epoch=3) for sample in step]
    for batch_size, world_size, start in itertools.product([1, 4, 25], [1, 2], [0, 5, 13]):
        ranks = plans(25, batch_size=batch_size, world_size=world_size)
        together = zip(*(steps(plan, 3, start) for plan in ranks), strict=True)
        assert [sample for step in together for part in step for sample in part] == order[start:]


def test_without_shuffling_the_order_is_that_of_the_dataset():
    assert steps(plans(5, batch_size=2, shuffle=False)[0]) == [[0, 1], [2, 3], [4]]


def test_the_step_before_the_last_leaves_a_sample_for_every_rank():
    assert [[len(step) for step in steps(plan)] for plan in plans(9, batch_size=2, world_size=4)] == [[1, 1]] * 3 + [
        [2, 1]
    ]


def test_long_epochs_are_ordered_piece_by_piece():
    plan = plans(20_000, batch_size=1000)[0]
    assert sorted(sample for step in steps(plan) for sample in step) == list(range(20_000))
    assert [step.stop for step in plan.steps(0, 3500)] == [*range(4500, 20_000, 1000), 20_000]
