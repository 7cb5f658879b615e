from __future__ import annotations

import json
import pickle
from collections import Counter

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset, Subset, TensorDataset

from gendata.dataset.mixture import mix
from gendata.errors import SpecError
from gendata.testing import assert_deterministic, assert_resumable

NAMES = ("ant", "bee", "cat", "dog")


class Real(Dataset):
    """A data set of somebody else: every image is one number, 2 + its index / 1000, so that it can be told again."""

    def __init__(self, length=60, classes=NAMES, shape=(1, 12, 12)):
        self.length, self.classes, self.shape = length, classes, shape

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        return torch.full(self.shape, 2 + index / 1000), index % len(self.classes)


def items(samples):
    """Which real images are among the samples."""
    return [round(float((x.max() - 2) * 1000)) for x, _ in samples if x.max() >= 2]


def test_shares_hold_in_every_epoch(frozen):
    mixed = mix([(frozen, 1), (Real(), 3)])
    assert len(mixed) == 80 and mixed.counts == [20, 60]
    for epoch in range(3):
        mixed.set_epoch(epoch)
        assert len(items(mixed)) == 60
    assert mixed.epoch == 2


def test_an_epoch_is_mixed_and_every_epoch_otherwise(frozen):
    mixed = mix([(frozen, 0.5), (Real(40), 0.5)], seed=1)
    first = [float(x.sum()) for x, _ in mixed]
    is_real = [x.max() >= 2 for x, _ in mixed]
    assert 5 < sum(is_real[:40]) < 35
    mixed.set_epoch(1)
    assert [float(x.sum()) for x, _ in mixed] != first
    other = mix([(frozen, 0.5), (Real(40), 0.5)], seed=2)
    assert [float(x.sum()) for x, _ in other] != first


def test_a_part_goes_through_all_its_samples_before_one_comes_again(frozen):
    mixed = mix([(frozen, 1), (Real(60), 1)])  # 40 of 60 real ones in an epoch
    seen = []
    for epoch in range(3):
        mixed.set_epoch(epoch)
        seen += items(mixed)
    assert Counter(seen) == Counter(list(range(60)) * 2)


def test_fresh_samples_are_new_each_time(frozen):
    mixed = mix([(frozen.fresh(seed=1), 1), (Real(60), 1)])
    images = set()
    for epoch in range(3):
        mixed.set_epoch(epoch)
        images |= {x.numpy().tobytes() for x, _ in mixed if x.max() < 2}
    assert len(images) == 120


def test_stopping_says_how_long_an_epoch_is(frozen):
    parts = [(frozen, 1), (Real(100), 1)]
    assert len(mix(parts)) == 80 and len(mix(parts, num_samples=33)) == 33
    longest = mix(parts, stopping="all_exhausted")
    assert len(longest) == 200 and sorted(items(longest)) == list(range(100))


@pytest.mark.parametrize("weights", [(1, 1, 1), (0.1, 0.2, 0.7), (3, 1e-3, 5), (1 / 3, 1 / 7, 0.9)])
def test_counts_are_the_shares_rounded_and_no_part_repeats(frozen, weights):
    sizes = [40, 13, 60]
    parts = [(frozen, weights[0]), (Real(13), weights[1]), (Real(60), weights[2])]
    mixed = mix(parts)
    for count, weight, size in zip(mixed.counts, weights, sizes, strict=True):
        assert abs(count - len(mixed) * weight / sum(weights)) < 1 and count <= size


def test_labels_are_translated_by_name(frozen):
    real = Real(classes=("dog", "cow", "ant"))
    mixed = mix([(frozen, 1), (real, 1)], classes="union")
    assert mixed.classes == ("ant", "bee", "cat", "dog", "cow") and mixed.class_to_idx["cow"] == 4
    for x, y in mixed:
        assert type(y) is int
        if x.max() >= 2:
            assert mixed.classes[y] == real.classes[round(float((x.max() - 2) * 1000)) % 3]
    wanted = mix([(frozen, 1), (real, 1)], classes=["cow", "dog", "cat", "bee", "ant"])
    assert Counter(wanted.classes[y] for x, y in wanted if x.max() < 2) == dict.fromkeys(NAMES, 10)


def test_equal_label_spaces_stay_as_they_are(frozen):
    mixed = mix([(frozen, 1), (Real(), 1)])
    assert mixed.classes == NAMES and all(part.labels is None for part in mixed.parts)


def test_labels_may_be_translated_by_number(frozen):
    unnamed = TensorDataset(torch.rand(20, 1, 12, 12) + 2, torch.arange(20) % 2 + 7)
    mixed = mix([(frozen, 1), (unnamed, 1, {7: 3, 8: 0})])
    assert {y for x, y in mixed if x.max() >= 2} == {0, 3}
    x, y = next(iter(DataLoader(mixed, batch_size=40)))  # tensors and ints collate
    assert x.shape == (40, 1, 12, 12) and y.dtype == torch.int64


