from __future__ import annotations

import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch

from gendata.dataset.generated import GeneratedDataset
from gendata.errors import IntegrityError


def test_a_sample_is_a_float_image_and_an_int_label(dataset):
    x, y = dataset[0]
    assert x.shape == (1, 12, 12) and x.dtype == torch.float32
    assert type(y) is int and y == 0
    assert x.min() >= 0 and x.max() <= 1


def test_values_are_uint8_over_255_exactly(dataset):
    x, _ = dataset[:]
    assert torch.equal(x, (x * 255).round().to(torch.uint8).to(torch.float32) / 255)


def test_an_index_counts_from_the_end_when_negative(dataset):
    assert len(dataset) == 40
    assert torch.equal(dataset[-1][0], dataset[39][0]) and dataset[-1][1] == 3


@pytest.mark.parametrize(
    "index",
    [40, -41, np.int64(40), (0, 40), [0, 40], np.array([-41]), (-1, 0), [(2**63, 0)], np.array([2**64 - 1], np.uint64)],
)
def test_an_index_out_of_range_is_an_index_error(dataset, index):
    with pytest.raises(IndexError):
        dataset[index]


@pytest.mark.parametrize("index", [1.0, "1", None, (0, 1, 2), [0.5], ["1"], np.zeros((2, 2), dtype=int), torch.rand(3)])
def test_an_index_of_another_kind_is_a_type_error(dataset, index):
    with pytest.raises(TypeError):
        dataset[index]


@pytest.mark.parametrize("index", [7, np.int64(7), np.uint8(7), torch.tensor(7), np.array(7), (0, 7), (np.int64(0), 7)])
def test_integers_of_any_library_index_a_sample(dataset, index):
    x, y = dataset[index]
    assert torch.equal(x, dataset[:][0][7]) and y == 0


@pytest.mark.parametrize(
    "items",
    [
        slice(5, 20, 3),
        slice(None, None, -1),
        [3, 1, -1],
        [3, 3],
        np.array([3, 1]),
        torch.tensor([3]),
        torch.tensor([9, 2], dtype=torch.int32),
        [np.int64(4), 5],
        [torch.tensor(4), torch.tensor(5)],
        range(4, 8),
        np.arange(40) % 7 == 0,
        torch.arange(40) % 7 == 0,
    ],
)
def test_a_slice_list_array_or_mask_gives_a_batch(dataset, items):
    x, y = dataset[items]
    plain = items.tolist() if hasattr(items, "tolist") else items
    if isinstance(plain, list) and isinstance(plain[0], bool):
        plain = np.flatnonzero(plain).tolist()
    expected = list(range(40))[plain] if isinstance(plain, slice) else [int(i) for i in plain]
    assert y.dtype == torch.int64 and x.dtype == torch.float32
    assert torch.equal(x, torch.stack([dataset[i][0] for i in expected]))
    assert y.tolist() == [dataset[i][1] for i in expected]


@pytest.mark.parametrize("items", [[], slice(0, 0), np.array([], dtype=np.int64), torch.tensor([], dtype=torch.int64)])
def test_an_empty_selection_is_an_empty_batch(dataset, items):
    x, y = dataset[items]
    assert x.shape == (0, 1, 12, 12) and y.shape == (0,) and y.dtype == torch.int64


def test_a_mask_of_another_length_is_refused(frozen):
    with pytest.raises(IndexError, match="mask of 3"):
        frozen[np.array([True, False, True])]


def test_epoch_index_pairs_give_a_batch_over_several_epochs(frozen):
    fresh = frozen.fresh(seed=5)
    x, y = fresh[[(1, 0), (0, 39), 2, (1, 39)]]
    assert y.tolist() == [0, 3, 0, 3]
    for row, pair in zip(x, [(1, 0), (0, 39), (0, 2), (1, 39)], strict=True):
        assert torch.equal(row, fresh[pair][0])


def test_iterating_visits_every_sample_once(dataset):
    labels = [y for _, y in dataset]
    assert labels == [0] * 10 + [1] * 10 + [2] * 10 + [3] * 10


