"""`gendata.mix`: condensed sets and real data as one dataset, in stated shares."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from gendata.artifact.canonical import sha256_of
from gendata.dataset.generated import GeneratedDataset
from gendata.dataset.indices import Integers, Rows, several, single
from gendata.dataset.label_space import LabelMap, class_names, common_classes, translation
from gendata.dataset.order import shuffled
from gendata.dataset.shared_number import SharedNumber
from gendata.dataset.views import check_at_least
from gendata.errors import SpecError

if TYPE_CHECKING:
    from gendata.dataset.loader import GeneratedLoader

PartLike: TypeAlias = "tuple[Any, float] | tuple[Any, float, LabelMap]"
_LABEL_KEYS = ("label", "labels")  # of samples that are dictionaries


def mix(
    parts: Sequence[PartLike],
    *,
    seed: int = 0,
    classes: Sequence[str] | Literal["union"] | None = None,
    num_samples: int | None = None,
    stopping: Literal["first_exhausted", "all_exhausted"] = "first_exhausted",
) -> Mixture:
    """A dataset that takes its samples from several, in shares that hold in every epoch: for replay, or augmentation.

    `gendata.mix([(condensed, 0.3), (real, 0.7)])`. Which sample stands at an index is a function of (seed, epoch,
    index). Every part goes through all its samples, shuffled, before it begins the next pass, also across epochs; a
    fresh set draws new ones each time. Integer labels come as int.

    Args:
        parts: (dataset, weight), or (dataset, weight, labels) where `labels` gives the new label of each old one.
            Datasets are map-style and give (image, label), or dictionaries with "label". Weights are above 0 and need
            not sum to 1.
        seed: of the order and of what is chosen.
        classes: names of the label space; labels of every part are translated by the names of its classes. "union": all
            names, in order of appearance. None: all parts have the same ones.
        num_samples: length of an epoch. None: see `stopping`.
        stopping: "first_exhausted": an epoch is as long as the first can be without any sample twice.
            "all_exhausted": as short as the first can be with every sample once. Later ones go on where passes stand:
            one that ends a pass and begins another may have a sample of both.

    Raises:
        SpecError: classes do not match or cannot be known, images differ in shape or dtype, or an option is out of
            range.
    """
    return Mixture(parts, seed=seed, classes=classes, num_samples=num_samples, stopping=stopping)


class Part(NamedTuple):
    """One dataset of a mixture."""

    dataset: Any
    share: Fraction  # of an epoch
    labels: NDArray[np.int64] | None  # new label of each old one, -1: none; None: they stay


class Mixture(Dataset[Any]):
    """What `mix` makes: map-style, `ds[i]` as its parts give it. An index may be an (epoch, index) pair."""

    def __init__(
        self,
        parts: Sequence[PartLike],
        *,
        seed: int,
        classes: Sequence[str] | Literal["union"] | None,
        num_samples: int | None,
        stopping: str,
    ) -> None:
        check_at_least("seed", seed, 0)
        self.seed = seed
        self.classes, self.parts = _parts(parts, classes)
        length = _length(self.parts, stopping)
        if num_samples is not None:
            check_at_least("num_samples", num_samples, 1)
            length = num_samples
        self.counts = _counts(self.parts, length)
        self._ends = np.cumsum(self.counts)
        self._epoch = SharedNumber()
        _check_alike([part.dataset[0] for part in self.parts])

    @property
    def epoch(self) -> int:
        """What `set_epoch` was given last."""
        return self._epoch.value

    def set_epoch(self, epoch: int) -> None:
        """Moves on to the samples of `epoch`; before iterating, as with a GeneratedDataset."""
        check_at_least("epoch", operator.index(epoch), 0)
        self._epoch.value = operator.index(epoch)

    @property
    def class_to_idx(self) -> dict[str, int] | None:
        """Label of each class name; None: the parts have no names."""
        return None if self.classes is None else {name: label for label, name in enumerate(self.classes)}

    @property
    def fingerprint(self) -> str:
        """sha256 over parts, shares, label spaces and seed; of other kinds of datasets only over type and length."""
        return sha256_of(self.identity())

    def identity(self) -> dict[str, Any]:
        """What `fingerprint` is made of, as plain data."""
        return {
            "parts": [
                {
                    "dataset": part.dataset.identity() if hasattr(part.dataset, "identity") else _foreign(part.dataset),
                    "count": count,
                    "labels": None if part.labels is None else part.labels.tolist(),
                }
                for part, count in zip(self.parts, self.counts, strict=True)
            ],
            "seed": self.seed,
        }

    def loader(self, **options: Any) -> GeneratedLoader:
        """Ready batches, an epoch at a time, with a state of a few numbers; see `GeneratedLoader`."""
        from gendata.dataset.loader import GeneratedLoader

        return GeneratedLoader(self, **options)

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, item: Any) -> Any:
        one = single(item, length=len(self), epoch=self.epoch)
        if one is None:
            raise TypeError("a mixture is indexed by integers and (epoch, index) pairs")
        return self._read(Rows(np.array([one[0]], dtype=np.int64), one[1]))[0]

    def __getitems__(self, items: Sequence[Any]) -> list[Any]:
        """Samples as a list, which is what a DataLoader asks for."""
        rows = several(items, length=len(self), epoch=self.epoch)
        if isinstance(rows.epoch, int):
            return self._read(rows)
        samples: list[Any] = [None] * len(rows.positions)
        for epoch in np.unique(rows.epoch).tolist():
            chosen = np.flatnonzero(rows.epoch == epoch)
            for place, sample in zip(chosen, self._read(Rows(rows.positions[chosen], epoch)), strict=True):
                samples[place] = sample
        return samples

    def __repr__(self) -> str:
        shares = ", ".join(
            f"{count:,} of {_name(part.dataset)}" for part, count in zip(self.parts, self.counts, strict=True)
        )
        return f"Mixture({len(self):,} samples: {shares}; seed {self.seed}, epoch {self.epoch})"

    def _read(self, rows: Rows) -> list[Any]:
        assert isinstance(rows.epoch, int)
        places = shuffled(rows.positions, length=len(self), seed=self.seed, epoch=rows.epoch, stream="mix")
        chosen = np.searchsorted(self._ends, places, side="right")
        samples: list[Any] = [None] * len(places)
        for number, part in enumerate(self.parts):
            own = np.flatnonzero(chosen == number)
            drawn = self._drawn(number, places[own], rows.epoch)
            for place, sample in zip(own, _samples(part.dataset, *drawn), strict=True):
                samples[place] = _relabelled(sample, part.labels, number)
        return samples

    def _drawn(self, number: int, places: Integers, epoch: int) -> tuple[Integers, Integers]:
        """(pass, item) of a part's samples at `places` of the epoch; a pass goes through all its items."""
        count, length = self.counts[number], len(self.parts[number].dataset)
        passes, within = np.divmod(places - (self._ends[number] - count) + epoch * count, length)
        items = np.empty_like(within)
        for one in np.unique(passes).tolist():
            own = passes == one
            items[own] = shuffled(within[own], length=length, seed=self.seed, epoch=one, stream=f"mix/{number}")
        return passes, items


