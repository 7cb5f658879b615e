"""`webdataset`: tar files that the webdataset package, and `datasets`, stream."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from gendata.exporters.content import Block, Content
from gendata.exporters.exporter import MAX_SHARD_BYTES, Piece, with_digits
from gendata.exporters.pictures import check_pictures, pixels_of, png_of
from gendata.exporters.sample_exporter import SampleExporter

_USUAL_SHARDS = 16
_LEAST_SAMPLES = 64  # in a shard, before there are more of them


class TarShards(SampleExporter):
    """train-00000-of-0000N.tar of KEY.png and KEY.cls, and KEY.json with {"soft_label": [...]} for soft labels.

    KEY is the number of the sample. Samples lie class after class, so shard k holds the samples k, k + N, ...: each has
    all classes, and they differ in length by at most one. By default 16 shards, or fewer with 64 samples each: every
    worker of every rank needs one of its own.
    """

    name = "webdataset"
    summary = "tar shards, for webdataset: key.png, key.cls"
    sharded = True

    def check(self, content: Content) -> None:
        check_pictures(content, layout=self.name)

    def pieces(self, content: Content) -> list[Piece]:
        total = len(content)
        usual = max(min(_USUAL_SHARDS, total // _LEAST_SAMPLES), -(-total * content.sample_bytes // MAX_SHARD_BYTES))
        count = min(total, self.num_shards or usual)
        return [
            Piece(
                f"train-{with_digits(shard, like=count)}-of-{with_digits(count, like=count)}.tar",
                range(shard, total, count),
            )
            for shard in range(count)
        ]

    def write_piece(self, content: Content, piece: Piece, folder: Path, blocks: Iterator[Block]) -> list[str]:
        numbers = iter(piece.index)
        with tarfile.open(folder / piece.name, "w", format=tarfile.USTAR_FORMAT) as tar:
            for block in blocks:
                for row, label in enumerate(block.labels.tolist()):
                    key = f"{next(numbers):0{content.key_digits}d}"
                    _add(tar, f"{key}.cls", str(label).encode())
                    if block.soft is not None:
                        _add(tar, f"{key}.json", json.dumps({"soft_label": block.soft[row].tolist()}).encode())
                    _add(tar, f"{key}.png", png_of(block.images[row]))
        return [piece.name]

    def read_piece(self, content: Content, piece: Piece, folder: Path) -> Iterator[Block]:
        soft: list[list[float]] = []
        with tarfile.open(folder / piece.name, "r:") as tar:
            for member in tar:
                file = tar.extractfile(member)
                assert file is not None, "we wrote files alone"
                data, kind = file.read(), member.name.rpartition(".")[2]
                if kind == "cls":
                    label = int(data)
                elif kind == "json":
                    soft = [json.loads(data)["soft_label"]]
                else:
                    values = np.array(soft, dtype=np.float32) if content.soft else None
                    yield Block(pixels_of(data)[None], np.array([label], dtype=np.int64), values)


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    """One file, with nothing in its head that tells when, by whom or where it was written."""
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.mtime = len(data), 0o644, 0
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    tar.addfile(member, io.BytesIO(data))
