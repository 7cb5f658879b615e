"""How a trained network does on corrupted test images."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from torch import nn

from gendata.errors import unknown_name
from gendata.evaluation.bench import Bench
from gendata.evaluation.corruptions import CORRUPTIONS, SEVERITIES, corrupted, require_package, scale_of
from gendata.evaluation.preparation import Preparation
from gendata.evaluation.training import tested
from gendata.spec import SampleSpec

_SEED = 0  # the same corrupted images for every network and every artifact


def known_corruptions(names: Sequence[str], *, spec: SampleSpec) -> tuple[str, ...]:
    """The corruptions that are asked for; "all" is every one that suits images of any size.

    Raises:
        UnknownNameError: with the nearest names.
        MissingExtraError: larger images need imagecorruptions-imaug.
    """
    if names:
        require_package(spec.height, spec.width)
    if tuple(names) == ("all",):
        return CORRUPTIONS
    known = CORRUPTIONS if scale_of(spec.height, spec.width) == "cifar-10-c" else (*CORRUPTIONS, "frost")
    for name in names:
        if name not in known:
            raise unknown_name("corruption", name, [*known, "all"])
    return tuple(names)


def corrupted_accuracies(bench: Bench, network: nn.Module, prepare: Preparation) -> dict[str, float]:
    """Corruption -> accuracy on all test images, mean over the five severities."""
    found = {}
    for name in bench.corruptions:
        accuracies = []
        for severity in SEVERITIES:
            images = corrupted(bench.test.x, name, severity, _SEED), bench.test.y
            right = tested(network, images, prepare=prepare, statistics_of=bench.protocol.test_batch)
            accuracies.append(right.accuracy)
        found[name] = fmean(accuracies)
    return found
