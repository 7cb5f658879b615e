"""What is exported: the samples of a dataset, block by block, as they are stored."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gendata.artifact.artifact import CondensedArtifact
from gendata.dataset.generated import GeneratedDataset
from gendata.errors import SpecError
from gendata.spec import SampleSpec

_BLOCK = 64  # samples made at once, rounded up to whole micro-batches


class Block(NamedTuple):
    """Some samples, in a row."""

    images: NDArray[Any]  # (n, H, W, C) uint8, or float32 where the artifact stores floats
    labels: NDArray[np.int64]  # (n,)
    soft: NDArray[np.float32] | None  # (n, classes); None: hard labels


class Tally:
    """A digest of samples, the same however they are cut into blocks."""

    def __init__(self) -> None:
        self._hashes = {field: hashlib.sha256() for field in Block._fields}
        self.count = 0

    def add(self, block: Block) -> None:
        """The next samples."""
        for field, values in block._asdict().items():
            if values is not None:
                self._hashes[field].update(np.ascontiguousarray(values).tobytes())
        self.count += len(block.labels)

    def digest(self) -> tuple[int, ...]:
        """Equal for equal samples in equal order."""
        return (self.count, *(int(one.hexdigest(), 16) for one in self._hashes.values()))


@dataclass(frozen=True)
class Content:
    """The samples of a dataset in one epoch. Pickles small, as the dataset does."""

    dataset: GeneratedDataset  # in NumPy format, as stored
    epoch: int
    soft: bool  # soft labels are wanted too

    @classmethod
    def of(cls, dataset: GeneratedDataset) -> Content:
        """The dataset's samples, of the epoch that it stands at.

        Raises:
            SpecError: it is empty, or has transforms, which files would not follow.
        """
        if dataset.transform is not None or dataset.target_transform is not None:
            raise SpecError(
                "the dataset has transforms, and files hold samples as they are",
                expected="a dataset without",
                remedy="Export ds.with_transform(), and transform what is read.",
            )
        if not len(dataset):
            raise SpecError("the dataset is empty", expected="at least one sample")
        stored: Any = dataset.artifact.manifest.sampling.dtype
        plain = dataset.with_format("numpy", dtype=stored)
        return cls(plain, dataset.epoch, soft=plain[:0][1].ndim == 2)

    def __len__(self) -> int:
        return len(self.dataset)

    @property
    def artifact(self) -> CondensedArtifact:
        return self.dataset.artifact

    @property
    def spec(self) -> SampleSpec:
        return self.dataset.artifact.spec

    @property
    def sample_bytes(self) -> int:
        """Bytes of one image, uncompressed."""
        return self.spec.num_pixels * np.dtype(self.artifact.manifest.sampling.dtype).itemsize

    @cached_property
    def labels(self) -> NDArray[np.int64]:
        """Classes of all samples (N,)."""
        labels: NDArray[np.int64] = self.dataset.targets.numpy()
        return labels

    @property
    def key_digits(self) -> int:
        """Digits of a sample's number, at least six."""
        return max(6, len(str(len(self) - 1)))

    def blocks(self, index: Sequence[int]) -> Iterator[Block]:
        """The samples `index`, in order."""
        micro_batch = self.artifact.manifest.sampling.micro_batch
        size = micro_batch * -(-_BLOCK // micro_batch)
        for start in range(0, len(index), size):
            yield self.block(index[start : start + size])

    def block(self, index: Sequence[int]) -> Block:
        """The samples `index` at once."""
        images, labels = self.dataset[[(self.epoch, number) for number in index]]
        return Block(images, self.labels[list(index)], labels if self.soft else None)
