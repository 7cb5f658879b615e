"""The promises of the dataset, by the checks that users are given."""

from __future__ import annotations

import pytest

from gendata.dataset.batch import collate
from gendata.testing import assert_deterministic


@pytest.mark.parametrize("collate_fn", [None, collate])
def test_samples_are_the_same_however_they_are_read(dataset, collate_fn):
    assert_deterministic(dataset, collate_fn=collate_fn, indices=[0, 39, 17, 16, 15], batch_sizes=(1, 2, 5))


@pytest.mark.parametrize("name", ["dict", "numpy"])
def test_formats_change_nothing_of_it(frozen, name):
    shown = frozen.fresh(seed=1).with_format(name).shard(3, 1)
    assert_deterministic(shown, indices=[0, 12, 5], batch_sizes=(2,), num_workers=(1,))
