"""`folder`: your own images, one folder per class."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

from gendata.errors import SourceError
from gendata.sources.decoded import DecodedSource, EncodedImage, choose_test
from gendata.sources.images import ImageOptions

_SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm"}


class Config(ImageOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of `folder`."""

    path: str | None = None  # the folder, from data_root or the working directory; None: data_root itself


class ImageFolder(DecodedSource):
    """Reads <path>/train/<class>/* and <path>/test/<class>/* (or validation, valid, val), or <path>/<class>/* alone.

    Without a test folder a fifth of the smallest class is held out of each class of train, seeded. Classes are sorted
    as people count: "2" before "10". Files that are no images by their suffix, and names with a leading dot, are passed
    over.
    """

    Config = Config
    name = "folder"

    @property
    def test_origin(self) -> str | None:
        return choose_test(self._subfolders) if self._has_splits else None

    @cached_property
    def classes(self) -> tuple[str, ...]:
        folder = self._split_folder("train")
        if not folder.is_dir():
            raise SourceError("no such folder", where=str(folder), expected="one folder of images per class")
        names = tuple(_subfolders(folder))
        if not names:
            raise SourceError("holds no class folders", where=str(folder), expected="one folder of images per class")
        if set(names) <= {"test", "validation", "valid", "val"}:
            raise SourceError(
                f"holds {', '.join(names)} but no train", where=str(folder), expected="train/<class>/*.png"
            )
        return names

    @cached_property
    def _subfolders(self) -> list[str]:
        return _subfolders(self.folder)

    @property
    def _has_splits(self) -> bool:
        return "train" in self._subfolders

    def _split_folder(self, name: str) -> Path:
        if not self._has_splits:
            return self.folder
        return self.folder / ("train" if name == "train" else self.test_origin or "")

    def _images(self, name: str) -> Iterable[EncodedImage]:
        folder = self._split_folder(name)
        self._check_classes(folder)
        for label, class_name in enumerate(self.classes):
            files = _image_files(folder / class_name)
            if not files:
                raise SourceError("holds no images", where=str(folder / class_name), expected="files such as *.png")
            for file in files:
                yield EncodedImage(file, label, file.relative_to(self.folder).as_posix())

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


def _image_files(folder: Path) -> list[Path]:
    files = (f for f in folder.rglob("*") if f.suffix.lower() in _SUFFIXES and f.is_file())
    shown = (f for f in files if not any(part.startswith(".") for part in f.relative_to(folder).parts))
    return sorted(shown, key=lambda file: _natural(file.relative_to(folder).as_posix()))


def _natural(text: str) -> tuple[list[tuple[int, str]], str]:
    """Sorts digits by their number; the text itself parts names such as "1" and "01"."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", text)], text
