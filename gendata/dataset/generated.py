"""The dataset of an artifact. It only indexes: `views.py` knows which samples, the artifact makes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from torch import Tensor
from torch.utils.data import Dataset

from gendata.artifact.artifact import CondensedArtifact, open_artifact
from gendata.artifact.canonical import sha256_of
from gendata.dataset.batch import Batch
from gendata.dataset.formats import Format
from gendata.dataset.indices import Rows, several, single
from gendata.dataset.selection import Evenly, Picks
from gendata.dataset.views import FreshView, FrozenView, View, check_at_least
from gendata.errors import SpecError

_MOST_SAMPLES = 2**63

if TYPE_CHECKING:
    import datasets

    from gendata.dataset.loader import GeneratedLoader
    from gendata.dataset.stream import SampleStream

Transform = Callable[[Any], Any]


class GeneratedDataset(Dataset[Any]):
    """Map-style dataset of an artifact: `ds[i]` is an image (C, H, W) float32 in [0, 1] and an int label.

    By default the frozen set (IPC images per class, always the same); `ds.fresh()` draws new ones each epoch. A slice,
    list, array or mask gives a ready batch: images (N, C, H, W) and labels (N,) int64. An index may also be an
    (epoch, index) pair. Values are uint8 / 255 exactly; of an artifact in another space (`artifact.space`), or of
    floats (`artifact.sample_dtype`), they are the stored ones, unclamped.

    Every `with_...`, `select`, `shard`, `take` and `fresh` gives another dataset and leaves this one as it is.

    Promises: a sample is bit-identical whatever the batch, order, number of workers or start method; global random
    state is neither read nor changed; the pickle is small (it names the artifact's folder).

    Args:
        artifact: what to sample.
        view: which samples. None: the frozen set.
        transform: applied to each image, as `with_format` shows it: a tensor (C, H, W) float32. None: nothing.
        target_transform: applied to each label. None: nothing.
        shape: how samples look. None: (tensor, label).
        soft: labels are the artifact's soft ones, (K,) float32.
    """

    def __init__(
        self,
        artifact: CondensedArtifact,
        *,
        view: View | None = None,
        transform: Transform | None = None,
        target_transform: Transform | None = None,
        shape: Format | None = None,
        soft: bool = False,
    ) -> None:
        self.artifact = artifact
        self.transform, self.target_transform = transform, target_transform
        self._view = FrozenView(artifact) if view is None else view
        self._format, self._soft = shape or Format(), soft

    @classmethod
    def open(cls, path: str | Path) -> GeneratedDataset:
        """The frozen set of the artifact in folder `path`.

        Raises:
            ArtifactError: it is missing, not an artifact, or has been changed.
        """
        return cls(open_artifact(Path(path)))

    def frozen(self, *, ipc: int | None = None) -> GeneratedDataset:
        """The stored set of the same artifact, so many images per class; image k of a class is always the same one.

        Args:
            ipc: 1 to `artifact.max_ipc`, which is more than `artifact.ipc` where a codebook holds more codes. None:
                `artifact.ipc`.

        As with `fresh`, the whole set with hard labels: select, shard and `with_labels` come after.

        Raises:
            SpecError: fewer are stored.
        """
        artifact = self.artifact
        if ipc is None or ipc == artifact.ipc:
            return self._with(view=FrozenView(artifact), soft=False)
        check_at_least("ipc", ipc, 1)
        if ipc > artifact.ipc:
            artifact.frozen_images(np.zeros(0, dtype=np.int64), ipc=ipc)  # refuses what is not stored
            return self._with(view=FrozenView(artifact, ipc=ipc), soft=False)
        own = np.arange(artifact.manifest.num_frozen)
        return self._with(view=FrozenView(artifact).select(own[own % artifact.ipc < ipc]), soft=False)

    def fresh(
        self, *, samples_per_class: int | None = None, num_samples: int | None = None, seed: int = 0
    ) -> GeneratedDataset:
        """The same artifact, drawing new samples each epoch; see `set_epoch`. Hard labels.

        Args:
            samples_per_class: so many in an epoch. None: as many as the frozen set has (IPC).
            num_samples: the length of an epoch instead; classes then differ by at most one sample.
            seed: 0 to 2**63 - 1; another seed gives other samples.
        """
        picks: Picks | None = None
        per_class = self.artifact.ipc if samples_per_class is None else samples_per_class
        if num_samples is not None:
            if samples_per_class is not None:
                raise SpecError("samples_per_class and num_samples are both given", expected="one of them")
            check_at_least("num_samples", num_samples, 1)
            num_classes = self.artifact.spec.num_classes
            per_class = -(-num_samples // num_classes)
            picks = Evenly(num_samples, per_class * num_classes)
        check_at_least("samples_per_class", per_class, 1)
        if per_class * self.artifact.spec.num_classes >= _MOST_SAMPLES:
            raise SpecError(
                f"{per_class} samples of each of {self.artifact.spec.num_classes} classes",
                expected="less than 2**63 in all",
            )
        view: View = FreshView(self.artifact, samples_per_class=per_class, seed=seed)
        return self._with(view=view if picks is None else view.select(picks), soft=False)

    def with_transform(
        self, transform: Transform | None = None, *, target_transform: Transform | None = None
    ) -> GeneratedDataset:
        """The same samples with other transforms, applied to each sample."""
        return self._with(transform=transform, target_transform=target_transform)

    def with_format(
        self,
        name: Literal["torch", "numpy", "pil", "dict"] = "torch",
        *,
        dtype: Literal["float32", "uint8"] = "float32",
        keys: tuple[str, str] = ("image", "label"),
    ) -> GeneratedDataset:
        """The same samples in another shape.

        Args:
            name: "torch": (tensor (C, H, W), label). "dict": the same as {"image": ..., "label": ...}. "numpy":
                (array (H, W, C), label). "pil": (picture, label).
            dtype: of images: float32 in [0, 1], or the uint8 they were rounded to. Pictures are uint8.
            keys: other names in a "dict": ("pixel_values", "labels").

        Raises:
            SpecError: an unknown name, or one that the artifact's images cannot take.
        """
        shape = Format(name=name, dtype=dtype, keys=keys)
        shape.check(stored=self.artifact.manifest.sampling.dtype, channels=self.artifact.spec.channels)
        return self._with(shape=shape)

    def with_labels(self, kind: Literal["hard", "soft"]) -> GeneratedDataset:
        """The same samples with int labels ("hard"), or with the artifact's soft ones (K,) float32 ("soft").

        New samples have soft labels where the artifact has a label head (`artifact.has_fresh_soft_labels`): ask for
        them after `fresh`, which gives hard ones.

        What the numbers of soft labels are, probabilities, logits or targets, `artifact.manifest.labels.values` says.

        Raises:
            SpecError: the artifact has none, or stores them and these samples are not of its frozen set.
        """
        if kind not in ("hard", "soft"):
            raise SpecError(f"labels are {kind!r}", expected="hard or soft")
        if kind == "soft":
            self._view.soft_labels(Rows(np.zeros(0, dtype=np.int64), 0))
        return self._with(soft=kind == "soft")

    def select(self, indices: Any) -> GeneratedDataset:
        """Only the samples that a slice, list, array or mask means, in that order.

        Raises:
            IndexError: an index is out of range. TypeError: `indices` is none of these.
        """
        if isinstance(indices, slice):
            return self._with(view=self._view.select(range(*indices.indices(len(self)))))
        rows = several(indices, length=len(self), epoch=0)
        if not isinstance(rows.epoch, int):
            raise TypeError("a selection is the same in every epoch; expected indices, not (epoch, index) pairs")
        return self._with(view=self._view.select(rows.positions))

    def shard(self, num_shards: int, index: int, *, contiguous: bool = False) -> GeneratedDataset:
        """Part `index` of `num_shards` that together have every sample once, and differ in size by at most one.

        Differs from `datasets.Dataset.shard`: every num_shards-th sample, unless contiguous. Samples are sorted by
        class, and so every part has all classes.
        """
        check_at_least("num_shards", num_shards, 1)
        if not 0 <= index < num_shards:
            raise SpecError(f"index is {index}", expected=f"0 to {num_shards - 1}")
        start, stop = (len(self) * (index + more) // num_shards for more in (0, 1))
        chosen = range(start, stop) if contiguous else range(index, len(self), num_shards)
        return self._with(view=self._view.select(chosen))

    def take(self, num_samples: int) -> GeneratedDataset:
        """The first `num_samples`, or all if there are fewer. They are sorted by class: `shard` gives all classes."""
        check_at_least("num_samples", num_samples, 0)
        return self._with(view=self._view.select(range(min(num_samples, len(self)))))

    @property
    def mode(self) -> str:
        """Which samples: "frozen" or "fresh"."""
        return self._view.mode

    @property
    def epoch(self) -> int:
        """What `set_epoch` was given last."""
        return self._view.epoch

    def set_epoch(self, epoch: int) -> None:
        """Moves a fresh dataset on to the samples of `epoch`; the frozen set stays as it is.

        Call it before iterating. It reaches persistent workers, but not what they have fetched ahead; and all datasets
        that were derived from this one, or it from them, by `shard`, `select`, `with_format` and the like.
        """
        self._view.set_epoch(epoch)

    @property
    def classes(self) -> list[str]:
        """Class names in label order."""
        return list(self.artifact.spec.classes)

    @property
    def class_to_idx(self) -> dict[str, int]:
        """Label of each class name."""
        return {name: label for label, name in enumerate(self.artifact.spec.classes)}

    @cached_property
    def targets(self) -> Tensor:
        """Classes of all samples (N,) int64, before `target_transform`; of soft labels too."""
        return self._view.labels(np.arange(len(self)))

    @property
    def fingerprint(self) -> str:
        """sha256 over artifact, mode, seed and selection. Equal: the same samples in every epoch, in the same order.

        The same samples selected in another way (`take(3)`, `select([0, 1, 2])`) may have another.
        """
        return sha256_of(self.identity())

    def identity(self) -> dict[str, Any]:
        """What `fingerprint` is made of, as plain data."""
        return {"artifact_id": self.artifact.artifact_id, "num_samples": len(self), **self._view.identity()}

    def loader(self, **options: Any) -> GeneratedLoader:
        """Ready batches on any device, an epoch at a time, with a state of a few numbers; see `GeneratedLoader`."""
        from gendata.dataset.loader import GeneratedLoader

        return GeneratedLoader(self, **options)

    def stream(self, **options: Any) -> SampleStream:
        """Samples without end, each worker and rank its own; see `SampleStream`."""
        from gendata.dataset.stream import SampleStream

        return SampleStream(self, **options)

    def to_hf(self, **options: Any) -> datasets.Dataset:
        """The samples of this epoch as a `datasets.Dataset`; see `gendata.dataset.huggingface.to_hf`."""
        from gendata.dataset.huggingface import to_hf

        return to_hf(self, **options)

    def to_hf_iterable(self, **options: Any) -> datasets.IterableDataset:
        """The same as a `datasets.IterableDataset`; see `gendata.dataset.huggingface.to_hf_iterable`."""
        from gendata.dataset.huggingface import to_hf_iterable

        return to_hf_iterable(self, **options)

    def __len__(self) -> int:
        return len(self._view)

    def __getitem__(self, item: Any) -> Any:
        one = single(item, length=len(self), epoch=self.epoch)
        if one is None:
            return self._batched(several(item, length=len(self), epoch=self.epoch))
        index, epoch = one
        label = self._format.labels(self._labels(Rows(np.array([index]), epoch)))[0]
        return self._transformed(self._format.image(self._view.image(index, epoch)), label)

    def __getitems__(self, items: Sequence[Any]) -> list[Any]:
        """Samples as a list, which is what a DataLoader asks for; `gendata.collate` finds the batch ready in it."""
        rows = several(items, length=len(self), epoch=self.epoch)
        if not self._transforms:
            return Batch(self._view.images(rows), self._labels(rows), self._format)
        return [self._transformed(image, label) for image, label in self._pairs(rows)]

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "targets"}  # derived, and long

    def __repr__(self) -> str:
        spec = self.artifact.spec
        facts = [
            repr(self.artifact.path.name),
            f"{len(self):,} samples of {'x'.join(str(size) for size in spec.shape)}",
            f"{spec.num_classes} classes",
            self._view.describe(),
            *([f"format {self._format.name} {self._format.dtype}"] if self._format != Format() else []),
            *(["soft labels"] if self._soft else []),
            *(["transformed"] if self._transforms else []),
            f"artifact_bytes={self.artifact.artifact_bytes:,}",
        ]
        return f"GeneratedDataset({', '.join(facts)})"

    @property
    def _transforms(self) -> bool:
        return self.transform is not None or self.target_transform is not None

    def _with(self, **changes: Any) -> GeneratedDataset:
        kept: dict[str, Any] = {
            "view": self._view,
            "transform": self.transform,
            "target_transform": self.target_transform,
            "shape": self._format,
            "soft": self._soft,
        }
        return type(self)(self.artifact, **{**kept, **changes})

    def _labels(self, rows: Rows) -> Tensor:
        return self._view.soft_labels(rows) if self._soft else self._view.labels(rows.positions)

    def _pairs(self, rows: Rows) -> list[tuple[Any, Any]]:
        images = self._format.images(self._view.images(rows))
        return list(zip(images, self._format.labels(self._labels(rows)), strict=True))

    def _batched(self, rows: Rows) -> Any:
        if not self._transforms or not len(rows.positions):
            return self._format.batch(self._view.images(rows), self._labels(rows))
        pairs = [self._changed(image, label) for image, label in self._pairs(rows)]
        return self._format.stacked([image for image, _ in pairs], [label for _, label in pairs])

    def _changed(self, image: Any, label: Any) -> tuple[Any, Any]:
        return (
            image if self.transform is None else self.transform(image),
            label if self.target_transform is None else self.target_transform(label),
        )

    def _transformed(self, image: Any, label: Any) -> Any:
        return self._format.sample(*self._changed(image, label))