def _parts(
    given: Sequence[PartLike], wanted: Sequence[str] | Literal["union"] | None
) -> tuple[tuple[str, ...] | None, list[Part]]:
    parts = list(given)
    if not parts or not all(isinstance(part, tuple) and len(part) in (2, 3) for part in parts):
        raise SpecError("there are no parts, or one is no tuple", expected="[(dataset, weight), ...]")
    for number, (dataset, weight, *_) in enumerate(parts):
        sound = isinstance(weight, int | float) and not isinstance(weight, bool) and 0 < weight < float("inf")
        if not sound or not len(dataset):
            what = "the dataset is empty" if sound else f"weight is {weight!r}"
            raise SpecError(what, where=f"part {number}", expected="samples, and a weight above 0")
    maps = [part[2] if len(part) == 3 else None for part in parts]
    names = [None if labels is not None else class_names(part[0]) for part, labels in zip(parts, maps, strict=True)]
    classes = common_classes(names, wanted)
    total = sum(_exact(part[1]) for part in parts)
    return classes, [
        Part(part[0], _exact(part[1]) / total, translation(own, classes, labels, where=f"part {number}"))
        for number, (part, own, labels) in enumerate(zip(parts, names, maps, strict=True))
    ]


def _exact(weight: float) -> Fraction:
    """As it is written: 0.3 is 3/10, not the nearest binary number, by which 30 of 100 samples would not be a share."""
    return Fraction(str(weight))


