from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gendata.dataset.generated import GeneratedDataset
from gendata.errors import SpecError
from gendata.exporters.exporting import export_artifact
from gendata.exporters.image_folder import folder_names
from gendata.registry import EXPORTERS

torchvision = pytest.importorskip("torchvision")


@pytest.mark.parametrize(
    "classes",
    [
        ("ant", "bee", "cat"),
        tuple(str(label) for label in range(11)),
        ("T-shirt/top", "Bag", "été"),
        ("Cat", "cat"),
        ("..", ".", "", " "),
        ("con", "nul.txt", "a:b"),
        ("a%2Fb", "a/b"),
    ],
)
def test_torchvision_numbers_the_classes_as_we_do(classes: tuple[str, ...], make_bank: Any, tmp_path: Path) -> None:
    bank = make_bank(classes=classes, ipc=2)
    export_artifact(bank, format="image-folder", out=tmp_path / "set")
    read = torchvision.datasets.ImageFolder(tmp_path / "set" / "train")
    assert read.targets == GeneratedDataset(bank).targets.tolist()
    assert np.array_equal(
        np.stack([np.asarray(picture) for picture, _ in read]), bank.frozen_images()[0].permute(0, 2, 3, 1).numpy()
    )
    assert json.loads((tmp_path / "set" / "classes.json").read_text()) == list(classes)


def test_plain_names_in_order_are_the_folders() -> None:
    assert folder_names(("n01440764", "n01443537")) == ["n01440764", "n01443537"]
    assert folder_names(("Trouser", "Pullover")) == ["0_Trouser", "1_Pullover"]
    assert folder_names([str(label) for label in range(11)])[10] == "10"
    assert folder_names([str(label) for label in range(11)])[2] == "02"


@pytest.mark.parametrize(
    "name", ["../../etc", "/etc", "a\\b", "a\0b", "\n", "~", ".hidden", "x" * 300, "lpt1.png", "é" * 90]
)
def test_no_class_name_leaves_the_folder_or_hides_in_it(name: str) -> None:
    (folder,) = folder_names((name,))
    assert not set(folder) & set("/\\\0\n:~") - {"~"} and folder[0] not in ". " and folder[-1] not in ". "
    assert len(folder) <= 100 and folder.isascii()
    assert len({*folder_names((name, name + "y"))}) == 2


def test_datasets_reads_the_folder_with_class_names(make_bank: Any, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    bank = make_bank(classes=("ant", "bee"), ipc=2)
    export_artifact(bank, format="image-folder", out=tmp_path / "set")
    train = datasets.load_dataset(str(tmp_path / "set"), cache_dir=str(tmp_path / "cache"), split="train")
    assert train.features["label"].names == ["ant", "bee"]
    assert sorted(train["label"][:]) == [0, 0, 1, 1]


def test_a_class_without_samples_is_refused_since_readers_would_number_anew(artifact: Any, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="1 of 3 classes"):
        EXPORTERS.load("image-folder")().write(GeneratedDataset(artifact).take(8), tmp_path / "set")
