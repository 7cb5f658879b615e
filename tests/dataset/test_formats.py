from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, default_collate

from gendata.dataset.batch import collate
from gendata.dataset.formats import Format
from gendata.errors import SpecError


@pytest.fixture
def pixels(frozen):
    """(40, 1, 12, 12) uint8."""
    return frozen.artifact.frozen_images()[0]


def test_uint8_samples_are_the_stored_pixels(dataset):
    shown = dataset.with_format(dtype="uint8")
    x, y = shown[5]
    assert x.dtype == torch.uint8 and torch.equal(x / 255, dataset[5][0]) and y == 0
    assert torch.equal(shown[3:7][0] / 255, dataset[3:7][0])


def test_dictionaries_have_the_names_that_are_asked_for(frozen):
    sample = frozen.with_format("dict")[12]
    assert sample.keys() == {"image", "label"} and type(sample["label"]) is int and sample["label"] == 1
    batch = frozen.with_format("dict", keys=("pixel_values", "labels"))[[12, 0]]
    assert torch.equal(batch["pixel_values"], frozen[[12, 0]][0]) and batch["labels"].tolist() == [1, 0]


def test_arrays_have_their_channels_last(frozen, pixels):
    x, y = frozen.with_format("numpy", dtype="uint8")[7]
    assert isinstance(x, np.ndarray) and x.shape == (12, 12, 1) and type(y) is int
    assert np.array_equal(x[:, :, 0], pixels[7, 0])
    x, y = frozen.with_format("numpy")[2:4]
    assert x.dtype == np.float32 and x.shape == (2, 12, 12, 1) and y.tolist() == [0, 0]


def test_pictures_hold_the_stored_pixels(frozen, pixels):
    picture, y = frozen.with_format("pil")[7]
    assert (picture.mode, picture.size, y) == ("L", (12, 12), 0)
    assert np.array_equal(np.asarray(picture), pixels[7, 0])
    pictures, labels = frozen.with_format("pil")[9:11]
    assert np.array_equal(np.asarray(pictures[1]), pixels[10, 0]) and labels == [0, 1]


def test_pictures_of_three_channels_keep_their_colours():
    values = torch.arange(3 * 2 * 2, dtype=torch.uint8).view(3, 2, 2)
    picture = Format(name="pil").image(values)
    assert picture.mode == "RGB" and picture.getpixel((1, 0)) == (1, 5, 9)


SHAPES = [("torch", "float32"), ("torch", "uint8"), ("numpy", "float32"), ("numpy", "uint8"), ("dict", "float32")]


def equal(one, other):
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return type(other) is list and all(map(equal, one, other))
    return one.dtype == other.dtype and torch.equal(one, other)


@pytest.mark.parametrize("num_workers", [0, 1])
@pytest.mark.parametrize(("name", "dtype"), SHAPES)
def test_collate_gives_what_default_collate_gives_in_every_format(dataset, name, dtype, num_workers):
    shown = dataset.with_format(name, dtype=dtype)
    options = {"batch_size": 16, "num_workers": num_workers, "timeout": 120 if num_workers else 0}
    for ours, torchs in zip(
        DataLoader(shown, collate_fn=collate, **options),
        DataLoader(shown, collate_fn=default_collate, **options),
        strict=True,
    ):
        assert equal(ours, torchs)


@pytest.mark.parametrize(("name", "dtype"), SHAPES)
def test_what_a_sample_holds_may_be_changed(dataset, name, dtype):
    shown = dataset.with_format(name, dtype=dtype)
    for read in (lambda: shown[3], lambda: shown[3:5], lambda: shown.__getitems__([3])[0]):
        image = read()["image" if name == "dict" else 0]
        before = image.copy() if isinstance(image, np.ndarray) else image.clone()
        image[...] = 0
        again = read()["image" if name == "dict" else 0]
        assert (np.asarray(again) == np.asarray(before)).all() and np.asarray(before).any()


def test_a_transform_gets_the_image_in_its_format(frozen):
    seen = []
    for name in ("torch", "numpy", "pil", "dict"):
        frozen.with_format(name).with_transform(lambda image: seen.append(type(image).__name__) or image)[0]
    assert seen == ["Tensor", "ndarray", "Image", "Tensor"]


def test_transforms_of_torchvision_apply(frozen):
    from torchvision.transforms import v2

    bigger = frozen.with_format(dtype="uint8").with_transform(
        v2.Compose([v2.Resize(16), v2.ToDtype(torch.float32, scale=True), v2.Normalize([0.5], [0.5])])
    )
    x, y = next(iter(DataLoader(bigger, batch_size=4)))
    assert x.shape == (4, 1, 16, 16) and x.dtype == torch.float32 and y.tolist() == [0] * 4
    pictures = frozen.with_format("pil").with_transform(v2.Compose([v2.PILToTensor(), v2.ToDtype(torch.float32)]))
    assert torch.equal(next(iter(DataLoader(pictures, batch_size=2)))[0], frozen[:2][0].mul(255).round())


@pytest.mark.parametrize(
    "options",
    [
        {"name": "jax"},
        {"dtype": "float64"},
        {"name": "dict", "keys": ("image", "image")},
        {"name": "dict", "keys": ("image",)},
    ],
)
def test_an_unknown_format_is_refused(frozen, options):
    with pytest.raises(SpecError):
        frozen.with_format(**options)


def test_floats_of_another_space_are_neither_bytes_nor_pictures():
    for shape in (Format(name="pil"), Format(dtype="uint8")):
        with pytest.raises(SpecError, match="float32 in the space"):
            shape.check(stored="float32", channels=3)
    Format(name="numpy").check(stored="float32", channels=3)


def test_floats_are_shown_as_they_are_and_copied():
    values = torch.randn(2, 3, 4, 4)
    assert torch.equal(Format().ready(values, torch.zeros(2))[0], values)
    image = Format().image(values[0])
    image.zero_()
    assert values[0].any()


def test_a_picture_of_two_channels_is_refused():
    with pytest.raises(SpecError, match="2 channels"):
        Format(name="pil").check(stored="uint8", channels=2)


def test_the_format_is_part_of_repr(frozen):
    assert "format numpy uint8" in repr(frozen.with_format("numpy", dtype="uint8"))
