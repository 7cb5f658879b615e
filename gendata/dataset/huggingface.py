"""Samples as `datasets.Dataset` and `datasets.IterableDataset`; `datasets` is imported here alone, when it is used."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from gendata.artifact.canonical import sha256_of
from gendata.dataset.cache import machine_digest
from gendata.dataset.forks import settle
from gendata.dataset.views import check_at_least
from gendata.errors import MissingExtraError, SpecError

if TYPE_CHECKING:
    import datasets

    from gendata.dataset.generated import GeneratedDataset

_REVISION = 1  # raised when the same samples become other rows
_BLOCK = 64  # samples made at once
_PICTURES = (1, 3, 4)  # numbers of channels that a PNG can hold


def to_hf(dataset: GeneratedDataset, *, num_proc: int | None = None, cache_dir: str | None = None) -> datasets.Dataset:
    """The samples of the dataset's epoch, in its order, as rows {"image": PNG, "label": ClassLabel}.

    Images are lossless: with_format("torch") of `datasets` gives the uint8 values. Floats of another space are an
    Array3D; soft labels a further column "soft_label". The rows lie in the cache of `datasets` under a fingerprint of
    artifact, mode, seed, epoch, selection and kind of machine: a second call reads them, another seed makes new ones.

    Args:
        dataset: what to read, in any format.
        num_proc: processes that make samples. None: this one.
        cache_dir: None: the cache of `datasets`.

    Raises:
        SpecError: the dataset is empty, or has transforms, which rows on disk would not follow.
        MissingExtraError: `datasets` is not installed.
    """
    hub = _datasets()
    _check(dataset)
    num_ranges = min(num_proc or 1, len(dataset))
    bounds = [len(dataset) * part // num_ranges for part in range(num_ranges + 1)]
    ranges = [range(start, stop) for start, stop in itertools.pairwise(bounds)]
    made: datasets.Dataset = hub.Dataset.from_generator(
        _rows,
        features=_features(dataset),
        gen_kwargs={"dataset": dataset.with_format(), "epoch": dataset.epoch, "ranges": ranges},
        num_proc=num_proc,
        cache_dir=cache_dir,
        fingerprint=_fingerprint(dataset),
    )
    return made


def to_hf_iterable(dataset: GeneratedDataset, *, num_shards: int = 64) -> datasets.IterableDataset:
    """The same rows, made as they are read; nothing is written to disk.

    Args:
        dataset: what to read, in any format.
        num_shards: parts that workers and nodes (`split_dataset_by_node`) can share; a multiple of workers x nodes
            gives each equally many. Shard k holds the samples k, k + num_shards, ..., and so all classes; at most one
            shard per sample.

    Raises:
        SpecError: see `to_hf`.
        MissingExtraError: `datasets` is not installed.
    """
    hub = _datasets()
    _check(dataset)
    check_at_least("num_shards", num_shards, 1)
    num_shards = min(num_shards, len(dataset))
    made: datasets.IterableDataset = hub.IterableDataset.from_generator(
        _rows,
        features=_features(dataset),
        gen_kwargs={
            "dataset": dataset.with_format(),
            "epoch": dataset.epoch,
            "ranges": [range(shard, len(dataset), num_shards) for shard in range(num_shards)],
        },
    )
    return made


def _rows(dataset: GeneratedDataset, epoch: int, ranges: list[range]) -> Iterator[dict[str, Any]]:
    settle()
    pictures = _has_pictures(dataset)
    shown = dataset.with_format("pil") if pictures else dataset.with_format("torch")
    for chosen in ranges:
        for start in range(0, len(chosen), _BLOCK):
            indices = chosen[start : start + _BLOCK]
            targets = dataset._view.labels(np.asarray(indices, dtype=np.int64)).tolist()
            samples = shown.__getitems__([(epoch, index) for index in indices])
            for (image, label), target in zip(samples, targets, strict=True):
                row = {"image": image if pictures else image.numpy(), "label": target}
                yield {**row, "soft_label": label.tolist()} if dataset._soft else row


def _features(dataset: GeneratedDataset) -> datasets.Features:
    hub, spec = _datasets(), dataset.artifact.spec
    image = hub.Image() if _has_pictures(dataset) else hub.Array3D(shape=spec.shape, dtype="float32")
    columns: dict[str, Any] = {"image": image, "label": hub.ClassLabel(names=list(spec.classes))}
    if dataset._soft:
        columns["soft_label"] = hub.Sequence(hub.Value("float32"), length=spec.num_classes)
    return hub.Features(columns)


def _has_pictures(dataset: GeneratedDataset) -> bool:
    return dataset.artifact.sample_dtype == torch.uint8 and dataset.artifact.spec.channels in _PICTURES


def _fingerprint(dataset: GeneratedDataset) -> str:
    facts = {
        **dataset.identity(),
        "epoch": dataset.epoch,
        "soft": dataset._soft,
        "machine": machine_digest(),
        "revision": _REVISION,
    }
    return sha256_of(facts)[:32]


def _check(dataset: GeneratedDataset) -> None:
    if dataset._transforms:
        raise SpecError(
            "the dataset has transforms, and rows of `datasets` hold the images as they are",
            expected="a dataset without",
            remedy="Use ds.with_transform().to_hf(), and set_transform of `datasets` on the result.",
        )
    if not len(dataset):
        raise SpecError("the dataset is empty", expected="at least one sample")


def _datasets() -> Any:
    try:
        import datasets
    except ImportError as error:
        raise MissingExtraError("`datasets` is not installed", remedy="pip install datasets") from error
    return datasets
