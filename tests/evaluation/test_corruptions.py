from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from gendata.errors import MissingExtraError, SpecError, UnknownNameError
from gendata.evaluation import corruptions
from gendata.evaluation.corruptions import CORRUPTIONS, SEVERITIES, corrupted, scale_of


def images(num: int, channels: int, height: int, width: int) -> Tensor:
    rng = torch.Generator().manual_seed(0)
    coarse = torch.rand(num, channels, 4, 4, generator=rng)
    smooth = torch.nn.functional.interpolate(coarse, size=(height, width), mode="bilinear", align_corners=True)
    return smooth.mul(255).to(torch.uint8)


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (1, 8, 8), (3, 9, 13)])
@pytest.mark.parametrize("name", CORRUPTIONS)
def test_every_corruption_takes_small_images_at_every_severity(name: str, shape: tuple[int, int, int]) -> None:
    x_u8 = images(3, *shape)
    for severity in SEVERITIES:
        changed = corrupted(x_u8, name, severity, 0)
        assert changed.shape == x_u8.shape
        assert changed.dtype == torch.uint8
        assert changed.is_contiguous()


@pytest.mark.parametrize("name", sorted({*CORRUPTIONS} - {"elastic_transform", "glass_blur"}))
def test_the_last_severity_is_worse_than_the_first(name: str) -> None:
    x_u8 = images(40, 3, 32, 32)
    mild, severe = ((corrupted(x_u8, name, level, 0).float() - x_u8).abs().mean() for level in (1, 5))
    assert severe > mild > 0


@pytest.mark.parametrize(
    "name",
    ["defocus_blur", "glass_blur", "motion_blur", "zoom_blur", "contrast", "elastic_transform", "pixelate"],
)
def test_an_even_surface_has_nothing_to_blur(name: str) -> None:
    x_u8 = torch.full((2, 3, 16, 16), 100, dtype=torch.uint8)
    assert (corrupted(x_u8, name, 4, 0).int() - 100).abs().max() <= 1


def test_strengths_are_those_of_the_published_small_set() -> None:
    grey = torch.full((4, 1, 50, 50), 128, dtype=torch.uint8)
    for severity, deviation in zip(SEVERITIES, (0.04, 0.06, 0.08, 0.09, 0.10), strict=True):
        noise = (corrupted(grey, "gaussian_noise", severity, 0) / 255.0).std().item()
        assert noise == pytest.approx(deviation, rel=0.05)
    for severity, raised in zip(SEVERITIES, (0.05, 0.1, 0.15, 0.2, 0.3), strict=True):
        assert corrupted(grey, "brightness", severity, 0).unique().tolist() == [int(128 + 255 * raised)]


def test_the_seed_decides_and_severities_draw_apart() -> None:
    before = torch.get_rng_state()
    x_u8 = images(3, 1, 12, 12)
    one, same, other = (corrupted(x_u8, "shot_noise", 2, seed) for seed in (0, 0, 1))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert torch.equal(before, torch.get_rng_state())


def test_a_split_of_many_images_is_corrupted_without_repeats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corruptions, "_CHUNK", 2)
    x_u8 = torch.full((5, 1, 8, 8), 128, dtype=torch.uint8)
    changed = corrupted(x_u8, "gaussian_noise", 5, 0)
    assert len(changed.unique(dim=0)) == 5


def test_what_cannot_be_corrupted_is_refused() -> None:
    x_u8 = images(1, 3, 16, 16)
    with pytest.raises(UnknownNameError, match="gaussian_noise"):
        corrupted(x_u8, "gausian_noise", 1, 0)
    with pytest.raises(UnknownNameError):
        corrupted(x_u8, "frost", 1, 0)
    with pytest.raises(SpecError, match="severity 6"):
        corrupted(x_u8, "fog", 6, 0)
    with pytest.raises(SpecError, match="float32"):
        corrupted(x_u8.float(), "fog", 1, 0)
    with pytest.raises(SpecError, match="1 or 3 channels"):
        corrupted(images(1, 4, 16, 16), "fog", 1, 0)


def test_the_scale_follows_the_smaller_side() -> None:
    assert scale_of(28, 28) == scale_of(63, 500) == "cifar-10-c"
    assert scale_of(64, 64) == scale_of(224, 64) == "imagenet-c"


def test_larger_images_need_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corruptions, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"gendata\[robustness\]"):
        corrupted(images(1, 3, 64, 64), "fog", 1, 0)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", [*CORRUPTIONS, "frost"])
def test_larger_images_are_corrupted_by_the_kept_package(name: str, channels: int) -> None:
    pytest.importorskip("imagecorruptions")
    x_u8, before = images(2, channels, 64, 70), np.random.get_state()[1].tolist()
    changed = corrupted(x_u8, name, 3, 0)
    assert changed.shape == x_u8.shape
    assert torch.equal(changed, corrupted(x_u8, name, 3, 0))
    assert not torch.equal(changed, x_u8)
    assert np.random.get_state()[1].tolist() == before
