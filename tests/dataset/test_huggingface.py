"""The bridges to `datasets`. Processes that hang fail after a minute."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from gendata.dataset.generated import GeneratedDataset
from gendata.errors import SpecError

hub = pytest.importorskip("datasets", reason="`datasets` is not installed")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


@pytest.fixture(autouse=True)
def quiet():
    hub.disable_progress_bars()
    yield
    hub.enable_progress_bars()


@pytest.fixture
def store(tmp_path):
    """A cache of `datasets` for each test alone."""
    return str(tmp_path / "hf")


def u8(dataset, rows=slice(None)):
    return dataset.with_format(dtype="uint8")[rows][0]


def test_rows_are_the_samples_with_class_names(dataset, store):
    rows = dataset.to_hf(cache_dir=store)
    assert rows.features["label"].names == ["ant", "bee", "cat", "dog"]
    assert isinstance(rows.features["image"], hub.Image) and len(rows) == 40
    columns = rows.with_format("torch")[:]
    assert torch.equal(columns["image"], u8(dataset)) and torch.equal(columns["label"], dataset.targets)


def test_the_fingerprint_finds_the_same_samples_and_no_others(frozen, store, monkeypatch):
    def made(dataset):
        return dataset.to_hf(cache_dir=store).cache_files[0]["filename"]

    fresh = frozen.fresh(seed=1)
    first = made(fresh)
    others = [made(frozen), made(frozen.fresh(seed=2)), made(fresh.shard(2, 0)), made(fresh.shard(2, 1))]
    fresh.set_epoch(1)
    others.append(made(fresh))
    assert len({first, *others}) == 6
    fresh.set_epoch(0)
    monkeypatch.setattr(GeneratedDataset, "__getitems__", None)  # nothing is made any more
    assert made(fresh) == first and made(fresh.with_format("numpy")) == first


def test_transforms_are_refused(frozen, store):
    for bridge in (frozen.with_transform(torch.neg).to_hf, frozen.with_transform(torch.neg).to_hf_iterable):
        with pytest.raises(SpecError, match="has transforms"):
            bridge()
    with pytest.raises(SpecError, match="empty"):
        frozen.take(0).to_hf()


def test_soft_labels_are_a_column(make_artifact, tmp_path, store):
    labels = torch.softmax(torch.randn(40, 4, generator=torch.Generator().manual_seed(0)), dim=1)
    soft = GeneratedDataset(make_artifact(tmp_path / "soft", soft_labels=labels)).with_labels("soft")
    rows = soft.to_hf(cache_dir=store)
    assert np.allclose(rows[5]["soft_label"], soft.artifact.soft_labels[5]) and rows[39]["label"] == 3


def test_shards_of_an_iterable_hold_all_classes(frozen):
    rows = frozen.to_hf_iterable(num_shards=4)
    assert rows.num_shards == 4 and rows.features["label"].names == frozen.classes
    labels = [row["label"] for row in rows]
    assert sorted(labels) == frozen.targets.tolist() and set(labels[:10]) == {0, 1, 2, 3}
    images = torch.stack([row["image"] for row in rows.with_format("torch")])
    order = [index for shard in range(4) for index in range(shard, 40, 4)]
    assert torch.equal(images, u8(frozen, order))
    assert frozen.to_hf_iterable(num_shards=1000).num_shards == 40


def test_an_iterable_keeps_the_epoch_it_was_made_of(frozen):
    fresh = frozen.fresh(seed=1)
    fresh.set_epoch(2)
    rows = fresh.to_hf_iterable(num_shards=1).with_format("torch")
    expected = u8(fresh)
    fresh.set_epoch(3)
    assert torch.equal(torch.stack([row["image"] for row in rows]), expected)


def test_nodes_and_workers_share_an_iterable(frozen):
    from datasets.distributed import split_dataset_by_node

    rows = frozen.fresh(seed=1).to_hf_iterable(num_shards=4).with_format("torch")
    found = []
    for rank in range(2):
        part = split_dataset_by_node(rows, rank=rank, world_size=2)
        for batch in DataLoader(part, batch_size=3, num_workers=2, timeout=60):
            found += [image.numpy().tobytes() for image in batch["image"]]
    assert sorted(found) == sorted(image.numpy().tobytes() for image in u8(frozen.fresh(seed=1)))


def test_an_iterable_resumes(frozen):
    rows = frozen.to_hf_iterable(num_shards=2)
    iterator = iter(rows)
    for _ in range(7):
        next(iterator)
    state, rest = rows.state_dict(), [row["label"] for row in iterator]
    again = frozen.to_hf_iterable(num_shards=2)
    again.load_state_dict(state)
    assert [row["label"] for row in again] == rest


AFTER_THE_MODEL_HAS_RUN = """
import sys, torch
import datasets
from gendata.dataset.generated import GeneratedDataset

torch.set_num_threads(2)
dataset = GeneratedDataset.open(sys.argv[1]).fresh(samples_per_class=8, seed=3)
images = dataset.with_format(dtype="uint8")[:][0]
assert torch.randn(400, 400).mm(torch.randn(400, 400)).isfinite().all()  # the threads are there
datasets.disable_progress_bars()
rows = dataset.to_hf(num_proc=2, cache_dir=sys.argv[2])
assert torch.equal(rows.with_format("torch")[:]["image"], images)
print("equal")
"""


@pytest.mark.slow
def test_processes_of_datasets_do_not_hang_after_the_parent_has_run_the_model(folder, store, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    command = [sys.executable, "-c", AFTER_THE_MODEL_HAS_RUN, str(folder), store]
    found = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert found.stdout == "equal\n", found.stderr[-2000:]