@pytest.mark.parametrize(
    ("parts", "options", "message"),
    [
        (lambda ds: [(ds, 1), (Real(classes=("dog", "cow")), 1)], {}, "different classes: 'ant'.*'dog', 'cow'"),
        (lambda ds: [(ds, 1), (Real(classes=NAMES[::-1]), 1)], {}, "different classes"),
        (lambda ds: [(ds, 1), (Real(), 1)], {"classes": ["ant", "bee"]}, "part 0: has classes.*lacks: 'cat', 'dog'"),
        (lambda ds: [(ds, 1), (Real(), 1)], {"classes": [*NAMES, "ant"]}, "one twice"),
        (lambda ds: [(ds, 1), (TensorDataset(torch.rand(9, 1, 12, 12), torch.zeros(9)), 1)], {}, "have no names"),
        (lambda ds: [(ds, 1), (Real(), 1, {0: 4})], {}, "part 1: labels are"),
        (lambda ds: [(ds, 1), (Real(), 1, {0: -1})], {}, "part 1: labels are"),
        (lambda ds: [(ds, 1), (Real(shape=(3, 12, 12)), 1)], {}, r"part 1: samples look like.*\(3, 12, 12\)"),
        (lambda ds: [(ds.with_format("dict"), 1), (Real(), 1)], {}, "part 1: samples look like tuple"),
        (lambda ds: [(ds.with_format(dtype="uint8"), 1), (Real(), 1)], {}, "float32"),
        (lambda ds: [], {}, "no parts"),
        (lambda ds: [ds], {}, "no tuple"),
        (lambda ds: [(ds, 0)], {}, "weight is 0"),
        (lambda ds: [(ds, float("nan"))], {}, "weight is nan"),
        (lambda ds: [(ds.take(0), 1)], {}, "empty"),
        (lambda ds: [(ds, 1)], {"stopping": "never"}, "stopping is 'never'"),
        (lambda ds: [(ds, 1)], {"num_samples": 0}, "num_samples is 0"),
        (lambda ds: [(ds, 1)], {"seed": -1}, "seed is -1"),
    ],
)
def test_what_does_not_fit_is_refused(frozen, parts, options, message):
    with pytest.raises(SpecError, match=message):
        mix(parts(frozen), **options)


def test_a_label_without_a_place_is_refused_when_it_is_read(frozen):
    mixed = mix([(frozen, 1), (Real(), 1, {0: 0, 1: 1})])
    with pytest.raises(SpecError, match="part 1: label [23] has no place"):
        list(mixed)


def test_classes_of_subsets_and_of_datasets_features_are_known(frozen):
    hub = pytest.importorskip("datasets")
    assert mix([(frozen, 1), (Subset(Real(), [0, 1, 2]), 1)]).classes == NAMES
    rows = hub.Dataset.from_dict(
        {"image": [[0.0]] * 4, "label": [0, 1, 2, 3]},
        features=hub.Features(
            {"image": hub.Sequence(hub.Value("float32")), "label": hub.ClassLabel(names=NAMES[::-1])}
        ),
    )
    mixed = mix([(rows, 1)], classes=NAMES)
    assert sorted(sample["label"] for sample in mixed) == [0, 1, 2, 3]


def test_a_mixture_is_deterministic_and_pickles(frozen):
    mixed = mix([(frozen.fresh(seed=1), 1), (Real(), 2)], seed=4)
    assert_deterministic(mixed, indices=range(0, 60, 3), num_workers=(0, 1))
    copy = pickle.loads(pickle.dumps(mixed))
    assert copy.fingerprint == mixed.fingerprint and torch.equal(copy[7][0], mixed[7][0])


def test_indices_are_checked(frozen):
    mixed = mix([(frozen, 1)])
    assert torch.equal(mixed[-1][0], mixed[39][0])
    with pytest.raises(IndexError):
        mixed[40]
    with pytest.raises(TypeError):
        mixed[0:3]
    pairs = mixed.__getitems__([(1, 3), (0, 3), (1, 0)])
    mixed.set_epoch(1)
    assert torch.equal(pairs[0][0], mixed[3][0]) and torch.equal(pairs[2][0], mixed[0][0])
    assert torch.equal(pairs[1][0], mixed[(0, 3)][0])


def test_a_mixture_has_a_loader_that_resumes(frozen):
    def make(batch_size):
        return lambda: mix([(frozen, 1), (Real(10), 1)], seed=4).loader(batch_size=batch_size)

    assert_resumable(make(7), resume_with=[make(4)], epochs=1)
    state = make(7)().state_dict()
    assert json.loads(json.dumps(state)) == state
    with pytest.raises(SpecError, match="the state is of parts"):
        mix([(frozen, 1), (Real(11), 1)], seed=4).loader(batch_size=7).load_state_dict(state)


def test_a_mixture_may_be_part_of_another(frozen):
    inner = mix([(frozen.fresh(), 1), (Real(), 1)])
    outer = mix([(inner, 1), (Real(20), 1)])
    assert len(outer) == 40 and len(items(outer)) >= 20 and np.unique([y for _, y in outer]).tolist() == [0, 1, 2, 3]


def test_repr_names_the_parts(frozen):
    assert "20 of tiny, 60 of Real" in repr(mix([(frozen, 1), (Real(), 3)]))


@pytest.mark.parametrize(
    ("lengths", "weights"), [((30, 70), (0.3, 0.7)), ((10, 90), (0.1, 0.9)), ((60, 40), (0.6, 0.4))]
)
@pytest.mark.parametrize("stopping", ["first_exhausted", "all_exhausted"])
def test_decimal_weights_are_the_shares_that_they_say(lengths, weights, stopping):
    parts = [(Real(length), weight) for length, weight in zip(lengths, weights, strict=True)]
    assert mix(parts, stopping=stopping).counts == list(lengths)
