"""From the labels of several datasets to one label space, by the names of the classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Subset

from gendata.errors import SpecError

LabelMap: TypeAlias = "Mapping[int, int] | Sequence[int]"
_TOLD = 6  # names shown in a message


def class_names(dataset: Any) -> tuple[str, ...] | None:
    """Names in label order of a condensed, torchvision or `datasets` set, or a Subset of one; None: unknown."""
    while isinstance(dataset, Subset):
        dataset = dataset.dataset
    names = getattr(dataset, "classes", None)
    if names is None:
        features = getattr(dataset, "features", None)
        names = getattr(features.get("label"), "names", None) if isinstance(features, Mapping) else None
    if isinstance(names, str) or not isinstance(names, Sequence) or not all(isinstance(name, str) for name in names):
        return None
    return tuple(names)


def common_classes(
    known: Sequence[tuple[str, ...] | None], wanted: Sequence[str] | Literal["union"] | None
) -> tuple[str, ...] | None:
    """The label space of all parts.

    Args:
        known: class names of each part; None: unknown.
        wanted: the names to use. "union": all of them, in order of appearance. None: those that all parts agree on.

    Raises:
        SpecError: parts differ and nothing is wanted, or a name stands twice.
    """
    named = [names for names in known if names is not None]
    if wanted is not None and wanted != "union":
        classes = tuple(wanted)
    elif wanted == "union":
        classes = tuple(dict.fromkeys(name for names in named for name in names))
    elif len(set(named)) > 1:
        raise SpecError(
            f"the parts have different classes: {'; '.join(map(_listed, dict.fromkeys(named)))}",
            expected="the same names in the same order",
            remedy='Give the label space: classes="union", or classes=[...].',
        )
    else:
        return named[0] if named else None
    if len(set(classes)) != len(classes):
        raise SpecError(f"classes name one twice: {_listed(classes)}", expected="different names")
    return classes


def translation(
    names: tuple[str, ...] | None, classes: tuple[str, ...] | None, labels: LabelMap | None, *, where: str
) -> NDArray[np.int64] | None:
    """New label of every old one, -1 where there is none; None: labels stay as they are.

    Args:
        names: of the part's classes; None: unknown.
        classes: the label space of all; None: nobody knows names.
        labels: what the user says instead of names: new label of each old one.

    Raises:
        SpecError: the part's classes are not among `classes`, or cannot be known.
    """
    if labels is not None:
        return _given(labels, len(classes) if classes is not None else None, where=where)
    if names is None and classes is None:
        return None
    if names is None:
        raise SpecError(
            "its classes have no names, so nothing says what its labels mean",
            where=where,
            expected=f"labels of {_listed(classes or ())}",
            remedy="Give a third value: (dataset, weight, {old label: new label, ...}).",
        )
    if names == classes:
        return None
    places = {name: place for place, name in enumerate(classes or ())}
    missing = [name for name in names if name not in places]
    if missing:
        raise SpecError(
            f"has classes that the label space lacks: {_listed(missing)}",
            where=where,
            expected=f"some of {_listed(classes or ())}",
            remedy='Use classes="union", name them in classes=, or translate: (dataset, weight, {old: new, ...}).',
        )
    return np.array([places[name] for name in names], dtype=np.int64)


def _given(labels: LabelMap, num_classes: int | None, *, where: str) -> NDArray[np.int64]:
    pairs = dict(labels) if isinstance(labels, Mapping) else dict(enumerate(labels))
    whole = all(
        isinstance(label, int | np.integer) and not isinstance(label, bool) and label >= 0
        for pair in pairs.items()
        for label in pair
    )
    if not pairs or not whole or (num_classes is not None and max(pairs.values()) >= num_classes):
        most = "" if num_classes is None else f" below {num_classes}"
        raise SpecError(f"labels are {str(labels)[:100]}", where=where, expected=f"old to new label, new ones{most}")
    table = np.full(max(pairs) + 1, -1, dtype=np.int64)
    table[list(pairs)] = list(pairs.values())
    return table


def _listed(names: Sequence[str]) -> str:
    told = ", ".join(repr(name) for name in names[:_TOLD])
    return f"{told} and {len(names) - _TOLD} more" if len(names) > _TOLD else told
