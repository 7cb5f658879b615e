"""Which mean and standard deviation normalise the images."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from gendata.errors import SpecError, unknown_name
from gendata.spec import SampleSpec


class Statistics(NamedTuple):
    """Per channel, of values in [0, 1]."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


_IMAGENET = Statistics((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
# DiM's students; its test images of mnist and fashion-mnist are normalised by 0.5 and 0.5 instead.
_DIM = {
    "cifar10": Statistics((0.491, 0.482, 0.447), (0.202, 0.199, 0.201)),
    "mnist": Statistics((0.131,), (0.308,)),
    "fashion-mnist": Statistics((0.286,), (0.353,)),
}
_DIM_TEST = Statistics((0.5,), (0.5,))


def statistics_of(
    name: str, artifact: Statistics, *, spec: SampleSpec, source_name: str
) -> tuple[Statistics, Statistics]:
    """For training and for testing.

    Args:
        name: as a protocol names it.
        artifact: what the artifact's manifest says, which is the source's own.
        spec: of the images.
        source_name: as registered.

    Raises:
        UnknownNameError: there are no such statistics.
        SpecError: they are not for images of this kind.
    """
    if name not in _STATISTICS:
        raise unknown_name("statistics", name, _STATISTICS)
    train, test = _STATISTICS[name](artifact, source_name)
    if len(train.mean) != spec.channels:
        raise SpecError(
            f"this protocol normalises by {name} statistics, which are for {len(train.mean)} channels",
            expected=f"{spec.channels}, as the images have",
            remedy="Choose a protocol that normalises by the data's own statistics: gendata protocol show NAME.",
        )
    return train, test


def _dim(artifact: Statistics, source_name: str) -> tuple[Statistics, Statistics]:
    train = _DIM.get(source_name, artifact)
    return train, _DIM_TEST if source_name in ("mnist", "fashion-mnist") else train


_STATISTICS: dict[str, Callable[[Statistics, str], tuple[Statistics, Statistics]]] = {
    "artifact": lambda artifact, source_name: (artifact, artifact),
    "imagenet": lambda artifact, source_name: (_IMAGENET, _IMAGENET),
    "dim": _dim,
}
