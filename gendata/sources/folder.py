"""`folder`: your own images, one folder per class."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

from gendata.errors import SourceError
from gendata.sources.decoded import DecodedSource, EncodedImage, choose_test
from gendata.sources.images import ImageOptions

_SUFFIXES = frozenset(
    (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm", ".pbm")
)
_TRAIN = ("train", "training")
_HELD = ("test", "testing", "validation", "valid", "val")  # what we test on: the first of these
_log = logging.getLogger(__name__)


class Config(ImageOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of `folder`."""

    path: str | None = None  # the folder, from data_root or the working directory; None: data_root itself


class ImageFolder(DecodedSource):
    """Reads <path>/train/<class>/* and <path>/test/<class>/* (or validation, valid, val), or <path>/<class>/* alone.

    Without a test folder a fifth of the smallest class is held out of each class of train, seeded. Classes are sorted
    as people count: "2" before "10". Names with a leading dot are passed over, and files that are no images by their
    suffix, which is told. "Train" and "training" mean train too; a folder of images that is called so is a class.
    """

    Config = Config
    name = "folder"

    @property
    def test_origin(self) -> str | None:
        if self._train is None:
            return None
        respelt = {name.lower(): name for name in self._subfolders if _subfolders(self.folder / name)}
        return choose_test(self._subfolders) or next((respelt[name] for name in _HELD if name in respelt), None)

    @cached_property
    def classes(self) -> tuple[str, ...]:
        folder = self._split_folder("train")
        if not folder.is_dir():
            raise SourceError("no such folder", where=str(folder), expected="one folder of images per class")
        names = tuple(_subfolders(folder))
        if not names:
            raise SourceError("holds no class folders", where=str(folder), expected="one folder of images per class")
        if {name.lower() for name in names} <= {*_HELD}:
            raise SourceError(
                f"holds {', '.join(names)} but no train", where=str(folder), expected="train/<class>/*.png"
            )
        for name in names:
            if not self._train and (splits := _split_names(folder / name)):
                raise SourceError(
                    f"holds {', '.join(splits)}: it is a data set, not a class", where=str(folder / name),
                    expected="one folder of images per class", remedy=f"Name {folder / name} itself.",
                )  # fmt: skip
        return names

    def reads(self, path: Path) -> bool:
        splits = [self._split_folder(name) for name in ("train", *(["test"] if self.test_origin else []))]
        folders = [*splits, *(split / name for split in splits for name in _subfolders(split))]
        return any(path.resolve().is_relative_to(folder.resolve()) for folder in folders)

    @cached_property
    def _subfolders(self) -> list[str]:
        return _subfolders(self.folder)

    @cached_property
    def _train(self) -> str | None:
        """The folder of the train split; None: classes lie in the folder itself."""
        nothing_else = {name.lower() for name in self._subfolders} <= {*_TRAIN, *_HELD}
        if _TRAIN[0] in self._subfolders:
            return _TRAIN[0] if nothing_else or _subfolders(self.folder / _TRAIN[0]) else None
        respelt = [name for name in self._subfolders if name.lower() in _TRAIN] if nothing_else else []
        if len(respelt) > 1:
            raise SourceError(f"holds {' and '.join(respelt)}", where=str(self.folder), expected="one train folder")
        return respelt[0] if respelt else None

    def _split_folder(self, name: str) -> Path:
        if self._train is None:
            return self.folder
        return self.folder / (self._train if name == "train" else self.test_origin or "")

    def _images(self, name: str) -> Iterable[EncodedImage]:
        folder, others = self._split_folder(name), Counter[str]()
        self._check_classes(folder)
        for label, class_name in enumerate(self.classes):
            files = _shown_files(folder / class_name)
            images = [file for file in files if file.suffix.lower() in _SUFFIXES]
            others.update(file.suffix.lower() for file in files if file.suffix.lower() not in _SUFFIXES)
            if not images:
                raise SourceError("holds no images", where=str(folder / class_name), expected="files such as *.png")
            for file in images:
                yield EncodedImage(file, label, file.relative_to(self.folder).as_posix())
        if others:
            told = ", ".join(f"{count} {suffix or 'without a suffix'}" for suffix, count in others.most_common(5))
            line = f"{folder}: files that are not read: {told}"
            _log.warning("%s", line if line.isprintable() else ascii(line))  # names are a stranger's

    def _check_classes(self, folder: Path) -> None:
        found = set(_subfolders(folder))
        if extra := sorted(found - set(self.classes), key=_natural):
            raise SourceError(
                f"class folders {extra[:5]} are not in train", where=str(folder), expected="those of train"
            )
        if missing := [name for name in self.classes if name not in found]:
            raise SourceError(f"class folders {missing[:5]} are missing", where=str(folder), expected="those of train")


def _subfolders(folder: Path) -> list[str]:
    names = [entry.name for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith(".")]
    for name in names:
        if name.encode(errors="replace").decode() != name:  # bytes of another encoding
            raise SourceError(
                f"a class folder is called {name!r}", where=str(folder), expected="a name in UTF-8",
                remedy="Rename it.",
            )  # fmt: skip
    return sorted(names, key=_natural)


def holds_images(folder: Path) -> bool:
    """Whether every folder in it does, by their suffixes."""
    inside = [folder / name for name in _subfolders(folder)]
    return bool(inside) and all(
        any(file.suffix.lower() in _SUFFIXES and _is_shown(file, each) for file in each.rglob("*")) for each in inside
    )


def _split_names(folder: Path) -> list[str]:
    """Folders in it that are called as splits are, if one of them is train and none is called otherwise."""
    names = _subfolders(folder)
    called = {name.lower() for name in names}
    return names if called & {*_TRAIN} and called <= {*_TRAIN, *_HELD} else []


def _shown_files(folder: Path) -> list[Path]:
    files = (file for file in folder.rglob("*") if _is_shown(file, folder) and file.is_file())
    return sorted(files, key=lambda file: _natural(file.relative_to(folder).as_posix()))


def _is_shown(path: Path, folder: Path) -> bool:
    return not any(part.startswith(".") for part in path.relative_to(folder).parts)


def _natural(text: str) -> tuple[list[tuple[int, str]], str]:
    """Sorts digits by their number; the text itself parts names such as "1" and "01"."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", text)], text
