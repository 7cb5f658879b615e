from __future__ import annotations

import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gendata.dataset.generated import GeneratedDataset
from gendata.exporters.exporting import export_artifact

webdataset = pytest.importorskip("webdataset")
# It leaves the last shard of a stream open until the stream is forgotten.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")


def _samples(paths: list[Path]) -> dict[str, dict[str, Any]]:
    urls = [f"file:{path}" for path in paths]
    stream = webdataset.WebDataset(urls, shardshuffle=False, handler=webdataset.reraise_exception).decode("rgb8")
    return {sample["__key__"]: sample for sample in stream}


def test_webdataset_streams_all_samples_from_the_shards(artifact: Any, tmp_path: Path) -> None:
    files = export_artifact(artifact, format="webdataset", out=tmp_path / "set", num_shards=4)
    shards = [path for path in files if path.suffix == ".tar"]
    assert shards[0].name == "train-00000-of-00004.tar"
    samples, ds = _samples(shards), GeneratedDataset(artifact)
    assert sorted(samples) == [f"{number:06d}" for number in range(15)]
    images = np.stack([samples[key]["png"] for key in sorted(samples)])
    assert np.array_equal(images, ds.with_format("numpy", dtype="uint8")[:][0])
    assert [samples[key]["cls"] for key in sorted(samples)] == ds.targets.tolist()


def test_every_shard_has_every_class_and_nearly_as_many_samples(artifact: Any, tmp_path: Path) -> None:
    files = export_artifact(artifact, format="webdataset", out=tmp_path / "set", num_shards=4)
    per_shard = [_samples([path]) for path in files if path.suffix == ".tar"]
    assert sorted(len(samples) for samples in per_shard) == [3, 4, 4, 4]
    assert all({sample["cls"] for sample in samples.values()} == {0, 1, 2} for samples in per_shard)


def test_soft_labels_are_json_beside_the_image(soft_artifact: Any, tmp_path: Path) -> None:
    files = export_artifact(soft_artifact, format="webdataset", out=tmp_path / "set")
    samples = _samples([path for path in files if path.suffix == ".tar"])
    soft = [samples[key]["json"]["soft_label"] for key in sorted(samples)]
    assert np.array_equal(np.array(soft, dtype=np.float32), soft_artifact.soft_labels.numpy())


def test_heads_of_the_tar_tell_nothing_of_when_and_by_whom(artifact: Any, tmp_path: Path) -> None:
    files = export_artifact(artifact, format="webdataset", out=tmp_path / "set")
    shard = next(path for path in files if path.suffix == ".tar")
    with tarfile.open(shard) as tar:
        heads = {(m.mtime, m.uid, m.gid, m.uname, m.gname, m.mode) for m in tar}
    assert heads == {(0, 0, 0, "", "", 0o644)}


def test_datasets_reads_the_folder_too(artifact: Any, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    export_artifact(artifact, format="webdataset", out=tmp_path / "set", num_shards=2)
    train = datasets.load_dataset(str(tmp_path / "set"), cache_dir=str(tmp_path / "cache"), split="train")
    assert len(train) == 15 and {"png", "cls"} <= set(train.column_names)
