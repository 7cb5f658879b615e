"""Images in any order to a table: class after class, equally many of each."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from gendata.errors import SpecError
from gendata.importers.layout import ImageSet
from gendata.importers.wanted import Wanted


class Arranged(NamedTuple):
    """What a bank holds."""

    images: Tensor  # (classes, slots, C, H, W)
    soft: Tensor | None  # (classes * slots, classes)


def arranged(found: ImageSet, *, num_classes: int, wanted: Wanted, where: str) -> Arranged:
    """`found` by class, the files' order kept inside each.

    Raises:
        SpecError: a label outside the classes, another number of soft labels than classes, or classes of several sizes
            and no `wanted.ipc` that all of them have.
    """
    if found.soft is not None and found.soft.shape[1] != num_classes:
        raise SpecError(
            f"soft labels have {found.soft.shape[1]} columns", where=where, expected=f"{num_classes}, one per class",
            remedy="Give other classes (--classes), or the right data set (--source).",
        )  # fmt: skip
    labels = _labels(found, num_classes=num_classes, wanted=wanted, where=where)
    if int(labels.min()) < 0 or int(labels.max()) >= num_classes:
        raise SpecError(
            f"labels reach from {int(labels.min())} to {int(labels.max())}", where=where,
            expected=f"0 to {num_classes - 1}", remedy="Give all the classes: --classes A,B,... or --source NAME.",
        )  # fmt: skip
    counts = torch.bincount(labels, minlength=num_classes)
    slots = _slots(counts, wanted=wanted, where=where)
    chosen = torch.cat([(labels == label).nonzero()[:slots, 0] for label in range(num_classes)])
    images = found.images[chosen].reshape(num_classes, slots, *found.images.shape[1:])
    return Arranged(images, None if found.soft is None else found.soft[chosen])


def _labels(found: ImageSet, *, num_classes: int, wanted: Wanted, where: str) -> Tensor:
    """Class numbers (N,): as given; else of the largest soft label, if that gives every class equally many; else by
    position.
    """
    if found.labels is not None:
        return found.labels
    count = len(found.images)
    largest = found.soft.argmax(1) if found.soft is not None else torch.zeros(0, dtype=torch.int64)
    if len(largest) and len(set(torch.bincount(largest, minlength=num_classes).tolist())) == 1:
        return largest
    if count % num_classes:
        raise SpecError(f"{count} images of {num_classes} classes", where=where, expected="equally many of each")
    labels = torch.arange(num_classes).repeat_interleave(count // num_classes)
    other = f"; the largest label is another one for {int((largest != labels).sum())}" if len(largest) else ""
    wanted.say(f"classes are told by position, {count // num_classes} images each{other}")
    return labels


def _slots(counts: Tensor, *, wanted: Wanted, where: str) -> int:
    fewest, most = int(counts.min()), int(counts.max())
    if wanted.ipc is None and fewest == most:
        return fewest
    if wanted.ipc is None or not 1 <= wanted.ipc <= fewest:
        told = f"classes have {fewest} to {most} images" if fewest != most else f"every class has {fewest} images"
        raise SpecError(
            told + (f", and {wanted.ipc} of each are asked for" if wanted.ipc is not None else ""), where=where,
            expected="equally many of each", remedy=f"Take the first of each: --ipc {fewest}." if fewest else None,
        )  # fmt: skip
    if wanted.ipc < most:
        wanted.say(f"of each class the first {wanted.ipc} images are taken, of up to {most}")
    return wanted.ipc
