from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from gendata.dataset.order import shuffled


def whole(length, *, seed=0, epoch=0, **options):
    return shuffled(np.arange(length), length=length, seed=seed, epoch=epoch, **options)


@pytest.mark.parametrize("length", [1, 2, 3, 4, 5, 7, 10, 97, 100, 101, 8193])
def test_every_length_is_permuted(length):
    assert sorted(whole(length).tolist()) == list(range(length))


def test_any_places_can_be_read_alone():
    order = whole(1000, seed=3, epoch=2)
    some = np.array([999, 0, 17, 17])
    assert np.array_equal(shuffled(some, length=1000, seed=3, epoch=2), order[some])


def test_nothing_but_the_asked_places_is_computed():
    places = np.array([0, 1, 2**62 - 1])
    order = shuffled(places, length=2**62, seed=0, epoch=0)
    assert len(set(order.tolist())) == 3 and order.min() >= 0 and order.max() < 2**62


def test_seed_epoch_and_stream_each_give_another_order():
    orders = [whole(50), whole(50, seed=1), whole(50, seed=1 + 2**32), whole(50, epoch=1), whole(50, stream="other")]
    assert len({tuple(order.tolist()) for order in orders}) == 5


def test_the_order_is_fixed_for_ever():
    assert whole(12, seed=7, epoch=3).tolist() == [11, 2, 8, 3, 10, 4, 9, 5, 0, 1, 7, 6]


def test_every_sample_comes_to_every_place_equally_often():
    counts = np.zeros((20, 20))
    for seed in range(2000):
        counts[np.arange(20), whole(20, seed=seed)] += 1
    statistic = ((counts - 100) ** 2 / 100).sum()  # 361 degrees of freedom
    assert statistic < 361 + 5 * np.sqrt(2 * 361)


def test_few_samples_come_in_every_order():
    assert len(Counter(tuple(whole(4, seed=seed).tolist()) for seed in range(600))) == 24


@pytest.mark.parametrize("length", [0, -1, 2**62 + 1])
def test_a_length_out_of_range_is_refused(length):
    with pytest.raises(ValueError, match="length must be"):
        shuffled(np.arange(1), length=length, seed=0, epoch=0)


def test_no_places_are_no_samples():
    assert shuffled(np.arange(0), length=5, seed=0, epoch=0).shape == (0,)
