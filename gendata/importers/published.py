"""What is known of data sets by name: their class names, and the statistics each code base normalises with.

The code bases differ: MTT and IDC normalise CIFAR-100 with CIFAR-10's numbers, and the deviations that most of them use
for CIFAR are means over images, smaller than those over all pixels. A student tested with other numbers than it was
trained with loses accuracy for no visible reason, so a set keeps those of the code it comes from.
"""

from __future__ import annotations

import msgspec

from gendata.artifact.manifest import Normalisation
from gendata.errors import UnknownNameError, unknown_name
from gendata.registry import SOURCES
from gendata.spec import SampleSpec, SourceFacts

_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_CIFAR10 = ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010))
_GREY = {"mnist": ((0.1307,), (0.3081,)), "fashion-mnist": ((0.2861,), (0.3530,))}
_SVHN = ((0.4377, 0.4438, 0.4728), (0.1980, 0.2010, 0.1970))

# Code base -> data set -> (mean, deviation) per channel of values in [0, 1].
_STATISTICS: dict[str, dict[str, tuple[tuple[float, ...], tuple[float, ...]]]] = {
    # VICO-UoE/DatasetCondensation utils.py:13-73; DC, DSA, DM, DC-BENCH
    "dc": {
        **_GREY, "svhn": _SVHN, "cifar10": _CIFAR10, "tiny-imagenet": _IMAGENET,
        "cifar100": ((0.5071, 0.4866, 0.4409), (0.2673, 0.2564, 0.2762)),
    },
    # GeorgeCazenavette/mtt-distillation utils.py; DATM
    "mtt": {"cifar10": _CIFAR10, "cifar100": _CIFAR10, "tiny-imagenet": _IMAGENET, "imagenet": _IMAGENET},
    # snu-mllab/Efficient-Dataset-Condensation data.py:15-26; NCFM data/dataset_statistics.py
    "idc": {
        **_GREY, "svhn": _SVHN, "cifar10": _CIFAR10, "cifar100": _CIFAR10, "tiny-imagenet": _IMAGENET,
        "imagenet": _IMAGENET,
    },
    # vimar-gu/DiM validate.py
    "dim": {
        "mnist": ((0.131,), (0.308,)), "fashion-mnist": ((0.286,), (0.353,)),
        "svhn": ((0.437, 0.444, 0.473), (0.198, 0.201, 0.197)),
        "cifar10": ((0.491, 0.482, 0.447), (0.202, 0.199, 0.201)),
    },
    # KIP normalises by the mean and deviation over all pixels of train, as they come out
    "kip": {
        "mnist": ((0.13066,), (0.30811,)), "fashion-mnist": ((0.28604,), (0.35302,)),
        "svhn": ((0.43768, 0.44377, 0.47280), (0.19803, 0.20102, 0.19704)),
        "cifar10": ((0.49140, 0.48216, 0.44653), (0.24703, 0.24349, 0.26159)),
        "cifar100": ((0.50708, 0.48655, 0.44092), (0.26733, 0.25644, 0.27615)),
    },
}  # fmt: skip


def statistics_names() -> list[str]:
    """Names that `published_statistics` knows for any data set or for some."""
    return sorted([*_STATISTICS, "imagenet"])


def published_statistics(name: str, source: str | None) -> Normalisation | None:
    """Mean and deviation that the code base `name` uses for `source`; None: it publishes none for that.

    Raises:
        UnknownNameError: there is no such code base here.
    """
    if name == "imagenet":
        return Normalisation(mean=_IMAGENET[0], std=_IMAGENET[1])
    if name not in _STATISTICS:
        raise unknown_name("code base with statistics", name, statistics_names(), where="--statistics")
    found = _STATISTICS[name].get(source or "")
    return Normalisation(mean=found[0], std=found[1]) if found else None


def known_spec(source: str | None) -> SampleSpec | None:
    """Shape and class names of a data set known by name; None: nothing is known without its data."""
    try:
        spec = SOURCES.load(source).spec if source else None
    except UnknownNameError:
        return None
    return spec if isinstance(spec, SampleSpec) else None


def facts_without_data(source: str) -> SourceFacts:
    """What the manifest can say about a data set that was not opened: no fingerprint."""
    try:
        known = SOURCES.load(source)
    except UnknownNameError:
        return SourceFacts(name=source, fingerprint="")
    facts = {name: getattr(known, name, None) for name in ("license", "citation", "homepage")}
    tested_on = known.test_origin if isinstance(known.test_origin, (str, type(None))) else "test"
    return SourceFacts(
        name=source, fingerprint="", tested_on=tested_on or "held out of train",
        options=msgspec.to_builtins(known.Config()) if known_spec(source) else {}, **facts,
    )  # fmt: skip


_ALIASES = {
    "cifar10": "cifar10", "cifar100": "cifar100", "mnist": "mnist", "fashionmnist": "fashion-mnist",
    "fashion": "fashion-mnist", "svhn": "svhn", "svhncropped": "svhn", "tinyimagenet": "tiny-imagenet",
    "tiny": "tiny-imagenet", "imagenet": "imagenet",
}  # fmt: skip


def source_called(text: str) -> str | None:
    """The data set that a file name's part means: "FashionMNIST" -> "fashion-mnist"; None: no known one."""
    return _ALIASES.get("".join(c for c in text.lower() if c.isalnum()))
