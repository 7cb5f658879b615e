"""`huggingface`: any image data set that `datasets` loads, by its name on the Hub or from a local folder."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

from gendata.errors import SourceError
from gendata.sources.decoded import DecodedSource, EncodedImage, choose_test
from gendata.sources.images import ImageOptions
from gendata.sources.locations import missing_package

_LABEL_COLUMNS = ("label", "labels", "fine_label", "class", "target")  # tried in this order


class Config(ImageOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of `huggingface`."""

    dataset: str | None = None  # name on the Hub: "org/name"; None: a local folder
    path: str | None = None  # local folder of parquet files; None without `dataset`: data_root itself
    subset: str | None = None  # the data set's configuration; None: its default
    revision: str | None = None  # commit, tag or branch on the Hub; None: newest
    train: str = "train"  # split that is condensed
    test: str | None = None  # None: test, else validation, else held out of train
    image: str | None = None  # column; None: the only one that holds images
    label: str | None = None  # column; None: found by name, else the only one of class labels

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.dataset and self.path:
            raise ValueError(f"set dataset or path, not both, got {self.dataset!r} and {self.path!r}")
        if self.revision and not self.dataset:
            raise ValueError(f"revision goes with dataset; a local folder has none, got {self.revision!r}")
        if self.train == self.test:
            raise ValueError(f"train and test must be two splits, got {self.test!r} for both")


class HuggingFace(DecodedSource):
    """Label names come from the data set's `ClassLabel`, else they are its sorted distinct labels.

    A data set without a split called test is tested on its validation split, one without both on images held out of
    train; `facts()` says which.
    """

    Config = Config
    name = "huggingface"

    def __init__(self, config: Any, *, data_root: Path | None = None) -> None:
        super().__init__(config, data_root=data_root)
        self.homepage = f"https://huggingface.co/datasets/{config.dataset}" if config.dataset else None

    @property
    def test_origin(self) -> str | None:
        if self.config.test is None:
            return choose_test(set(self._tables) - {self.config.train})
        self._table("test")
        return str(self.config.test)

    @property
    def revision(self) -> str | None:
        if not self.config.dataset:
            return None
        return _commit(self._table("train").info.download_checksums) or self.config.revision

    @cached_property
    def classes(self) -> tuple[str, ...]:
        feature = self._table("train").features[self._label_column]
        if names := getattr(feature, "names", None):
            return tuple(names)
        return tuple(str(value) for value in self._label_values)

    @cached_property
    def _tables(self) -> Any:
        """All splits, by name."""
        try:
            import datasets
        except ImportError as error:
            raise missing_package(error, where=self.name) from None
        config = self.config
        target = config.dataset or str(self.folder)
        if config.dataset and _is_local(config.dataset):
            raise SourceError(
                "is no name on the Hub: `datasets` would read a folder of this machine",
                where=f"{self.name}: {target}",
                remedy="For a local copy set source.options.path.",
            )
        try:
            return datasets.load_dataset(target, config.subset, revision=config.revision)
        except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError) as error:
            missing = "no such folder here, and from the Hub it " if config.dataset else ""
            raise SourceError(
                f"{missing}cannot be loaded ({' '.join(str(error).split())[:300]})",
                where=f"{self.name}: {target}",
                remedy="Name a folder with one subfolder of images per class, or check name, subset and revision; "
                "without a network, set source.options.path to a local copy.",
            ) from None

    def _table(self, name: str) -> Any:
        """The data set's split that plays the part of `name`, "train" or "test"."""
        wanted = self.config.train if name == "train" else self.config.test or self.test_origin
        if wanted not in self._tables:
            raise SourceError(
                f"has no split {wanted!r}",
                where=self.name,
                expected=f"one of {', '.join(self._tables)}",
                remedy=f"Name it: source.options.{name}=SPLIT",
            )
        return self._tables[wanted]

    @cached_property
    def _image_column(self) -> str:
        features = self._table("train").features
        images = [name for name, feature in features.items() if _holds_images(feature)]
        column = _column("image", self.config.image, images, features)
        if not _holds_images(features[column]):
            kind = getattr(features[column], "dtype", None) or type(features[column]).__name__
            raise SourceError(f"column {column!r} holds {kind}", where=self.name, expected="encoded images")
        return column

    @cached_property
    def _label_column(self) -> str:
        features = self._table("train").features
        named = [name for name in _LABEL_COLUMNS if name in features][:1]
        labelled = [name for name, feature in features.items() if hasattr(feature, "names")]
        return _column("label", self.config.label, named or labelled, features)

    @cached_property
    def _label_values(self) -> list[Any]:
        """Stored labels in class order."""
        column = self._label_column
        feature = self._table("train").features[column]
        if names := getattr(feature, "names", None):
            return list(range(len(names)))
        if type(feature).__name__ != "Value":
            raise SourceError(
                f"labels are a {type(feature).__name__} each", where=f"{self.name}: column {column}",
                expected="one number or text", remedy="Name another column: source.options.label=COLUMN.",
            )  # fmt: skip
        values = self._table("train").unique(column)
        kinds = {type(value) for value in values}
        if kinds not in ({int}, {str}, {bool}):
            found = ", ".join(sorted(kind.__name__ for kind in kinds))
            raise SourceError(f"labels are {found}", where=f"{self.name}: column {column}", expected="numbers or text")
        return sorted(values)

    def _images(self, name: str) -> Iterable[EncodedImage]:
        import datasets

        image, label = self._image_column, self._label_column
        table = self._table(name)
        for column in (image, label):
            _column(column, column, [], table.features)
        index = {value: i for i, value in enumerate(self._label_values)}
        folders = self._trusted_folders()
        rows = table.select_columns([image, label]).cast_column(image, datasets.Image(decode=False))
        for i, row in enumerate(rows):
            where = f"row {i}"
            yield EncodedImage(
                _encoded(row[image], where, folders), self._label(row[label], index, f"{name}, {where}"), where
            )

    def _trusted_folders(self) -> tuple[Path, ...]:
        """Where a row's `path` may lead: into the folder that is read, or to what `datasets` fetched."""
        import datasets

        config = datasets.config
        hub = os.environ.get("HF_HUB_CACHE") or Path(config.HF_CACHE_HOME, "hub")
        kept = [config.HF_DATASETS_CACHE, config.DOWNLOADED_DATASETS_PATH, config.EXTRACTED_DATASETS_PATH]
        name = self.config.dataset
        own = Path(hub, f"datasets--{name.replace('/', '--')}") if name else self.folder
        return tuple(Path(folder).resolve() for folder in (own, *kept))

    def _label(self, value: Any, index: dict[Any, int], where: str) -> int:
        if value not in index:
            raise SourceError(
                f"label {value!r} is not one of the {len(index)} classes of train",
                where=f"{self.name}: {where}",
                remedy="A split without labels cannot be used: name another with source.options.test=SPLIT",
            )
        return index[value]


