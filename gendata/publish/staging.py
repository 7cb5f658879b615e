"""The files as they will be published: those of the artifact, and its frozen set as parquet."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from gendata.artifact import layout
from gendata.artifact.artifact import CondensedArtifact
from gendata.artifact.manifest import Manifest, read_fields, seal, to_bytes, typed
from gendata.artifact.metadata import Table
from gendata.dataset.generated import GeneratedDataset
from gendata.errors import SpecError
from gendata.exporters.parquet import Parquet
from gendata.exporters.pictures import png_of
from gendata.exporters.record import file_facts

if TYPE_CHECKING:
    from gendata.exporters.exporter import OnProgress

_log = logging.getLogger(__name__)
_MAX_PREVIEW = 200  # images, one of a class
_MAX_TRIED = 64  # images that are encoded to guess what all of them take


@dataclass(frozen=True)
class Staged:
    """All files but the card."""

    artifact: CondensedArtifact
    manifest: Manifest  # as published: its list of files is another
    paths: dict[str, Path]
    table: Table | None
    parquet: str  # "full", "preview", or why there is none


def stage(
    artifact: CondensedArtifact, folder: Path, *, max_parquet_bytes: int | None, on_progress: OnProgress | None = None
) -> Staged:
    """Makes what the artifact's folder lacks; that folder stays as it is.

    Args:
        artifact: what is published.
        folder: an empty one, for what is made.
        max_parquet_bytes: of a larger frozen set only a preview is written; None: nothing is.
        on_progress: called while the parquet is written.
    """
    listed = {name: facts for name, facts in artifact.manifest.files.items() if not name.startswith("data/")}
    paths = {name: layout.listed_path(artifact.path, name, facts) for name, facts in listed.items()}
    paths = {name: path for name, path in paths.items() if path.is_file()}
    if absent := set(listed) - set(paths):
        _log.warning("%s is published without %s: no such file", artifact.path, ", ".join(sorted(absent)))
    table, parquet = None, "none: left out"
    if max_parquet_bytes is not None:
        try:
            table, made = _tables(artifact, folder, max_parquet_bytes, on_progress)
            paths, parquet = {**paths, **made}, "preview" if table.is_preview else "full"
        except SpecError as error:  # floats of another space, or two classes of one name
            parquet = f"none: {error.what}"
    fields, where = read_fields(artifact.path), str(artifact.path / layout.MANIFEST)
    fields["files"] = {name: msgspec.to_builtins(file_facts(path)) for name, path in paths.items()}
    fields = seal(fields)
    paths[layout.MANIFEST] = folder / layout.MANIFEST
    paths[layout.MANIFEST].write_bytes(to_bytes(fields, where=where))
    return Staged(artifact, typed(fields, where=where), paths, table, parquet)


def _tables(
    artifact: CondensedArtifact, folder: Path, most: int, on_progress: OnProgress | None
) -> tuple[Table, dict[str, Path]]:
    """The frozen set as parquet files, by name; a preview of one that takes more than `most` bytes."""
    soft = artifact.manifest.labels.kind == "soft"
    published = _published_tables(artifact)
    num_bytes = sum(path.stat().st_size for path in published.values())
    if 0 < num_bytes <= most:
        return Table(False, artifact.manifest.num_frozen, num_bytes, soft), published
    dataset = GeneratedDataset(artifact)
    if soft:
        dataset = dataset.with_labels("soft")
    is_preview = _estimated_bytes(artifact, enough=most) > most
    if is_preview:
        dataset = dataset.select(_preview_index(artifact))
    exporter = Parquet(num_shards=1 if is_preview else None, on_progress=on_progress)
    made = [path for path in exporter.write(dataset, folder / "export") if path.suffix == ".parquet"]
    table = Table(is_preview, len(dataset), sum(path.stat().st_size for path in made), soft)
    return table, {f"data/{path.name.replace('train', table.split, 1)}": path for path in made}


def _published_tables(artifact: CondensedArtifact) -> dict[str, Path]:
    """Those that an artifact was pulled with: made again elsewhere, they could differ in the last bit of a pixel."""
    names = [name for name in artifact.manifest.files if name.startswith("data/train-")]
    paths = {name: artifact.path / name for name in names}
    return paths if all(path.is_file() for path in paths.values()) else {}


def _estimated_bytes(artifact: CondensedArtifact, *, enough: int) -> int:
    """About what the frozen set takes as PNG; where its pixels take no more than `enough`, these."""
    count, pixels = artifact.manifest.num_frozen, artifact.spec.num_pixels
    if artifact.manifest.sampling.dtype != "uint8" or count * pixels <= enough:
        return count * pixels
    index = sorted({i * count // _MAX_TRIED for i in range(_MAX_TRIED)})
    images, _ = GeneratedDataset(artifact).with_format("numpy", dtype="uint8")[index]
    return sum(len(png_of(image)) for image in images) * count // len(index)


def _preview_index(artifact: CondensedArtifact) -> list[int]:
    """The first image of each class; of many classes evenly some."""
    num_classes = artifact.spec.num_classes
    shown = min(num_classes, _MAX_PREVIEW)
    return [i * num_classes // shown * artifact.ipc for i in range(shown)]
