from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gendata.dataset.generated import GeneratedDataset
from gendata.errors import SpecError
from gendata.exporters.exporting import export_artifact

datasets = pytest.importorskip("datasets")


def test_load_dataset_reads_images_and_class_names_of_the_bare_folder(artifact: Any, tmp_path: Path) -> None:
    export_artifact(artifact, format="parquet", out=tmp_path / "set", num_shards=2)
    read = datasets.load_dataset(str(tmp_path / "set"), cache_dir=str(tmp_path / "cache"))
    assert list(read) == ["train"]
    train, ds = read["train"], GeneratedDataset(artifact)
    assert train.features["label"].names == ds.classes
    assert isinstance(train.features["image"], datasets.Image)
    assert train["label"][:] == ds.targets.tolist()
    images = np.stack([np.asarray(picture) for picture in train["image"][:]])
    assert np.array_equal(images, ds.with_format("numpy", dtype="uint8")[:][0])


def test_features_are_noted_as_datasets_notes_them(soft_artifact: Any, tmp_path: Path) -> None:
    from pyarrow import parquet

    export_artifact(soft_artifact, format="parquet", out=tmp_path / "set")
    schema = parquet.read_schema(tmp_path / "set" / "data" / "train-00000-of-00001.parquet")
    features = datasets.Features(
        {
            "image": datasets.Image(),
            "label": datasets.ClassLabel(names=list(soft_artifact.spec.classes)),
            "soft_label": datasets.Sequence(datasets.Value("float32"), length=3),
        }
    )
    assert json.loads(schema.metadata[b"huggingface"]) == json.loads(features.arrow_schema.metadata[b"huggingface"])


def test_soft_labels_are_a_column(soft_artifact: Any, tmp_path: Path) -> None:
    export_artifact(soft_artifact, format="parquet", out=tmp_path / "set")
    train = datasets.load_dataset(str(tmp_path / "set"), cache_dir=str(tmp_path / "cache"), split="train")
    soft = np.array(train["soft_label"][:], dtype=np.float32)
    assert np.array_equal(soft, soft_artifact.soft_labels.numpy())
    export_artifact(soft_artifact, format="parquet", out=tmp_path / "hard", labels="hard")
    hard = datasets.load_dataset(str(tmp_path / "hard"), cache_dir=str(tmp_path / "cache"), split="train")
    assert hard.column_names == ["image", "label"]


def test_grey_images_stay_grey(make_bank: Any, tmp_path: Path) -> None:
    export_artifact(make_bank(channels=1), format="parquet", out=tmp_path / "set")
    train = datasets.load_dataset(str(tmp_path / "set"), cache_dir=str(tmp_path / "cache"), split="train")
    assert train[0]["image"].mode == "L"


def test_class_names_that_a_class_label_refuses_are_refused_before(make_bank: Any, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="same name"):
        export_artifact(make_bank(classes=("a", "a", "b")), format="parquet", out=tmp_path / "set")


def test_an_exported_set_can_be_imported_again(artifact: Any, tmp_path: Path) -> None:
    from gendata.importers.importing import import_artifact

    export_artifact(artifact, format="parquet", out=tmp_path / "set")
    again = import_artifact(tmp_path / "set", out=tmp_path / "again", layout="parquet")
    assert again.spec.classes == artifact.spec.classes
    assert np.array_equal(again.frozen_images()[0].numpy(), artifact.frozen_images()[0].numpy())