def _column(role: str, wanted: str | None, found: list[str], features: Any) -> str:
    """The column that plays `role`: the one asked for, else the only one found."""
    if wanted is not None and wanted in features:
        return wanted
    if wanted is None and len(found) == 1:
        return found[0]
    what = f"has no column {wanted!r}" if wanted else f"has {len(found)} columns that may be the {role}"
    raise SourceError(
        what,
        where="huggingface",
        expected=f"one of {', '.join(features)}",
        remedy=f"Name it: source.options.{role}=COLUMN",
    )


def _holds_images(feature: Any) -> bool:
    """Whether a column's type is `Image`, or what parquet without that note makes of one: bytes, or {bytes, path}."""
    if isinstance(feature, dict):
        return set(feature) == {"bytes", "path"}
    return type(feature).__name__ == "Image" or getattr(feature, "dtype", None) in ("binary", "large_binary")


def _encoded(image: dict[str, Any] | None, where: str, folders: tuple[Path, ...]) -> bytes | Path:
    """The image's bytes, or its file: whoever wrote the rows must not choose which of our files are read."""
    if image and image.get("bytes") is not None:
        return bytes(image["bytes"])
    if image and image.get("path"):
        path = Path(image["path"]).resolve()
        if not any(path.is_relative_to(folder) for folder in folders):
            raise SourceError(
                f"{where} names a file outside the data set", where="huggingface",
                expected="encoded bytes, or a file in the data set's folder",
            )  # fmt: skip
        return path
    raise SourceError(f"{where} has no image", where="huggingface", expected="encoded bytes or a file")


def _is_local(dataset: str) -> bool:
    """Whether `datasets` takes it for a folder, or for a reader of files, which are then those of this folder."""
    from datasets import packaged_modules

    return os.path.exists(dataset) or dataset in getattr(packaged_modules, "_PACKAGED_DATASETS_MODULES", ())


def _commit(urls: dict[str, Any] | None) -> str | None:
    """The commit that files were fetched from: hf://datasets/org/name@<commit>/..."""
    found = (re.match(r"hf://datasets/[^@]+@([0-9a-f]{40})/", url) for url in urls or {})
    return next((match.group(1) for match in found if match), None)
