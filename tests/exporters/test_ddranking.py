from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gendata.artifact.artifact import Normalisation
from gendata.artifact.manifest import Training
from gendata.artifact.space import Space, Whitening
from gendata.dataset.generated import GeneratedDataset
from gendata.errors import SpecError
from gendata.exporters.exporting import export_artifact
from gendata.registry import EXPORTERS
from gendata.spec import SourceFacts

MEAN, STD = (torch.tensor(v).view(3, 1, 1) for v in ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)))


def _load(folder: Path, name: str) -> torch.Tensor:
    tensor: torch.Tensor = torch.load(folder / f"{name}.pt", weights_only=True)
    return tensor


def test_images_are_normalised_as_ddranking_normalises_its_test_images(artifact: Any, tmp_path: Path) -> None:
    export_artifact(artifact, format="ddranking", out=tmp_path / "set")
    x, y = artifact.frozen_images()
    images, labels = _load(tmp_path / "set", "images"), _load(tmp_path / "set", "labels")
    assert torch.allclose(images, (x / 255 - MEAN) / STD, atol=1e-6) and images.is_contiguous()
    assert labels.dtype == torch.int64 and torch.equal(labels, y)
    assert not (tmp_path / "set" / "lr.pt").exists(), "its search is the answer where nobody advises a rate"


def test_a_learned_rate_comes_along(make_bank: Any, tmp_path: Path) -> None:
    export_artifact(make_bank(training=Training(lr=0.03)), format="ddranking", out=tmp_path / "set")
    assert _load(tmp_path / "set", "lr").item() == pytest.approx(0.03)


def test_values_normalised_with_other_numbers_are_brought_into_its_space(make_bank: Any, tmp_path: Path) -> None:
    bank = make_bank(dtype="float32", space=Space(name="normalised"))
    export_artifact(bank, format="ddranking", out=tmp_path / "set")
    x = bank.frozen_images()[0]
    assert torch.allclose(_load(tmp_path / "set", "images"), (x * 0.25 + 0.5 - MEAN) / STD, atol=1e-5)


def test_values_normalised_with_its_own_numbers_stay_bit_for_bit(make_bank: Any, tmp_path: Path) -> None:
    own = Normalisation(mean=(0.4914, 0.4822, 0.4465), std=(0.2023, 0.1994, 0.2010))
    bank = make_bank(dtype="float32", space=Space(name="normalised"), normalisation=own)
    export_artifact(bank, format="ddranking", out=tmp_path / "set")
    assert torch.equal(_load(tmp_path / "set", "images"), bank.frozen_images()[0])


def test_whitened_sets_stay_whitened_if_ddranking_whitens_so(make_bank: Any, tmp_path: Path) -> None:
    how: dict[str, Any] = {"stored": False, "normalised": False, "unit_images": False, "ridge_relative": False}
    theirs = Whitening(**how, centred=True, ridge=0.1)
    bank = make_bank(dtype="float32", space=Space(name="zca", whitening=theirs))
    export_artifact(bank, format="ddranking", out=tmp_path / "set")
    assert torch.equal(_load(tmp_path / "set", "images"), bank.frozen_images()[0])
    assert json.loads((tmp_path / "set" / "export.json").read_text())["ddranking"] == {"use_zca": True}
    other = Space(name="zca", whitening=Whitening(**how, centred=False, ridge=0.1))
    with pytest.raises(SpecError, match="whitened in another way"):
        export_artifact(make_bank("other", dtype="float32", space=other), format="ddranking", out=tmp_path / "b")


@pytest.mark.parametrize("values", ["probabilities", "logits"])
def test_soft_labels_become_logits_whose_softmax_they_are(values: str, make_bank: Any, tmp_path: Path) -> None:
    soft = torch.randn(12, 3, generator=torch.Generator().manual_seed(0))
    soft = soft.softmax(1) if values == "probabilities" else soft
    export_artifact(make_bank(soft_labels=soft, label_values=values), format="ddranking", out=tmp_path / "set")
    labels = _load(tmp_path / "set", "labels")
    assert labels.dtype == torch.float32
    wanted = soft if values == "probabilities" else soft.softmax(1)
    assert torch.allclose(labels.softmax(1), wanted, atol=1e-6)
    if values == "logits":
        assert torch.equal(labels, soft)


@pytest.mark.parametrize(
    ("source", "known"),
    [
        (SourceFacts(name="cifar100", fingerprint=""), True),
        (SourceFacts(name="huggingface", fingerprint="", options={"dataset": "org/tiny-imagenet"}), True),
        (SourceFacts(name="svhn", fingerprint=""), False),
        (SourceFacts(name="folder", fingerprint="", options={}), False),
        (None, False),
    ],
)
def test_data_sets_that_it_has_no_statistics_for_are_refused(
    source: Any, known: bool, make_bank: Any, tmp_path: Path
) -> None:
    bank = make_bank(source=source)
    if known:
        assert export_artifact(bank, format="ddranking", out=tmp_path / "set")
        return
    with pytest.raises(SpecError, match="expected one of cifar10"):
        export_artifact(bank, format="ddranking", out=tmp_path / "set")


def test_targets_of_a_squared_error_and_other_orders_are_refused(make_bank: Any, tmp_path: Path) -> None:
    targets = make_bank(soft_labels=torch.randn(12, 3), label_values="targets")
    with pytest.raises(SpecError, match="squared error"):
        export_artifact(targets, format="ddranking", out=tmp_path / "set")
    shuffled = GeneratedDataset(make_bank("b")).select(np.arange(12)[::-1])
    with pytest.raises(SpecError, match="class after class"):
        EXPORTERS.load("ddranking")().write(shuffled, tmp_path / "set")


def test_our_own_importer_reads_the_files_back(artifact: Any, tmp_path: Path) -> None:
    from gendata.importers.importing import import_artifact

    export_artifact(artifact, format="ddranking", out=tmp_path / "set")
    again = import_artifact(
        tmp_path / "set", out=tmp_path / "again", layout="mtt", space="normalised", classes=artifact.spec.classes,
        mean=(0.4914, 0.4822, 0.4465), std=(0.2023, 0.1994, 0.2010),
    )  # fmt: skip
    pictures = again.to_pictures(again.frozen_images()[0])
    assert torch.equal(pictures, artifact.frozen_images()[0])
