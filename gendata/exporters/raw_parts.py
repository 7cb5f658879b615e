"""Layouts with one file of all images: parts that several processes make, put together at the end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gendata.errors import IntegrityError
from gendata.exporters.content import Block, Content
from gendata.exporters.exporter import Piece, cut
from gendata.exporters.sample_exporter import SampleExporter

_PART_BYTES = 64 * 2**20  # of images
_IMAGES, _SOFT = ".images.npy", ".soft.npy"


class RawParts(SampleExporter):
    """An exporter whose pieces are .npy files that `finish` reads in order; they are no part of the export."""

    def pieces(self, content: Content) -> list[Piece]:
        count = min(len(content), -(-len(content) * content.sample_bytes // _PART_BYTES))
        return [Piece(f"parts/{part:05d}", index) for part, index in enumerate(cut(len(content), count))]

    def write_piece(self, content: Content, piece: Piece, folder: Path, blocks: Iterator[Block]) -> list[str]:
        channels, height, width = content.spec.shape
        count, dtype = len(piece.index), np.dtype(content.artifact.manifest.sampling.dtype)
        images = create_npy(folder / f"{piece.name}{_IMAGES}", dtype, (count, height, width, channels))
        names, start, soft = [f"{piece.name}{_IMAGES}"], 0, []
        for block in blocks:
            images[start : start + len(block.images)] = block.images
            start += len(block.images)
            soft += [] if block.soft is None else [block.soft]
        images.flush()
        if soft:
            names.append(f"{piece.name}{_SOFT}")
            np.save(folder / names[-1], np.concatenate(soft), allow_pickle=False)
        return names

    def read_piece(self, content: Content, piece: Piece, folder: Path) -> Iterator[Block]:
        soft = open_npy(folder / f"{piece.name}{_SOFT}") if content.soft else None
        labels = content.labels[piece.index.start : piece.index.stop]  # in no part: `finish` writes all at once
        yield Block(open_npy(folder / f"{piece.name}{_IMAGES}"), labels, soft)

    def blocks_made(self, content: Content, folder: Path) -> Iterator[tuple[range, Block]]:
        """All samples in order, from the parts."""
        for piece in self.pieces(content):
            for block in self.read_piece(content, piece, folder):
                yield piece.index, block


def create_npy(path: Path, dtype: np.dtype[Any], shape: tuple[int, ...]) -> np.memmap[Any, Any]:
    """A new .npy file to be filled."""
    made: np.memmap[Any, Any] = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
    return made


def open_npy(path: Path) -> NDArray[Any]:
    """The array of a .npy file, memory-mapped."""
    array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    return array


def save_npy(path: Path, values: NDArray[Any]) -> str:
    """Writes an array and reads it back; gives the file's name.

    Raises:
        IntegrityError: it holds something else.
    """
    np.save(path, values, allow_pickle=False)
    if not np.array_equal(open_npy(path), values):
        raise unlike(path)
    return path.name


def unlike(path: Path) -> IntegrityError:
    """The error for a file that does not hold what was written into it."""
    return IntegrityError(
        "what was read back is not what was written",
        where=str(path),
        remedy="The disk or its memory is at fault; choose another place.",
    )
