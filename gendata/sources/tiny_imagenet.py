"""`tiny-imagenet`: 200 classes of ImageNet at 64 x 64, from a local copy in parquet if there is one, else the Hub's."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec

from gendata.errors import SourceError
from gendata.sources.decoded import EncodedImage
from gendata.sources.huggingface import Config, HuggingFace
from gendata.sources.split import Split
from gendata.spec import SourceFacts

_ON_THE_HUB = "zh-plus/tiny-imagenet"
_NAMES = "classes.tsv"  # beside a local copy whose labels are bare numbers: index, WordNet id, words
_NUM_CLASSES, _SHAPE = 200, (3, 64, 64)


class NoOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Data sets known by name have no options."""


class TinyImageNet(HuggingFace):
    """100,000 images for training; tested on the 10,000 of validation, as every table of the literature is.

    Labels are indices into the sorted WordNet ids, which are the classes' names. A local copy is a folder of parquet
    files that `datasets` reads, `<data_root>/tiny-imagenet`. Images come class by class, in the order of their files'
    sha256: copies keep them in different orders, and what is held out, and the fingerprint, follow the order.
    """

    Config = NoOptions  # type: ignore[assignment]  # those of `huggingface` are set here
    name = "tiny-imagenet"
    citation = "Y. Le and X. Yang, Tiny ImageNet Visual Recognition Challenge, CS 231N, Stanford University, 2015."

    def __init__(self, config: NoOptions, *, data_root: Path | None = None) -> None:
        super().__init__(Config(dataset=_ON_THE_HUB, channels=3), data_root=data_root)
        if self.data_root and (self.data_root / self.name).is_dir():
            self.config = Config(path=self.name, channels=3)

    @cached_property
    def classes(self) -> tuple[str, ...]:
        names = self.folder / _NAMES if self.config.path else None
        if names is None or not names.is_file() or self._table("train").features[self._label_column].dtype != "int64":
            return super().classes
        return _class_names(names)

    def facts(self) -> SourceFacts:
        """What the manifest says about the data: its name says all, wherever it was read."""
        return msgspec.structs.replace(super().facts(), options={}, folder=None, tested_on="validation")

    @cached_property
    def _tables(self) -> Any:
        try:
            return super()._tables
        except SourceError as error:
            raise SourceError(
                error.what, where=error.where, expected="the data set, as a folder of parquet files or on the Hub",
                remedy=f"Put the parquet files in DIR/{self.name} and say --data DIR (data_root=DIR).",
            ) from None  # fmt: skip

    def _images(self, name: str) -> Iterable[EncodedImage]:
        return sorted(super()._images(name), key=lambda image: (image.label, _sha256(image.file)))

    def _read(self, name: str) -> Split:
        split = super()._read(name)
        found = (len(self.classes), tuple(split.x.shape[1:]))
        if found != (_NUM_CLASSES, _SHAPE):
            raise SourceError(
                f"{found[0]} classes of images of shape {found[1]}", where=f"{self.name}: {name}",
                expected=f"{_NUM_CLASSES} of {_SHAPE}", remedy="Another data set is opened as folder or huggingface.",
            )  # fmt: skip
        return split


def _class_names(path: Path) -> tuple[str, ...]:
    lines = [line.split("\t") for line in path.read_text("utf-8", errors="replace").splitlines() if line]
    if any(len(fields) < 2 or fields[0] != str(number) for number, fields in enumerate(lines)):
        raise SourceError("is no list of classes", where=str(path), expected="lines of index, tab, name, from index 0")
    return tuple(fields[1] for fields in lines)


def _sha256(file: bytes | Path) -> bytes:
    return hashlib.sha256(file if isinstance(file, bytes) else file.read_bytes()).digest()
