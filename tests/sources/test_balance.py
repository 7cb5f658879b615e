from __future__ import annotations

import numpy as np
import pytest
import torch

from gendata.errors import SourceError
from gendata.sources.balance import balanced_indices, hold_out
from gendata.sources.split import Split
from gendata.sources.statistics import pixel_statistics


def _labels() -> torch.Tensor:
    return torch.tensor([2, 0, 1, 0, 2, 1, 0, 0, 1, 2, 2, 2])


def _split(y: torch.Tensor) -> Split:
    return Split(torch.arange(len(y), dtype=torch.uint8).reshape(-1, 1, 1, 1), y)


def test_balanced_draws_are_class_major_and_without_repeats() -> None:
    y = _labels()
    chosen = balanced_indices(y, per_class=3, seed=5)
    assert y[chosen].tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert len(set(chosen.tolist())) == 9 and chosen.dtype == np.int64


def test_a_draw_is_a_function_of_seed_and_purpose_alone() -> None:
    y = torch.arange(300) % 3
    draw = balanced_indices(y, per_class=20, seed=1)
    assert np.array_equal(draw, balanced_indices(y, per_class=20, seed=1))
    assert not np.array_equal(draw, balanced_indices(y, per_class=20, seed=2))
    assert not np.array_equal(draw, balanced_indices(y, per_class=20, seed=1, purpose="validation"))
    assert not np.array_equal(draw, balanced_indices(y, per_class=20, seed=1 + 2**32))


def test_draws_stay_the_same_in_every_version() -> None:
    assert balanced_indices(_labels(), per_class=1, seed=0).tolist() == [7, 2, 4]


def test_every_sample_of_a_class_is_equally_likely_to_be_drawn() -> None:
    y = torch.zeros(4, dtype=torch.int64)
    counts = np.zeros(4)
    for seed in range(400):
        counts[balanced_indices(y, per_class=1, seed=seed)] += 1
    assert counts.min() > 70 and counts.max() < 130  # mean 100, standard deviation 8.7


def test_a_class_with_too_few_samples_is_named_with_its_count() -> None:
    with pytest.raises(SourceError, match="class 1 has 3 images; expected at least 4"):
        balanced_indices(_labels(), per_class=4, seed=0)


def test_holding_out_parts_the_split_and_keeps_its_order() -> None:
    y = torch.arange(100) % 4
    fit, validation = hold_out(_split(y), per_class=5, seed=3)
    assert validation.y.bincount().tolist() == [5] * 4 and fit.y.bincount().tolist() == [20] * 4
    fit_ids, validation_ids = fit.x.flatten().tolist(), validation.x.flatten().tolist()
    assert sorted(fit_ids + validation_ids) == list(range(100))
    assert fit_ids == sorted(fit_ids) and validation_ids == sorted(validation_ids)
    assert torch.equal(y[validation_ids], validation.y)


def test_by_default_a_tenth_of_the_smallest_class_is_held_out() -> None:
    y = torch.cat([torch.zeros(50, dtype=torch.int64), torch.ones(30, dtype=torch.int64)])
    _, validation = hold_out(_split(y))
    assert validation.y.bincount().tolist() == [3, 3]


def test_no_class_may_lose_its_last_sample() -> None:
    with pytest.raises(SourceError, match="class 1 has 3 images; expected at least 4"):
        hold_out(_split(_labels()), per_class=3)
    with pytest.raises(SourceError, match=r"class 'bee' has 1 images.*\n.*leave it out"):
        hold_out(_split(torch.tensor([0, 0, 1])), classes=("ant", "bee"))


def test_pixel_statistics_are_those_of_numpy_in_float64() -> None:
    x = torch.randint(256, (30, 3, 5, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    mean, std = pixel_statistics(Split(x, torch.zeros(30, dtype=torch.int64)))
    exact = x.double() / 255
    assert mean == pytest.approx(exact.mean((0, 2, 3)).tolist(), abs=1e-12)
    assert std == pytest.approx(exact.std((0, 2, 3), unbiased=False).tolist(), abs=1e-12)


def test_a_constant_channel_has_the_deviation_of_one_step_so_that_normalising_stays_finite() -> None:
    x = torch.full((3, 1, 2, 2), 7, dtype=torch.uint8)
    assert pixel_statistics(Split(x, torch.zeros(3, dtype=torch.int64))) == ((7 / 255.0,), (1 / 255.0,))
