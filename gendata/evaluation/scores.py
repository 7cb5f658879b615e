"""The scores of DD-Ranking: how much of an accuracy is owed to the images, not to labels or augmentation.

Source: "DD-Ranking: Rethinking the Evaluation of Dataset Distillation" (2025, arXiv:2505.13300), and the package
`ddranking` 0.2.0. Everything here is a fraction: accuracies 0 to 1, differences of them -1 to 1.

Differs from the package: that one feeds percent into the exponential, which leaves its scale (an HLR of 35.9 and an
IOR of 22.9 give -0.156 there; the formula gives 0.242 for 0.359 and 0.229). Scores of ours can be compared with its
documentation, not with what its code prints.
"""

from __future__ import annotations

import math

from gendata.errors import SpecError


def hard_label_recovery(*, real: float, synthetic: float) -> float:
    """HLR, the gap to all real data: accuracy of real-full less that of the set, both with hard labels.

    Smaller is better; below 0 the set is better than what it was made from.

    Args:
        real: accuracy of a network trained on all real images, 0 to 1.
        synthetic: accuracy of a network trained on the set, 0 to 1.

    Raises:
        SpecError: an accuracy is no fraction.
    """
    return _accuracy("real", real) - _accuracy("synthetic", synthetic)


def improvement_over_random(*, synthetic: float, random: float) -> float:
    """IOR, the gain over as many random real images, both with the same kind of labels, hard or soft.

    Larger is better; below 0 random images would have done.

    Args:
        synthetic: accuracy of a network trained on the set, 0 to 1.
        random: accuracy of a network trained on random real images under the same protocol, 0 to 1.

    Raises:
        SpecError: an accuracy is no fraction.
    """
    return _accuracy("synthetic", synthetic) - _accuracy("random", random)


def label_robust_score(*, hlr: float, ior: float, weight: float = 0.5) -> float:
    """LRS: both on one scale, 0 to 1, larger is better. No gap and no gain give 0.269.

    With alpha = weight * IOR - (1 - weight) * HLR it is (e^alpha - e^-1) / (e - e^-1).

    Args:
        hlr: of `hard_label_recovery`, -1 to 1.
        ior: of `improvement_over_random`, -1 to 1.
        weight: what the improvement counts, 0 to 1.

    Raises:
        SpecError: a value is no fraction.
    """
    weight = _share("weight", weight)
    return _on_scale(weight * _difference("ior", ior) - (1 - weight) * _difference("hlr", hlr))


def augmentation_robust_score(
    *,
    synthetic_augmented: float,
    random_augmented: float,
    synthetic_plain: float,
    random_plain: float,
    weight: float = 0.5,
) -> float:
    """ARS: the improvement over random images, with the evaluation's augmentation and without, on the scale of LRS.

    With beta = weight * (gain augmented) + (1 - weight) * (gain without) it is (e^beta - e^-1) / (e - e^-1).

    Args:
        synthetic_augmented, random_augmented: accuracies with augmentation, 0 to 1.
        synthetic_plain, random_plain: accuracies without, 0 to 1.
        weight: what the augmented evaluation counts, 0 to 1 (gamma in the paper).

    Raises:
        SpecError: a value is no fraction.
    """
    weight = _share("weight", weight)
    augmented = improvement_over_random(synthetic=synthetic_augmented, random=random_augmented)
    plain = improvement_over_random(synthetic=synthetic_plain, random=random_plain)
    return _on_scale(weight * augmented + (1 - weight) * plain)


def _on_scale(value: float) -> float:
    """-1 .. 1 to 0 .. 1, exponentially: a gain at the top counts for more than one at the bottom."""
    return (math.exp(value) - math.exp(-1)) / (math.exp(1) - math.exp(-1))


def _accuracy(name: str, value: float) -> float:
    return _checked(name, value, low=0.0, kind="an accuracy")


def _share(name: str, value: float) -> float:
    return _checked(name, value, low=0.0, kind="a share")


def _difference(name: str, value: float) -> float:
    return _checked(name, value, low=-1.0, kind="a difference of accuracies")


def _checked(name: str, value: float, *, low: float, kind: str) -> float:
    if not low <= value <= 1:  # NaN fails too
        raise SpecError(
            f"{name} is {value}",
            expected=f"{kind} as a fraction, {low:g} to 1",
            remedy=f"Divide percent by 100: {value / 100:g}." if 1 < abs(value) <= 100 else None,
        )
    return float(value)
