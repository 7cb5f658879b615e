from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from torch.utils.data import Dataset, TensorDataset

from gendata.testing import assert_deterministic


class Numbers(Dataset):
    """Sample i is `draw(i)`."""

    def __init__(self, draw):
        self.draw = draw

    def __len__(self):
        return 6

    def __getitem__(self, index):
        if not 0 <= index < 6:
            raise IndexError(index)
        return self.draw(index), index


def by_index(index):
    return torch.tensor([float(index)])


def test_a_dataset_of_tensors_passes():
    assert_deterministic(TensorDataset(torch.arange(6), torch.rand(6, 2)), num_workers=(0, 1), batch_sizes=(1, 4))
    assert_deterministic(Numbers(by_index), num_workers=(0,))


class Counting:
    """Gives another number each time."""

    count = 0

    def __call__(self, index):
        self.count += 1
        return self.count


def test_samples_that_change_when_read_again_fail():
    with pytest.raises(AssertionError, match="read again, sample 0"):
        assert_deterministic(Numbers(Counting()), num_workers=(0,))


@pytest.mark.parametrize(
    "draw", [lambda index: torch.rand(1), lambda index: np.random.rand(1), lambda index: torch.tensor(random.random())]
)
def test_samples_from_global_random_numbers_fail_and_leave_them_as_they_were(draw):
    with pytest.raises(AssertionError):
        assert_deterministic(Numbers(draw), num_workers=(0,))


def reseeding(index):
    torch.manual_seed(index)
    return torch.rand(1)


def test_seeding_the_global_random_generator_fails_though_samples_are_equal():
    state = torch.get_rng_state()
    with pytest.raises(AssertionError, match="changed a global random state"):
        assert_deterministic(Numbers(reseeding), num_workers=(0,))
    del state


class BatchDependent(Numbers):
    """What a convolution does whose sums depend on the batch."""

    def __getitems__(self, indices):
        return [(value + len(indices) * 1e-3, label) for value, label in (self[index] for index in indices)]


def test_samples_that_depend_on_the_batch_fail():
    with pytest.raises(AssertionError, match="in batches of 3 by 0 workers.*sample 5 is another"):
        assert_deterministic(BatchDependent(half), indices=[5], num_workers=(0,), batch_sizes=[3])


class Forgetful(Numbers):
    """Loses its state in a pickle."""

    def __reduce__(self):
        return (Numbers, (half,))


def half(index):
    return torch.tensor([index / 2])


def test_a_pickle_that_gives_other_samples_fails():
    with pytest.raises(AssertionError, match="pickled copy"):
        assert_deterministic(Forgetful(by_index), num_workers=(0,))
