"""Pieces of an export, in this process or in several."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from gendata.artifact.layout import FileFacts
from gendata.exporters.content import Content

if TYPE_CHECKING:
    from gendata.exporters.exporter import Exporter, Piece

_own: tuple[Exporter, Content, Path] | None = None  # of a worker, which is told once


def each_piece(
    exporter: Exporter, content: Content, folder: Path, pieces: Sequence[Piece], *, num_proc: int
) -> Iterator[tuple[Piece, dict[str, FileFacts]]]:
    """Makes the pieces; gives each as it is finished, in any order."""
    num_proc = min(num_proc, len(pieces))
    if num_proc <= 1:
        for piece in pieces:
            yield piece, exporter.make(content, piece, folder)
        return
    start = multiprocessing.get_context("spawn")  # a forked child hangs once the parent has run torch's threads
    threads = max(1, (os.cpu_count() or 1) // num_proc)
    with ProcessPoolExecutor(
        num_proc, start, initializer=_begin, initargs=(exporter, content, folder, threads)
    ) as pool:
        futures = {pool.submit(_make, piece): piece for piece in pieces}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _begin(exporter: Exporter, content: Content, folder: Path, threads: int) -> None:
    global _own
    torch.set_num_threads(threads)
    _own = exporter, content, folder


def _make(piece: Piece) -> dict[str, FileFacts]:
    assert _own is not None, "a worker is told before it works"
    exporter, content, folder = _own
    return exporter.make(content, piece, folder)
