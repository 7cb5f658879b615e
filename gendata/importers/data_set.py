"""Which data set the images stand for: its name, classes, shape and statistics, from whoever says them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from gendata.artifact.artifact import Normalisation
from gendata.errors import SpecError
from gendata.importers.published import facts_without_data, known_spec, published_statistics, statistics_names
from gendata.importers.wanted import Wanted
from gendata.recipe import Choice
from gendata.registry import SOURCES
from gendata.sources.source import Source, open_source, pixel_statistics
from gendata.spec import SampleSpec, SourceFacts


@dataclass(frozen=True)
class Known:
    """Which data set this stands for."""

    name: str | None
    classes: tuple[str, ...]
    source: Source | None  # opened, because its data were given or are needed


def source_name(guessed: str | None, wanted: Wanted) -> str | None:
    """The data set's name; None: nobody says it."""
    if wanted.source is None and guessed is not None:
        wanted.say(f"the data set is taken for {guessed}, by the files' names (--source)")
    return wanted.source or guessed


def classes_of(found: tuple[str, ...] | None, name: str | None, wanted: Wanted, *, where: str) -> tuple[str, ...]:
    """Names in label order: the user's, else the files', else the data set's.

    Raises:
        SpecError: nobody says them, or one appears twice.
    """
    known = known_spec(name)
    classes = wanted.classes or found or (known.classes if known else None)
    if classes is None:
        raise SpecError(
            "nothing says what the classes are called" + (f", and {name!r} is no data set known here" if name else ""),
            where=where, expected="their names in label order",
            remedy="Give the data set: --source cifar10; or the names: --classes A,B,... or --classes FILE.",
        )  # fmt: skip
    if len(set(classes)) != len(classes):
        raise SpecError("two classes have one name", where=where, expected="a name for each")
    return classes


def spec_of(shape: Any, classes: tuple[str, ...], name: str | None, *, where: str) -> SampleSpec:
    """What a sample of `shape` (C, H, W) is.

    Raises:
        SpecError: it is none of the data set's.
    """
    channels, height, width = shape
    spec, known = SampleSpec(channels=channels, height=height, width=width, classes=classes), known_spec(name)
    if known is not None and (known.shape != spec.shape or known.num_classes != spec.num_classes):
        raise SpecError(
            f"images are {spec.shape} of {spec.num_classes} classes", where=where,
            expected=f"{known.shape} of {known.num_classes} classes, as in {name}",
            remedy="Another data set? --source NAME. A changed one? Leave --source out; give --classes, --mean, --std.",
        )  # fmt: skip
    return spec


def normalisation_of(
    published: str | None, name: str | None, channels: int, wanted: Wanted, *, where: str
) -> Normalisation:
    """Mean and deviation: the user's, else those that the code base `published` uses for the data set.

    Raises:
        SpecError: nobody says them, or for another number of channels.
    """
    if (wanted.mean is None) != (wanted.std is None):
        raise SpecError("--mean and --std go together", where=where, expected="both, a number per channel")
    if wanted.mean is not None and wanted.std is not None:
        if not all(map(math.isfinite, (*wanted.mean, *wanted.std))):
            raise SpecError(f"mean {wanted.mean} and deviation {wanted.std}", where=where, expected="finite numbers")
        normalisation: Normalisation | None = Normalisation(mean=wanted.mean, std=wanted.std)
    else:
        is_grey = published == "imagenet" and channels != 3 and wanted.statistics is None
        normalisation = _of_grey(name, wanted) if is_grey else _published(published, name, wanted)
    if normalisation is None or not len(normalisation.mean) == len(normalisation.std) == channels:
        told = "are not known" if normalisation is None else f"are of {len(normalisation.mean)} channels"
        raise SpecError(
            f"mean and deviation of the data {told}", where=where, expected=f"one per channel, {channels}",
            remedy="Give them: --mean 0.49,... --std 0.2,...; "
            + ("" if wanted.source else "or the data set: --source NAME; ")
            + f"or whose they are: --statistics {'|'.join(statistics_names())}.",
        )  # fmt: skip
    return normalisation


def _published(guessed: str | None, name: str | None, wanted: Wanted) -> Normalisation | None:
    code_base = wanted.statistics or guessed
    found = published_statistics(code_base, name) if code_base else None
    if found is not None and wanted.statistics is None:
        mean, std = (", ".join(f"{value:g}" for value in values) for values in (found.mean, found.std))
        wanted.say(f"mean {mean} and deviation {std} are those of {code_base} for {name or 'any data set'}")
    return found


def _of_grey(name: str | None, wanted: Wanted) -> Normalisation | None:
    """DC's, or those of the real images where these come with gendata: grey images have none of ImageNet."""
    if name is None or known_spec(name) is None:
        return None
    found = _published("dc", name, wanted)
    if found is not None or not SOURCES.load(name).is_embedded:
        return found
    mean, std = pixel_statistics(open_source(Choice(name=name)).split("train"))
    wanted.say(f"mean and deviation are those of {name}'s train images")
    return Normalisation(mean=mean, std=std)


def opened(name: str | None, wanted: Wanted) -> Source | None:
    """The real data, if they were given or are needed."""
    if name is None or known_spec(name) is None or not (wanted.data_root or wanted.store_whitening):
        return None
    return open_source(Choice(name=name), data_root=wanted.data_root)


def facts_of_source(known: Known) -> SourceFacts | None:
    """What the manifest says about the data set; without a fingerprint where its data were not read."""
    if known.source is not None:
        return known.source.facts()
    return facts_without_data(known.name) if known.name else None
