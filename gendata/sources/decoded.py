"""What sources of encoded images share: the spec follows from the train files and the declared size."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import torch

from gendata.errors import SourceError
from gendata.sources.images import ImageStack
from gendata.sources.source import Source
from gendata.sources.split import Split
from gendata.spec import SampleSpec, SourceFacts


class EncodedImage(NamedTuple):
    """One image before it is decoded."""

    file: bytes | Path
    label: int
    name: str  # as messages call it


class DecodedSource(Source):
    """A source whose `_images` are decoded here; `config` is an `ImageOptions` with `path`.

    Decoders differ in the last bit between versions of Pillow, and the fingerprint with them.
    """

    _spec: SampleSpec | None = None

    @property
    def spec(self) -> SampleSpec:
        """Shape and classes; reads train on first use."""
        if self._spec is None:
            self.split("train")
        assert self._spec is not None
        return self._spec

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in label order."""
        raise NotImplementedError

    @cached_property
    def folder(self) -> Path:
        """The local folder that is read, a path of this machine."""
        return local_folder(self.config.path, data_root=self.data_root, where=self.name)

    def facts(self) -> SourceFacts:
        """What the manifest says about the data; of a path, the last folder's name remains."""
        facts = super().facts()
        local = facts.options.pop("path", None) or not facts.options.get("dataset")
        return msgspec.structs.replace(facts, folder=self.folder.resolve().name) if local else facts

    def _images(self, name: str) -> Iterable[EncodedImage]:
        """Images of "train", or of "test" where there is one, in a fixed order."""
        raise NotImplementedError

    def _read(self, name: str) -> Split:
        # The test split takes its channels from train; so train comes first.
        channels = self.config.channels if name == "train" else self.spec.channels
        where, labels = f"{self.name}: {name}", []
        stack = ImageStack(self.config, channels=channels, asks=name == "train", where=where)
        for image in self._images(name):
            stack.add(image.file, name=image.name)
            labels.append(image.label)
        x = stack.finish()
        if name == "train":
            _, channels, height, width = x.shape
            self._spec = SampleSpec(channels=channels, height=height, width=width, classes=self.classes)
        return Split(torch.from_numpy(x), torch.from_numpy(np.array(labels, dtype=np.int64)))


def local_folder(path: str | None, *, data_root: Path | None, where: str) -> Path:
    """The folder that `path` means: from the data root if it is there, else from the working directory.

    Raises:
        SourceError: no such folder, or nothing names one.
    """
    remedy = "Name it: --data FOLDER, in Python data_root=FOLDER; in a recipe source.options.path."
    if path is None and data_root is None:
        raise SourceError("no folder is named", where=where, remedy=remedy)
    candidates = [data_root / (path or "")] if data_root else []
    candidates += [Path(path).expanduser()] if path else []
    for folder in candidates:
        if os.path.isdir(folder):  # False of a name that is too long for any
            return folder
    raise SourceError("no such folder", where=f"{where}: {candidates[-1]}", expected="a folder", remedy=remedy)


def choose_test(names: Mapping[str, Any] | Iterable[str]) -> str | None:
    """Which of a source's splits we test on: test, else what others call validation; None: neither is there."""
    present = set(names)
    return next((name for name in ("test", "validation", "valid", "val") if name in present), None)