def _length(parts: Sequence[Part], stopping: str) -> int:
    reaches = [len(part.dataset) / part.share for part in parts]
    if stopping == "first_exhausted":
        return max(1, int(min(reaches)))
    if stopping == "all_exhausted":
        return -int(-max(reaches) // 1)
    raise SpecError(f"stopping is {stopping!r}", expected="first_exhausted or all_exhausted")


def _counts(parts: Sequence[Part], length: int) -> list[int]:
    """Samples of each part in an epoch: its share, rounded so that the sum is right (largest remainders)."""
    exact = [part.share * length for part in parts]
    counts = [int(value) for value in exact]
    first = sorted(range(len(parts)), key=lambda number: counts[number] - exact[number])
    for number in first[: length - sum(counts)]:
        counts[number] += 1
    return counts


def _samples(dataset: Any, passes: Integers, items: Integers) -> list[Any]:
    if isinstance(dataset, GeneratedDataset | Mixture):
        if len(items) == 1:  # read alone, a fresh sample's neighbours are kept for those who come one by one
            return [dataset[int(passes[0]), int(items[0])]]
        return list(dataset.__getitems__(list(zip(passes.tolist(), items.tolist(), strict=True))))
    if hasattr(dataset, "__getitems__"):
        return list(dataset.__getitems__(items.tolist()))
    return [dataset[item] for item in items.tolist()]


def _relabelled(sample: Any, labels: NDArray[np.int64] | None, number: int) -> Any:
    place, label = _label(sample)
    try:
        new = old = operator.index(label)  # also of tensors, which default_collate would not stack with ints
    except TypeError:
        if labels is None:
            return sample
        raise SpecError(
            f"label is {str(label)[:60]}", where=f"part {number}", expected="an integer, to be translated"
        ) from None
    if labels is not None:
        new = int(labels[old]) if 0 <= old < len(labels) else -1
    if new < 0:
        raise SpecError(f"label {old} has no place in the mixture's classes", where=f"part {number}")
    if isinstance(sample, dict):
        return {**sample, place: new}
    return (*sample[:place], new, *sample[place + 1 :])


def _label(sample: Any) -> tuple[Any, Any]:
    """(key or position, value) of a sample's label."""
    if isinstance(sample, dict):
        for key in _LABEL_KEYS:
            if key in sample:
                return key, sample[key]
    elif isinstance(sample, tuple | list) and len(sample) >= 2:
        return 1, sample[1]
    raise SpecError(
        f"a sample is a {type(sample).__name__} without a label", expected='(image, label), or a dict with "label"'
    )


def _check_alike(firsts: Sequence[Any]) -> None:
    for number, sample in enumerate(firsts[1:], start=1):
        if _looks(sample) != _looks(firsts[0]):
            raise SpecError(
                f"samples look like {_looks(sample)}",
                where=f"part {number}",
                expected=f"{_looks(firsts[0])}, as part 0",
                remedy="Give real data a transform (torchvision's ToTensor, Resize), or the condensed set a format.",
            )


def _looks(sample: Any) -> str:
    _label(sample)
    pairs = sample.items() if isinstance(sample, dict) else enumerate(sample)
    parts = [f"{key}: {_kind(value)}" if isinstance(sample, dict) else _kind(value) for key, value in pairs]
    return f"{'dict' if isinstance(sample, dict) else 'tuple'} of {', '.join(parts)}"


def _kind(value: Any) -> str:
    if isinstance(value, Tensor | np.ndarray) and value.ndim:
        return f"{type(value).__name__} {tuple(value.shape)} {str(value.dtype).removeprefix('torch.')}"
    try:
        operator.index(value)
    except TypeError:
        return type(value).__name__
    return "integer"


def _foreign(dataset: Any) -> dict[str, Any]:
    return {"type": type(dataset).__name__, "num_samples": len(dataset)}


def _name(dataset: Any) -> str:
    return dataset.artifact.path.name if isinstance(dataset, GeneratedDataset) else type(dataset).__name__
