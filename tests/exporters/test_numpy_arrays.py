from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gendata.artifact.space import Space
from gendata.exporters import raw_parts
from gendata.exporters.exporting import export_artifact


def _load(folder: Path, name: str) -> np.ndarray[Any, Any]:
    array: np.ndarray[Any, Any] = np.load(folder / f"{name}.npy", allow_pickle=False)
    return array


def test_arrays_are_the_samples_without_pickle(artifact: Any, tmp_path: Path) -> None:
    export_artifact(artifact, format="numpy", out=tmp_path / "set")
    x, y = artifact.frozen_images()
    images, labels = _load(tmp_path / "set", "images"), _load(tmp_path / "set", "labels")
    assert images.dtype == np.uint8 and np.array_equal(images, x.permute(0, 2, 3, 1).numpy())
    assert labels.dtype == np.int64 and np.array_equal(labels, y.numpy())
    assert json.loads((tmp_path / "set" / "classes.json").read_text()) == list(artifact.spec.classes)
    assert sorted(path.name for path in (tmp_path / "set").iterdir()) == [
        "classes.json",
        "export.json",
        "images.npy",
        "labels.npy",
    ]


def test_floats_of_another_space_stay_what_they_are_and_are_explained(make_bank: Any, tmp_path: Path) -> None:
    bank = make_bank(dtype="float32", space=Space(name="normalised"))
    export_artifact(bank, format="numpy", out=tmp_path / "set")
    images = _load(tmp_path / "set", "images")
    assert images.dtype == np.float32 and images.min() < 0
    assert np.array_equal(images, bank.frozen_images()[0].permute(0, 2, 3, 1).numpy())
    record = json.loads((tmp_path / "set" / "export.json").read_text())
    assert (record["space"], record["mean"]) == ("normalised", [0.5, 0.5, 0.5])


def test_soft_labels_are_a_third_array(soft_artifact: Any, tmp_path: Path) -> None:
    export_artifact(soft_artifact, format="numpy", out=tmp_path / "set")
    assert np.array_equal(_load(tmp_path / "set", "soft_labels"), soft_artifact.soft_labels.numpy())
    assert json.loads((tmp_path / "set" / "export.json").read_text())["label_values"] == "probabilities"


def test_many_parts_make_the_same_files_as_one(
    soft_artifact: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bytes_of: Any
) -> None:
    export_artifact(soft_artifact, format="numpy", out=tmp_path / "one")
    monkeypatch.setattr(raw_parts, "_PART_BYTES", 400)
    export_artifact(soft_artifact, format="numpy", out=tmp_path / "many")
    assert bytes_of(tmp_path / "one") == bytes_of(tmp_path / "many")
