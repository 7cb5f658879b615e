"""The dataset of an artifact. It only indexes: `views.py` knows which samples, the artifact makes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset, default_collate

from gendata.artifact.artifact import CondensedArtifact, open_artifact
from gendata.dataset.batch import Batch, as_float
from gendata.dataset.indices import Rows, several, single
from gendata.dataset.views import FreshView, FrozenView, View

Transform = Callable[[Any], Any]


class GeneratedDataset(Dataset[Any]):
    """Map-style dataset of an artifact: `ds[i]` is an image (C, H, W) float32 in [0, 1] and an int label.

    By default the frozen set (IPC images per class, always the same); `ds.fresh()` draws new ones each epoch. A slice,
    list, array or mask gives a ready batch: images (N, C, H, W) and labels (N,) int64. An index may also be an
    (epoch, index) pair. Values are uint8 / 255 exactly; those of a bank of floats (`artifact.sample_dtype`)
    are as stored, unclamped and in its space (`artifact.space`).

    Promises: a sample is bit-identical whatever the batch, order, number of workers or start method; global random
    state is neither read nor changed; the pickle is small (it names the artifact's folder).

    Args:
        artifact: what to sample.
        view: which samples. None: the frozen set.
        transform: applied to each image (C, H, W) float32. None: nothing.
        target_transform: applied to each int label. None: nothing.
    """

    def __init__(
        self,
        artifact: CondensedArtifact,
        *,
        view: View | None = None,
        transform: Transform | None = None,
        target_transform: Transform | None = None,
    ) -> None:
        self.artifact = artifact
        self.transform, self.target_transform = transform, target_transform
        self._view = view or FrozenView(artifact)

    @classmethod
    def open(cls, path: str | Path) -> GeneratedDataset:
        """The frozen set of the artifact in folder `path`.

        Raises:
            ArtifactError: it is missing, not an artifact, or has been changed.
        """
        return cls(open_artifact(Path(path)))

    def fresh(self, *, samples_per_class: int | None = None, seed: int = 0) -> GeneratedDataset:
        """The same artifact, drawing new samples each epoch; see `set_epoch`.

        Args:
            samples_per_class: length of an epoch. None: as many as the frozen set has (IPC).
            seed: 0 to 2**63 - 1; another seed gives other samples.
        """
        per_class = self.artifact.ipc if samples_per_class is None else samples_per_class
        return self._with(view=FreshView(self.artifact, samples_per_class=per_class, seed=seed))

    def with_transform(
        self, transform: Transform | None = None, *, target_transform: Transform | None = None
    ) -> GeneratedDataset:
        """The same samples with other transforms, applied to each sample."""
        return self._with(transform=transform, target_transform=target_transform)

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

        Call it before iterating. It reaches persistent workers, but not what they have fetched ahead.
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
        """Labels of all samples (N,) int64, before `target_transform`."""
        return torch.arange(self.artifact.spec.num_classes).repeat_interleave(self._view.samples_per_class)

    def __len__(self) -> int:
        return len(self._view)

    def __getitem__(self, item: Any) -> Any:
        one = single(item, length=len(self), epoch=self.epoch)
        if one is None:
            return self._collated(several(item, length=len(self), epoch=self.epoch))
        index, epoch = one
        return self._transformed(as_float(self._view.image(index, epoch)), self._view.label(index))

    def __getitems__(self, items: Sequence[Any]) -> list[Any]:
        """Samples as a list, which is what a DataLoader asks for; `gendata.collate` finds the batch ready in it."""
        batch = self._batch(several(items, length=len(self), epoch=self.epoch))
        return [self._transformed(*sample) for sample in batch] if self._transforms else batch

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "targets"}  # derived, and long

    def __repr__(self) -> str:
        spec = self.artifact.spec
        shape = "x".join(str(size) for size in spec.shape)
        return (
            f"GeneratedDataset({self.artifact.path.name!r}, {len(self):,} samples of {shape}, "
            f"{spec.num_classes} classes, {self._view.describe()}, artifact_bytes={self.artifact.artifact_bytes:,})"
        )

    @property
    def _transforms(self) -> bool:
        return self.transform is not None or self.target_transform is not None

    def _with(self, **changes: Any) -> GeneratedDataset:
        kept = {"view": self._view, "transform": self.transform, "target_transform": self.target_transform}
        return type(self)(self.artifact, **{**kept, **changes})

    def _batch(self, rows: Rows) -> Batch:
        return Batch(self._view.images(rows), self._view.labels(rows.positions))

    def _collated(self, rows: Rows) -> tuple[Any, Any]:
        batch = self._batch(rows)
        if self._transforms and len(batch):
            return tuple(default_collate([self._transformed(*sample) for sample in batch]))
        return batch.ready

    def _transformed(self, x: Tensor, y: int) -> tuple[Any, Any]:
        return (
            x if self.transform is None else self.transform(x),
            y if self.target_transform is None else self.target_transform(y),
        )
