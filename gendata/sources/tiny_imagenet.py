"""`tiny-imagenet`: 200 classes of ImageNet at 64 x 64, from a local copy in parquet if there is one, else the Hub's."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import msgspec

from gendata.sources.huggingface import Config, HuggingFace
from gendata.spec import SourceFacts

_ON_THE_HUB = "zh-plus/tiny-imagenet"
_NAMES = "classes.tsv"  # beside a local copy whose labels are bare numbers: index, WordNet id, words


class NoOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Data sets known by name have no options."""


class TinyImageNet(HuggingFace):
    """100,000 images for training; tested on the 10,000 of validation, as every table of the literature is.

    Labels are indices into the sorted WordNet ids, which are the classes' names. A local copy is a folder of parquet
    files that `datasets` reads, `<data_root>/tiny-imagenet`.
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
        if names is None or not names.is_file():
            return super().classes
        return tuple(line.split("\t")[1] for line in names.read_text("utf-8").splitlines() if line)

    def facts(self) -> SourceFacts:
        """What the manifest says about the data: its name says all, wherever it was read."""
        return msgspec.structs.replace(super().facts(), options={}, folder=None)
