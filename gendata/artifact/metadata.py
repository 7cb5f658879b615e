"""What the card tells machines: the metadata keys by which the Hub lists, shows and loads a data set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from gendata.artifact.card import NO_TABLE, card_head
from gendata.artifact.manifest import Manifest

FULL, PREVIEW = "default", "preview"  # names of our configurations


class Table(NamedTuple):
    """The parquet files of the frozen set, or of a preview of it."""

    is_preview: bool
    num_rows: int
    num_bytes: int
    soft: bool  # has a column of soft labels

    @property
    def config(self) -> str:
        return PREVIEW if self.is_preview else FULL

    @property
    def split(self) -> str:
        return "preview" if self.is_preview else "train"


def metadata_of(manifest: Manifest, table: Table | None, old: Mapping[str, Any]) -> dict[str, Any]:
    """Our keys; None: the key goes.

    Args:
        manifest: what the artifact says; its licence is stated.
        table: None: no parquet files.
        old: the card's metadata as it is: a title, tags and configurations of somebody else stay.
    """
    import yaml

    ours: dict[str, Any] = yaml.safe_load(card_head(manifest))
    tags = [tag for tag in _list(old.get("tags")) if isinstance(tag, str)]
    ours["tags"] = [*tags, *(tag for tag in ours["tags"] if tag not in tags)]
    ours |= {key: old[key] for key in ("pretty_name", "task_categories") if old.get(key)}
    if ours.get("license") != "other":
        ours |= {"license_name": None, "license_link": None}  # these two go with "other" alone
    ours["configs"] = [_config(table), *_others(old.get("configs"))]
    source = manifest.source
    if source and isinstance(path := source.options.get("dataset"), str):
        ours["source_datasets"] = [path]
    infos = [*([_info(manifest, table)] if table else []), *_others(old.get("dataset_info"))]
    return {**ours, "dataset_info": infos or None}


def _config(table: Table | None) -> dict[str, Any]:
    if table is None:
        return dict(NO_TABLE)
    files = [{"split": table.split, "path": f"data/{table.split}-*.parquet"}]
    return {"config_name": table.config, "default": True, "data_files": files}


def _info(manifest: Manifest, table: Table) -> dict[str, Any]:
    spec = manifest.spec
    names = {str(label): name for label, name in enumerate(spec.classes)}
    features: list[dict[str, Any]] = [
        {"name": "image", "dtype": "image"},
        {"name": "label", "dtype": {"class_label": {"names": names}}},
    ]
    if table.soft:
        features.append({"name": "soft_label", "list": "float32", "length": spec.num_classes})
    # Images are PNG, which nothing compresses further: in memory the table takes what the files take.
    split = {"name": table.split, "num_bytes": table.num_bytes, "num_examples": table.num_rows}
    return {
        "config_name": table.config,
        "features": features,
        "splits": [split],
        "download_size": table.num_bytes,
        "dataset_size": table.num_bytes,
    }


def _others(listed: Any) -> list[Any]:
    """Configurations that are not ours; one without a name is the default, which is."""
    kept = [entry for entry in _list(listed) if isinstance(entry, dict)]
    return [entry for entry in kept if entry.get("config_name", FULL) not in (FULL, PREVIEW)]


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
