"""`image-folder`: a folder of PNG files per class, as torchvision's ImageFolder and `datasets` read them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from gendata.errors import SpecError
from gendata.exporters.content import Block, Content
from gendata.exporters.exporter import Piece, cut
from gendata.exporters.pictures import check_pictures, pixels_of, png_of
from gendata.exporters.sample_exporter import SampleExporter

_IMAGES = 256  # in a piece
_MAX_NAME = 100  # bytes of a folder's name
_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 ._-()+,")
_DEVICES = frozenset(("con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))))


class ImageFolder(SampleExporter):
    """train/CLASS/NUMBER.png, and classes.json with the names in label order.

    Readers number the classes by their folders' sorted names. So that they arrive at our labels, names that are their
    own numbers get leading zeros (0 ... 10 would come as 0, 1, 10, 2), and where names are not in label order, or are
    the same but for capitals, each follows its number: 02_Pullover. Bytes that some file system refuses, and those
    that mean something to one, are written %2F.
    """

    name = "image-folder"
    summary = "a folder of PNG files per class, for torchvision's ImageFolder"
    holds_soft = False

    def check(self, content: Content) -> None:
        check_pictures(content, layout=self.name)
        empty = content.spec.num_classes - len(np.unique(content.labels))
        if empty:
            raise SpecError(
                f"{empty} of {content.spec.num_classes} classes have no sample, and readers would number the rest anew",
                where=str(content.artifact.path),
                expected="samples of every class",
                remedy='Export with format "parquet" or "numpy", where labels are numbers.',
            )

    def pieces(self, content: Content) -> list[Piece]:
        ranges = cut(len(content), -(-len(content) // _IMAGES))
        return [Piece(f"images {index.start} to {index.stop - 1}", index) for index in ranges]

    def write_piece(self, content: Content, piece: Piece, folder: Path, blocks: Iterator[Block]) -> list[str]:
        names = _names(content, piece)
        pictures = (png_of(image) for block in blocks for image in block.images)
        for name, png in zip(names, pictures, strict=True):
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(png)
        return names

    def read_piece(self, content: Content, piece: Piece, folder: Path) -> Iterator[Block]:
        label_of = {name: label for label, name in enumerate(folder_names(content.spec.classes))}
        for name in _names(content, piece):
            label = label_of[name.split("/")[1]]
            yield Block(pixels_of((folder / name).read_bytes())[None], np.array([label], dtype=np.int64), None)


def folder_names(classes: Sequence[str]) -> list[str]:
    """Folders of the classes, safe on any system, whose sorted order is that of the labels."""
    digits = len(str(len(classes) - 1))
    if all(name == str(label) for label, name in enumerate(classes)):
        return [f"{label:0{digits}d}" for label in range(len(classes))]
    names = [_safe(name) for name in classes]
    if sorted(names) == names and len({name.lower() for name in names}) == len(names):
        return names
    return [f"{label:0{digits}d}_{name}" for label, name in enumerate(names)]


def _safe(name: str) -> str:
    escaped = "".join(c if c in _PLAIN else "".join(f"%{byte:02X}" for byte in c.encode()) for c in name)
    if not escaped or escaped.lower().partition(".")[0] in _DEVICES or escaped[0] in ". ":
        escaped = f"%{ord(escaped[0]):02X}{escaped[1:]}" if escaped else "%"
    if escaped[-1] in ". ":
        escaped = f"{escaped[:-1]}%{ord(escaped[-1]):02X}"
    if len(escaped) > _MAX_NAME:
        escaped = f"{escaped[: _MAX_NAME - 9]}~{hashlib.sha256(name.encode()).hexdigest()[:8]}"
    return escaped


def _names(content: Content, piece: Piece) -> list[str]:
    folders = folder_names(content.spec.classes)
    return [
        f"train/{folders[label]}/{number:0{content.key_digits}d}.png"
        for number, label in zip(piece.index, content.labels[piece.index.start : piece.index.stop], strict=True)
    ]
