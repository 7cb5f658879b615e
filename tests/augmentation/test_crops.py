from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from gendata.augmentation.centre_view import ResizeCentreCrop, centre_crop, resize
from gendata.augmentation.padded_crop import PaddedCrop
from gendata.augmentation.random_resized_crop import RandomResizedCrop
from gendata.augmentation.resampling import resampled


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(num: int = 4, channels: int = 1, height: int = 8, width: int = 8) -> Tensor:
    return torch.rand(num, channels, height, width, generator=seeded(), dtype=torch.float64)


def test_a_window_is_resized_as_torch_resizes_the_crop() -> None:
    x = images(num=70, channels=3, height=12, width=9)  # more than one block
    windows = torch.randint(1, 9, (2, 70), generator=seeded(1))
    top, left = torch.minimum(torch.tensor([[3], [1]]), torch.tensor([[12], [9]]) - windows)
    out = resampled(x, top=top, left=left, height=windows[0], width=windows[1], size=(7, 5))
    for i in range(70):
        rows, columns = slice(top[i], top[i] + windows[0, i]), slice(left[i], left[i] + windows[1, i])
        expected = functional.interpolate(x[i : i + 1, :, rows, columns], size=(7, 5), mode="bilinear", antialias=True)
        torch.testing.assert_close(out[i : i + 1], expected)


def test_a_random_resized_crop_keeps_the_images_size_unless_told_otherwise() -> None:
    x = images(channels=3, width=12)
    out = RandomResizedCrop().draw(seeded(), 4)(x)
    assert out.shape == x.shape
    assert out.is_contiguous()
    assert RandomResizedCrop(size_px=5).draw(seeded(), 4)(x).shape == (4, 3, 5, 5)


def test_windows_have_the_shares_and_shapes_that_were_asked_for() -> None:
    crop = RandomResizedCrop(scale=(0.25, 0.5), ratio=(0.5, 2.0))
    u = torch.rand(2, 500, 10, generator=seeded(), dtype=torch.float64)
    height, width, found = crop._windows(u, 100, 100)
    area, shape = height * width / 10_000, width / height
    assert found.all()
    assert 0.24 < area.min() < 0.27
    assert 0.48 < area.max() < 0.51
    assert 0.49 < shape.min() < 0.55
    assert 1.8 < shape.max() < 2.05
    assert 0.45 < (shape < 1).double().mean() < 0.55  # log-uniform: as often upright as lying


def test_where_no_window_fits_the_largest_central_one_is_taken() -> None:
    whole = RandomResizedCrop(scale=(1.0, 1.0), ratio=(3 / 4, 4 / 3))
    x = images(num=50)
    torch.testing.assert_close(whole.draw(seeded(), 50)(x), x)
    wide = RandomResizedCrop(scale=(1.0, 1.0), ratio=(1.0, 1.0))
    x = images(num=2, width=12)
    expected = functional.interpolate(x[..., 2:10], size=(8, 12), mode="bilinear", antialias=True)
    torch.testing.assert_close(wide.draw(seeded(), 2)(x), expected)


def test_every_image_has_its_own_window() -> None:
    x = images(num=1).expand(6, -1, -1, -1)
    out = RandomResizedCrop().draw(seeded(), 6)(x)
    assert len({tuple(image.flatten().tolist()) for image in out}) == 6


def test_a_padded_crop_is_a_shift_with_black_moving_in_and_sometimes_a_flip() -> None:
    x = torch.randint(1, 256, (40, 3, 8, 8), generator=seeded(), dtype=torch.uint8)
    out = PaddedCrop(padding_px=2).draw(seeded(), 40)(x)
    assert out.dtype == torch.uint8
    assert out.is_contiguous()
    padded = functional.pad(x, (2,) * 4)
    flips = 0
    for before, after in zip(padded, out, strict=True):
        windows = [before[:, i : i + 8, j : j + 8] for i in range(5) for j in range(5)]
        straight = any(torch.equal(window, after) for window in windows)
        mirrored = any(torch.equal(window.flip(2), after) for window in windows)
        assert straight != mirrored
        flips += mirrored
    assert 8 < flips < 32


def test_without_flip_a_padded_crop_mirrors_nothing() -> None:
    x = images(num=20)
    assert torch.equal(PaddedCrop(padding_px=0, flip=0.0).draw(seeded(), 20)(x), x)
    assert torch.equal(PaddedCrop(padding_px=0, flip=1.0).draw(seeded(), 20)(x), x.flip(3))


@pytest.mark.parametrize(("height", "width"), [(300, 300), (60, 90), (90, 61)])
def test_a_test_view_is_resize_and_centre_crop_as_torchvision_has_them(height: int, width: int) -> None:
    transforms = pytest.importorskip("torchvision.transforms")
    x = torch.randint(0, 256, (2, 3, height, width), generator=seeded(), dtype=torch.uint8)
    theirs = transforms.Compose([transforms.Resize(64 // 7 * 8, antialias=True), transforms.CenterCrop(64)])(x)
    ours = ResizeCentreCrop()(x, side_px=64)
    assert ours.shape == theirs.shape == (2, 3, 64, 64)
    assert (ours.int() - theirs.int()).abs().max() <= 1
    assert (ours != theirs).float().mean() < 0.01


def test_small_images_of_the_networks_own_size_are_viewed_as_they_are() -> None:
    x = images(height=32, width=32)
    assert torch.equal(ResizeCentreCrop()(x, side_px=32), x)
    assert torch.equal(ResizeCentreCrop()(x), x)
    assert ResizeCentreCrop()(images(height=64, width=64)).shape == (4, 1, 64, 64)
    assert resize(images(height=20, width=10), 5).shape == (4, 1, 10, 5)


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="scale must rise"):
        RandomResizedCrop(scale=(1.0, 0.5))
    with pytest.raises(ValueError, match="size_px"):
        RandomResizedCrop(size_px=0)
    with pytest.raises(ValueError, match="padding_px"):
        PaddedCrop(padding_px=-1)
    with pytest.raises(ValueError, match="fraction"):
        ResizeCentreCrop(resize="1.14")
    with pytest.raises(ValueError, match="centre crop of 9 pixels"):
        centre_crop(images(), 9)


@pytest.mark.parametrize("side", [5, 20, 27, 41])
def test_a_test_view_of_a_side_that_the_fraction_makes_smaller_is_the_image(side: int) -> None:
    x = torch.randint(0, 256, (1, 1, side, side), generator=seeded(), dtype=torch.uint8)
    assert torch.equal(ResizeCentreCrop()(x), x)