def test_classes_and_targets_have_torchvision_names(dataset):
    assert dataset.classes == ["ant", "bee", "cat", "dog"]
    assert dataset.class_to_idx == {"ant": 0, "bee": 1, "cat": 2, "dog": 3}
    assert torch.equal(dataset.targets, dataset[:][1])


def test_transforms_apply_to_each_sample_however_it_is_read(dataset):
    changed = dataset.with_transform(lambda x: x - x.mean(), target_transform=lambda y: y * 10)
    x, y = changed[[39, 0]]
    assert torch.equal(x[0], dataset[39][0] - dataset[39][0].mean())
    assert y.tolist() == [30, 0]
    assert changed[39][1] == 30 and changed.__getitems__([39])[0][1] == 30
    assert torch.equal(changed[39][0], x[0])
    assert dataset[39][1] == 3  # the one it was made from is as it was


def test_a_transform_may_return_something_else_than_a_tensor(frozen):
    x, _ = frozen.with_transform(lambda x: {"image": x, "mean": x.mean()})[0:2]
    assert x["image"].shape == (2, 1, 12, 12) and x["mean"].shape == (2,)


def test_changing_a_sample_in_place_leaves_the_dataset_as_it_was(dataset):
    before = dataset[3][0].clone()
    dataset[3][0].zero_()
    dataset[3:4][0].zero_()
    dataset.__getitems__([3])[0][0].zero_()
    assert torch.equal(dataset[3][0], before)


def test_samples_can_take_part_in_autograd(dataset):
    for x in (dataset[0][0], dataset[:4][0], dataset.__getitems__([1])[0][0]):
        x.requires_grad_(True).square().sum().backward()
        assert x.grad is not None


def test_a_pickle_is_small_and_gives_the_same_samples(dataset, artifact):
    dataset.set_epoch(2)
    x, y = dataset[:]
    dataset.targets  # noqa: B018  (derived arrays do not travel)
    data = pickle.dumps(dataset)
    assert len(data) < 4096
    copy = pickle.loads(data)
    assert torch.equal(copy[:][0], x) and torch.equal(copy[:][1], y)
    assert repr(copy) == repr(dataset)


def test_a_pickle_of_an_artifact_that_was_replaced_is_refused(tmp_path, make_artifact):
    data = pickle.dumps(GeneratedDataset(make_artifact(tmp_path / "a", seed=0)))
    (tmp_path / "a").rename(tmp_path / "old")
    make_artifact(tmp_path / "a", seed=1)
    with pytest.raises(IntegrityError):
        pickle.loads(data)[0]


def test_global_random_states_stay_as_they_are(frozen):
    states = torch.get_rng_state(), np.random.get_state()[1].copy()
    frozen[0], frozen[:], frozen.__getitems__([1, 2])
    fresh = frozen.fresh(seed=1)
    fresh.set_epoch(1)
    fresh[0], fresh[:], fresh.__getitems__([1, 2]), repr(fresh)
    assert torch.equal(torch.get_rng_state(), states[0])
    assert np.array_equal(np.random.get_state()[1], states[1])


def test_repr_names_what_matters(frozen, artifact):
    text = repr(frozen)
    for part in ("tiny", "40 samples", "1x12x12", "4 classes", "frozen, 10 per class", f"{artifact.artifact_bytes:,}"):
        assert part in text
    fresh = frozen.fresh(samples_per_class=500, seed=9)
    fresh.set_epoch(4)
    assert "fresh, 500 per class, seed 9, epoch 4" in repr(fresh) and "2,000 samples" in repr(fresh)


def test_open_reads_a_folder(folder, frozen):
    assert torch.equal(GeneratedDataset.open(str(folder))[:][0], frozen[:][0])


FIRST_SAMPLE = """
import sys, torch
from gendata.dataset.generated import GeneratedDataset

GeneratedDataset.open(sys.argv[1])[0]
print(sorted({"torch._dynamo", "sympy", "torchvision", "datasets"} & set(sys.modules)))
"""


def test_the_first_sample_imports_neither_the_compiler_of_torch_nor_other_large_packages(folder):
    command = [sys.executable, "-c", FIRST_SAMPLE, str(folder)]
    found = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert found.stdout == "[]\n", found.stdout + found.stderr[-2000:]
