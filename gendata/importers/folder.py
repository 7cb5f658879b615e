"""`folder`: a folder of images per class, as RDED, SRe2L and Minimax write them.

Folders called by number (`00000`, `new000`) say nothing of the order in which the classes were numbered, the field's
commonest trap (LINs-lab/RDED issue 3): then the names have to be given, or a source whose numbers they are.
"""

from __future__ import annotations

import re
from pathlib import Path

import torch

from gendata.errors import SourceError, SpecError
from gendata.importers.layout import Files, ImageSet, Layout
from gendata.importers.published import known_spec
from gendata.importers.wanted import Wanted
from gendata.sources.images import ImageOptions, ImageStack

_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
_NUMBERED = re.compile(r"\D{0,8}(\d+)")
_WORDNET = re.compile(r"n\d{8}")


class Folder(Layout):
    """Pixels, decoded to uint8: the artifact holds them raw, so it is larger than the folder was."""

    name = "folder"
    summary = "RDED, SRe2L, Minimax: a folder of images per class"

    def claims(self, files: Files) -> bool:
        return files.path.is_dir() and bool(_class_folders(files.path))

    def read(self, files: Files, wanted: Wanted) -> ImageSet:
        folders = _class_folders(files.path) if files.path.is_dir() else []
        if not folders:
            raise SourceError("holds no folder of images", where=str(files.path), expected="CLASS/image.png")
        folders, classes = _named(folders, wanted)
        stack = ImageStack(ImageOptions(resize=wanted.resize), channels=None, where=str(files.path))
        labels = []
        for label, folder in enumerate(folders):
            images = _images(folder)
            labels += [label] * len(images)
            for image in images:
                _add(stack, image, where=files.path)
        return ImageSet(
            images=torch.from_numpy(stack.finish()),
            labels=torch.tensor(labels),
            files=(),
            space="image",
            statistics="imagenet",  # RDED and SRe2L normalise every data set so
            classes=classes,
        )


def _add(stack: ImageStack, image: Path, *, where: Path) -> None:
    try:
        stack.add(image, name=f"{image.parent.name}/{image.name}")
    except SourceError as error:
        if error.expected != "one size":
            raise
        raise SpecError(
            error.what, where=str(where), expected="one size", remedy="--resize N makes all N x N."
        ) from None


def _class_folders(path: Path) -> list[Path]:
    return [folder for folder in sorted(path.iterdir()) if folder.is_dir() and _images(folder)]


def _images(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.iterdir()) if path.suffix.lower() in _SUFFIXES and path.is_file()]


def _named(folders: list[Path], wanted: Wanted) -> tuple[list[Path], tuple[str, ...]]:
    """The folders in label order, and the classes' names.

    Raises:
        SpecError: the folders' names do not say which class is which.
    """
    names = [folder.name for folder in folders]
    numbers = [_NUMBERED.fullmatch(name) for name in names]
    numbered = all(numbers) and not all(map(_WORDNET.fullmatch, names))
    known = known_spec(wanted.source)
    if numbered:
        folders = sorted(folders, key=lambda folder: int(_NUMBERED.sub(r"\1", folder.name)))
    given = wanted.classes or (known.classes if known else None)
    if given is not None and sorted(given) == sorted(names):
        return [folders[[folder.name for folder in folders].index(name)] for name in given], given
    if given is not None and len(given) == len(folders) and (numbered or wanted.classes):
        wanted.say(f"folder {folders[0].name!r} is taken for class {given[0]!r}, and so on in order")
        return folders, given
    if given is not None:
        raise SpecError(
            f"{len(folders)} folders, called {', '.join(names[:3])}...", where=str(folders[0].parent),
            expected=f"{len(given)} classes, called {', '.join(given[:3])}...",
            remedy="Give their names in the folders' order: --classes A,B,... or --classes FILE.",
        )  # fmt: skip
    if numbered:
        raise SpecError(
            f"folders are called {', '.join(names[:3])}..., which says nothing of the classes",
            where=str(folders[0].parent), expected="names in the order of the numbers",
            remedy="Give them: --classes A,B,... or --classes FILE; or a data set numbered so: --source NAME.",
        )  # fmt: skip
    return folders, tuple(names)
