"""The seam of real data: `Source.spec`, `.fingerprint`, `.split(name)`."""

from __future__ import annotations

import hashlib
import logging
import os
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal

import msgspec
import torch

from gendata.errors import SourceError
from gendata.recipe import Choice
from gendata.registry import SOURCES
from gendata.sources.balance import balanced_indices, hold_out
from gendata.sources.memory import check_pixel_bytes
from gendata.sources.split import Split
from gendata.sources.statistics import pixel_statistics
from gendata.spec import SampleSpec, SourceFacts

__all__ = ["Source", "Split", "balanced_indices", "hold_out", "open_source", "pixel_statistics"]

_log = logging.getLogger(__name__)
_FEW_TO_TEST_ON = 10  # images per class


class Source:
    """Real images with labels, in memory as uint8.

    A subclass names itself, has `Config` and `spec`, and reads splits in `_read`. One that has no test images of its
    own sets `test_origin` to None: then some of train, class-balanced and seeded, becomes the test split and leaves
    train.

    Args:
        config: options, a `Config`.
        data_root: folder in which local copies are looked for; None: the environment variable GENDATA_DATA. It belongs
            to a machine, so neither recipe nor manifest holds it.
    """

    Config: ClassVar[type[msgspec.Struct]]
    name: ClassVar[str]  # as registered
    is_embedded: ClassVar[bool] = False  # its images come with gendata
    license: str | None = None  # SPDX identifier; None: unknown
    citation: str | None = None
    homepage: str | None = None

    def __init__(self, config: Any, *, data_root: Path | None = None) -> None:
        self.config = config
        root = data_root or os.environ.get("GENDATA_DATA")
        self.data_root = Path(root).expanduser() if root else None
        self._splits: dict[str, Split] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_splits": {}}  # another process reads the images again

    @property
    def spec(self) -> SampleSpec:
        """Shape and classes of every sample."""
        raise NotImplementedError

    @property
    def test_origin(self) -> str | None:
        """What the data's publisher calls the split we test on; None: there is none, it is made from train."""
        return "test"

    @property
    def revision(self) -> str | None:
        """Of the data: a commit or a release; None: it has none."""
        return None

    @cached_property
    def fingerprint(self) -> str:
        """sha256 over spec, train pixels and train labels."""
        x, y = self.split("train")
        digest = hashlib.sha256(b"gendata/source/1\0")
        digest.update(msgspec.json.encode(self.spec, order="sorted"))
        digest.update(x.contiguous().numpy().data)
        digest.update(y.numpy().astype("<i8").tobytes())
        return digest.hexdigest()

    def split(self, name: Literal["train", "test"]) -> Split:
        """All images and labels of one split, read once and kept.

        Raises:
            SourceError: data are missing, unreadable, of several shapes, or too many for memory.
            MissingExtraError: a package that reads them is not installed.
        """
        if name not in ("train", "test"):
            raise SourceError(f"split {name!r}", where=self.name, expected="'train' or 'test'")
        if name not in self._splits:
            self._load(name)
        return self._splits[name]

    def reads(self, path: Path) -> bool:
        """Whether images would be looked for at `path` too."""
        return False

    def check_apart(self, out: Path) -> None:
        """Raises SourceError if what is written to `out` would lie among the images that are read."""
        if self.reads(out):
            raise SourceError(
                "lies among the images that are condensed, and would be read as one of their classes", where=str(out),
                expected="a folder elsewhere", remedy="Name one beside that of the images: --out DIR.",
            )  # fmt: skip

    def facts(self) -> SourceFacts:
        """What the manifest says about the data; holds no path of this machine."""
        return SourceFacts(
            name=self.name,
            options=msgspec.to_builtins(self.config),
            tested_on=self.test_origin or "held out of train",
            revision=self.revision,
            fingerprint=self.fingerprint,
            license=self.license,
            citation=self.citation,
            homepage=self.homepage,
        )

    def _read(self, name: str) -> Split:
        """The split as published: "train", or "test" unless `test_origin` is None."""
        raise NotImplementedError

    def _test_per_class(self, counts: list[int]) -> int:
        """Images per class of a test split that has to be made; `counts` are those of train."""
        return max(1, min(counts) // 5)

    def _load(self, name: str) -> None:
        if self.test_origin is not None:
            self._splits[name] = self._checked(name)
            if name == "test" and self.test_origin != "test":
                _log.info("%s is tested on its split %r", self.name, self.test_origin)
            return
        whole = self._checked("train")
        per_class = self._test_per_class(torch.bincount(whole.y).tolist())
        self._splits["train"], self._splits["test"] = hold_out(
            whole, per_class=per_class, purpose="test", classes=self.spec.classes, least=2
        )  # of those two, one is held out for choices
        told = _log.warning if per_class < _FEW_TO_TEST_ON else _log.info
        told("%s has no test split: %d images per class of train are held out as test", self.name, per_class)

    def _checked(self, name: str) -> Split:
        split, spec = self._read(name), self.spec
        where = f"{self.name}: {name}"
        if len(split.x) == 0 or len(split.x) != len(split.y):
            raise SourceError(
                f"{len(split.x)} images and {len(split.y)} labels", where=where, expected="as many, above 0"
            )
        if tuple(split.x.shape[1:]) != spec.shape:
            raise SourceError(f"images of shape {tuple(split.x.shape[1:])}", where=where, expected=f"{spec.shape}")
        if int(split.y.min()) < 0 or int(split.y.max()) >= spec.num_classes:
            raise SourceError(
                f"labels {int(split.y.min())} to {int(split.y.max())}",
                where=where,
                expected=f"0 to {spec.num_classes - 1}",
            )
        absent = [c for c, n in enumerate(torch.bincount(split.y, minlength=spec.num_classes).tolist()) if n == 0]
        if absent and name == "train":
            named = ", ".join(repr(spec.classes[c]) for c in absent[:5])
            raise SourceError(
                f"{len(absent)} classes have no image ({named})", where=where, expected="images of each class"
            )
        check_pixel_bytes(len(split.x), spec.shape, where=where)
        return split


def open_source(choice: Choice, *, data_root: Path | None = None) -> Source:
    """The source that a recipe names, with its options checked; reads no image yet.

    Raises:
        UnknownNameError, RecipeError: the name or an option is not acceptable.
    """
    config = SOURCES.config(choice.name, choice.options, where="source")
    source: Source = SOURCES.load(choice.name)(config, data_root=data_root)
    return source
