from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gendata.augmentation.dc import DcAugmentation, DcDraw


def images(num: int = 6, channels: int = 3, side: int = 8) -> Tensor:
    return torch.randn(num, channels, side, side, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def drawn(operation: str, u: list[list[float]], **settings: float | int) -> DcDraw:
    uniforms = torch.tensor(u, dtype=torch.float64)
    choice = torch.zeros(uniforms.shape[1], dtype=torch.int64)
    return DcDraw(DcAugmentation(strategy=operation, **settings), choice, uniforms, noise_seed=7)  # type: ignore[arg-type]


def test_every_image_gets_one_operation_of_its_own() -> None:
    x = images(num=60)
    draw = DcAugmentation(strategy="crop_scale_rotate_noise").draw(torch.Generator().manual_seed(0), 60)
    assert set(draw.choice.tolist()) == {0, 1, 2, 3}
    out = draw(x)
    for number, name in enumerate(("crop", "scale", "rotate", "noise")):
        alone = DcDraw(DcAugmentation(strategy=name), torch.zeros_like(draw.choice), draw.uniforms, draw.noise_seed)
        if name != "noise":  # its values depend on how many images get it
            same = draw.choice == number
            torch.testing.assert_close(out[same], alone(x)[same])


@pytest.mark.parametrize("channels", [1, 3])
def test_the_result_is_new_contiguous_and_the_same_whenever_it_is_called(channels: int) -> None:
    x = images(channels=channels)
    kept = x.clone()
    draw = DcAugmentation(strategy="crop_scale_rotate_noise").draw(torch.Generator().manual_seed(3), 6)
    out = draw(x)
    assert torch.equal(x, kept)
    assert out.shape == x.shape
    assert out.is_contiguous()
    assert torch.equal(draw(x), out)


def test_a_crop_pads_with_the_mean_of_each_channel_over_the_batch_and_never_reaches_the_far_end() -> None:
    x = images(num=2)
    out = drawn("crop", [[0.0, 0.999], [0.5, 0.5]])(x)
    mean = x.mean((0, 2, 3))
    torch.testing.assert_close(out[0, :, :4], mean[:, None, None].expand(3, 4, 8))
    assert torch.equal(out[0, :, 4:], x[0, :, :4])
    assert torch.equal(out[1, :, :5], x[1, :, 3:])  # 7 of 8, not 8 of 8


def test_a_scaled_image_lies_in_the_middle_of_zeros_or_loses_its_border() -> None:
    x = torch.ones(2, 1, 10, 10)
    out = drawn("scale", [[0.0, 1.0], [0.0, 1.0]])(x)
    expected = torch.zeros(10, 10)
    expected[1:9, 1:9] = 1
    assert torch.equal(out[0, 0], expected)
    assert torch.equal(out[1], x[1])


def test_rotation_turns_by_whole_degrees_and_fills_with_the_mean() -> None:
    x = images(num=2)
    out = drawn("rotate", [[0.5, 0.999], [0.0, 0.0]])(x)
    torch.testing.assert_close(out[0], x[0])  # 0 degrees
    torch.testing.assert_close(out[1, :, 0, 0], x.mean().expand(3))  # the corner comes from outside


def test_noise_is_small_and_drawn_by_the_seed() -> None:
    x = images()
    draw = drawn("noise", [[0.0] * 6, [0.0] * 6])
    assert 0.0005 < float((draw(x) - x).std()) < 0.002
    assert torch.equal(draw(x), draw(x))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"strategy": "crop_blur"}, r"'blur'.*rotate"),
        ({"crop": 0}, "crop must be 1"),
        ({"scale": 1.0}, "scale must be 0 to below 1"),
        ({"rotate": 0}, "rotate must be 1"),
    ],
)
def test_settings_that_make_no_sense_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DcAugmentation(**options)  # type: ignore[arg-type]
