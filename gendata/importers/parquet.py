"""`parquet`: image sets as the Hub stores them, `data/train-00000-of-00001.parquet`; a folder of them, or one file."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from gendata.errors import GendataError, SourceError, SpecError
from gendata.importers.layout import Files, ImageSet, Layout
from gendata.importers.wanted import Wanted
from gendata.sources.images import ImageOptions, ImageStack

_LABELS = ("label", "labels", "fine_label", "class", "target")
_SOFT = "soft_label"  # what exports of soft labels call them
_MAX_BYTES = 16 << 30  # of all columns, as the files' footers say
_ROWS = 64  # read at once


class Parquet(Layout):
    """Encoded images, and labels that are numbers or names; names of numbers come from the file's ClassLabel."""

    name = "parquet"
    summary = "image sets of the Hub: parquet files with encoded images"

    def claims(self, files: Files) -> bool:
        return bool(_parts(files.path))

    def read(self, files: Files, wanted: Wanted) -> ImageSet:
        parts = _parts(files.path)
        if not parts:
            raise SourceError("holds no parquet file", where=str(files.path), expected="NAME.parquet")
        tables = [_opened(path) for path in parts]
        image, label = _columns(tables[0], parts[0])
        for table, path in zip(tables[1:], parts[1:], strict=True):
            if (others := _columns(table, path)) != (image, label):
                raise SourceError(
                    f"has its images and labels in the columns {', '.join(others)}", where=str(path),
                    expected=f"{image}, {label}, as {parts[0].name}",
                )  # fmt: skip
        stack = ImageStack(ImageOptions(resize=wanted.resize), channels=None, where=str(files.path))
        values = [
            value
            for table, path in zip(tables, parts, strict=True)
            for value in _read(table, image, label, stack, path)
        ]
        if _SOFT in tables[0].schema_arrow.names:
            wanted.say(f"the column {_SOFT} is left out; soft labels come from a file of their own (--soft-labels)")
        labels, classes = _numbered(values, _class_names(tables[0], label))
        return ImageSet(
            images=torch.from_numpy(stack.finish()),
            labels=labels,
            files=tuple(parts),
            space="image",
            statistics="imagenet",
            classes=classes,
        )


def _parts(path: Path) -> list[Path]:
    if path.is_file():
        return [path] if path.suffix == ".parquet" else []
    found = sorted(path.glob("*.parquet")) or sorted(path.glob("data/*.parquet"))
    train = [part for part in found if part.name.startswith("train")]
    return train or found


def _opened(path: Path) -> Any:
    parquet = importlib.import_module("pyarrow.parquet")  # which `datasets` brings; it has no types
    try:
        table = parquet.ParquetFile(path)
        num_bytes = sum(table.metadata.row_group(i).total_byte_size for i in range(table.metadata.num_row_groups))
    except (OSError, ValueError) as error:  # pyarrow's errors are kinds of these
        raise SourceError(f"is not a readable parquet file ({str(error)[:200]})", where=str(path)) from None
    if num_bytes > _MAX_BYTES:
        raise SourceError(f"unpacks to {num_bytes} bytes", where=str(path), expected=f"at most {_MAX_BYTES}")
    return table


def _columns(table: Any, path: Path) -> tuple[str, str]:
    names = list(table.schema_arrow.names)
    kinds = {name: str(table.schema_arrow.field(name).type) for name in names}
    images = [name for name in names if "binary" in kinds[name]]
    labels = [name for name in _LABELS if name in names]
    if len(images) != 1 or not labels:
        raise SourceError(
            f"has the columns {', '.join(names)[:200]}", where=str(path),
            expected=f"one of encoded images, and one called {' or '.join(_LABELS)}",
        )  # fmt: skip
    return images[0], labels[0]


def _read(table: Any, image: str, label: str, stack: ImageStack, path: Path) -> Iterator[Any]:
    """The labels, row by row, while the images go onto the stack."""
    row = 0
    try:
        for batch in table.iter_batches(batch_size=_ROWS, columns=[image, label]):
            for cell, value in zip(batch.column(0).to_pylist(), batch.column(1).to_pylist(), strict=True):
                data = cell.get("bytes") if isinstance(cell, dict) else cell
                if not isinstance(data, bytes):  # a path may lead anywhere on this machine
                    raise SourceError(f"row {row} has no image inside the file", where=str(path), expected="its bytes")
                stack.add(data, name=f"row {row}")
                yield value
                row += 1
    except GendataError:
        raise
    except (OSError, ValueError) as error:  # pyarrow's errors are kinds of these
        raise SourceError(f"is damaged ({str(error)[:200]})", where=str(path)) from None


def _class_names(table: Any, label: str) -> tuple[str, ...] | None:
    """Names of the ClassLabel that `datasets` notes in the schema; None: there is none."""
    try:
        noted = json.loads((table.schema_arrow.metadata or {}).get(b"huggingface", b"{}"))
        names = noted["info"]["features"][label]["names"]
    except (ValueError, KeyError, TypeError):
        return None
    return tuple(map(str, names)) if isinstance(names, list) and names else None


def _numbered(values: list[Any], names: tuple[str, ...] | None) -> tuple[torch.Tensor, tuple[str, ...] | None]:
    if all(isinstance(value, int) for value in values):
        return torch.tensor(values, dtype=torch.int64), names
    if not all(isinstance(value, str) for value in values):
        raise SpecError("labels are neither numbers nor names", expected="one kind of them in every row")
    found = tuple(sorted(set(values)))
    return torch.tensor([found.index(value) for value in values]), found
