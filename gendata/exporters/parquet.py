"""`parquet`: the Hub's layout, which `datasets.load_dataset(folder)` reads without being told anything."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from gendata.errors import MissingExtraError, SpecError
from gendata.exporters.content import Block, Content
from gendata.exporters.exporter import MAX_SHARD_BYTES, Piece, cut, with_digits
from gendata.exporters.pictures import check_pictures, pixels_of, png_of
from gendata.exporters.sample_exporter import SampleExporter

_ROWS = 64  # read back at once


class Parquet(SampleExporter):
    """data/train-00000-of-0000N.parquet: image {bytes: PNG, path}, label, and soft_label where there are soft labels.

    The schema carries the features of `datasets` (Image, ClassLabel with the class names). Rows are in the dataset's
    order, class after class; shard k holds neighbours.
    """

    name = "parquet"
    summary = "the Hub's layout, for datasets.load_dataset: PNG images and class labels"
    sharded = True

    def check(self, content: Content) -> None:
        check_pictures(content, layout=self.name)
        names = content.spec.classes
        if len(set(names)) != len(names):
            raise SpecError(
                "two classes have the same name, which a ClassLabel refuses",
                where=str(content.artifact.path),
                remedy='Export with format "image-folder" or "numpy".',
            )
        _arrow()

    def pieces(self, content: Content) -> list[Piece]:
        count = min(len(content), self.num_shards or -(-len(content) * content.sample_bytes // MAX_SHARD_BYTES))
        return [
            Piece(f"data/train-{with_digits(shard, like=count)}-of-{with_digits(count, like=count)}.parquet", index)
            for shard, index in enumerate(cut(len(content), count))
        ]

    def write_piece(self, content: Content, piece: Piece, folder: Path, blocks: Iterator[Block]) -> list[str]:
        arrow, parquet = _arrow()
        schema, numbers = _schema(arrow, content), iter(piece.index)
        # Statistics and dictionaries pay for labels; of images they would only be copies.
        options = {"compression": "snappy", "use_dictionary": ["label"], "write_statistics": ["label"]}
        with parquet.ParquetWriter(folder / piece.name, schema, **options) as writer:
            for block in blocks:
                paths = [f"{next(numbers):0{content.key_digits}d}.png" for _ in block.labels]
                images = [
                    {"bytes": png_of(image), "path": path} for image, path in zip(block.images, paths, strict=True)
                ]
                columns = {"image": images, "label": block.labels.tolist()}
                if block.soft is not None:
                    columns["soft_label"] = block.soft.tolist()
                writer.write_table(arrow.Table.from_pydict(columns, schema))
        return [piece.name]

    def read_piece(self, content: Content, piece: Piece, folder: Path) -> Iterator[Block]:
        with _arrow()[1].ParquetFile(folder / piece.name) as file:
            for batch in file.iter_batches(batch_size=_ROWS):
                rows = batch.to_pydict()
                images = [pixels_of(cell["bytes"]) for cell in rows["image"]]
                soft = np.array(rows["soft_label"], dtype=np.float32) if "soft_label" in rows else None
                yield Block(np.stack(images), np.array(rows["label"], dtype=np.int64), soft)


def _schema(arrow: Any, content: Content) -> Any:
    """Columns, and the features of `datasets` as it notes them itself."""
    features: dict[str, Any] = {
        "image": {"_type": "Image"},
        "label": {"names": list(content.spec.classes), "_type": "ClassLabel"},
    }
    fields = [
        ("image", arrow.struct([("bytes", arrow.binary()), ("path", arrow.string())])),
        ("label", arrow.int64()),
    ]
    if content.soft:
        count = content.spec.num_classes
        features["soft_label"] = {"feature": {"dtype": "float32", "_type": "Value"}, "length": count, "_type": "List"}
        fields.append(("soft_label", arrow.list_(arrow.float32(), count)))
    return arrow.schema(fields, metadata={"huggingface": json.dumps({"info": {"features": features}})})


def _arrow() -> tuple[Any, Any]:
    """pyarrow, which `datasets` brings, and its parquet part; they have no types."""
    try:
        return importlib.import_module("pyarrow"), importlib.import_module("pyarrow.parquet")
    except ImportError as error:
        raise MissingExtraError("pyarrow is not installed", remedy="pip install pyarrow") from error
