from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from gendata.errors import SpecError
from gendata.evaluation.scores import (
    augmentation_robust_score,
    hard_label_recovery,
    improvement_over_random,
    label_robust_score,
)


def test_the_worked_example_of_the_formula() -> None:
    assert label_robust_score(hlr=0.359, ior=0.229, weight=0.5) == pytest.approx(0.242, abs=5e-4)


def test_the_gaps_are_differences_of_accuracies() -> None:
    assert hard_label_recovery(real=0.848, synthetic=0.489) == pytest.approx(0.359)
    assert improvement_over_random(synthetic=0.489, random=0.26) == pytest.approx(0.229)
    assert improvement_over_random(synthetic=0.2, random=0.5) == pytest.approx(-0.3)


def test_the_best_case_is_one_the_worst_nothing_and_no_difference_a_quarter() -> None:
    assert label_robust_score(hlr=-1.0, ior=1.0) == pytest.approx(1.0)
    assert label_robust_score(hlr=1.0, ior=-1.0) == pytest.approx(0.0)
    assert label_robust_score(hlr=0.0, ior=0.0) == pytest.approx((1 - math.exp(-1)) / (math.e - math.exp(-1)))


def test_the_weight_moves_from_the_gap_to_the_gain() -> None:
    assert label_robust_score(hlr=0.3, ior=0.9, weight=0.0) == label_robust_score(hlr=0.3, ior=-0.9, weight=0.0)
    assert label_robust_score(hlr=0.3, ior=0.2, weight=1.0) == label_robust_score(hlr=-0.3, ior=0.2, weight=1.0)
    assert label_robust_score(hlr=0.3, ior=0.2) < label_robust_score(hlr=0.2, ior=0.2)
    assert label_robust_score(hlr=0.3, ior=0.2) < label_robust_score(hlr=0.3, ior=0.3)


def test_augmentation_counts_as_much_as_its_weight() -> None:
    accuracies = {
        "synthetic_augmented": 0.6,
        "random_augmented": 0.5,
        "synthetic_plain": 0.5,
        "random_plain": 0.2,
    }
    expected = (math.exp(0.2) - math.exp(-1)) / (math.e - math.exp(-1))
    assert augmentation_robust_score(**accuracies) == pytest.approx(expected)
    only_plain = augmentation_robust_score(**accuracies, weight=0.0)
    assert only_plain == pytest.approx((math.exp(0.3) - math.exp(-1)) / (math.e - math.exp(-1)))


@pytest.mark.parametrize(
    "score",
    [
        lambda: hard_label_recovery(real=84.8, synthetic=48.9),
        lambda: hard_label_recovery(real=0.848, synthetic=48.9),
        lambda: improvement_over_random(synthetic=48.9, random=0.26),
        lambda: label_robust_score(hlr=35.9, ior=22.9),
        lambda: label_robust_score(hlr=0.359, ior=22.9),
        lambda: augmentation_robust_score(
            synthetic_augmented=0.6, random_augmented=0.5, synthetic_plain=50, random_plain=20
        ),
    ],
)
def test_percent_is_refused_with_the_remedy(score: Callable[[], float]) -> None:
    with pytest.raises(SpecError, match=r"as a fraction.*\n.*Divide percent by 100: 0\."):
        score()


@pytest.mark.parametrize("value", [-0.01, 1.01, math.nan, math.inf])
def test_what_is_no_fraction_is_refused(value: float) -> None:
    with pytest.raises(SpecError, match="real is"):
        hard_label_recovery(real=value, synthetic=0.5)
    with pytest.raises(SpecError, match="weight is"):
        label_robust_score(hlr=0.1, ior=0.1, weight=value)
    if not -1 <= value <= 1:
        with pytest.raises(SpecError, match="hlr is"):
            label_robust_score(hlr=value, ior=0.1)
