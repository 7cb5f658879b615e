from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from gendata.augmentation.dsa import Dsa, DsaDraw

OPERATIONS = ("color", "crop", "cutout", "flip", "scale", "rotate")


def draw_of(operation: str, uniforms: list[list[float]], **settings: float | bool) -> DsaDraw:
    return DsaDraw(settings=Dsa(**settings), operation=operation, uniforms=torch.tensor(uniforms))  # type: ignore[arg-type]


def images(num: int = 4, channels: int = 1, side: int = 8) -> Tensor:
    return torch.randn(num, channels, side, side, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("shared", [False, True])
def test_every_operation_keeps_shape_is_contiguous_and_differentiable(
    operation: str, channels: int, shared: bool
) -> None:
    draw = Dsa(strategy=operation).draw(torch.Generator().manual_seed(3), 4, shared=shared)
    x = images(channels=channels).requires_grad_()
    out = draw(x)
    assert out.shape == x.shape
    assert out.dtype == x.dtype
    assert out.is_contiguous()
    (out**2).sum().backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()


def test_one_operation_per_batch_and_each_of_the_strategy_comes_up() -> None:
    generator = torch.Generator().manual_seed(0)
    drawn = {Dsa().draw(generator, 2).operation for _ in range(100)}
    assert drawn == set(OPERATIONS)
    no_flip = {Dsa(strategy="crop_scale").draw(generator, 2).operation for _ in range(30)}
    assert no_flip == {"crop", "scale"}


def test_the_same_generator_state_draws_the_same() -> None:
    one, other = (Dsa().draw(torch.Generator().manual_seed(5), 3) for _ in range(2))
    assert one.operation == other.operation
    assert torch.equal(one.uniforms, other.uniforms)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_shared_draw_does_the_same_to_every_image_of_batches_of_any_size(operation: str) -> None:
    draw = Dsa(strategy=operation).draw(torch.Generator().manual_seed(1), 1, shared=True)
    one = images(num=1, channels=3)
    torch.testing.assert_close(draw(one.expand(5, -1, -1, -1)), draw(one).expand(5, -1, -1, -1))


@pytest.mark.parametrize("operation", OPERATIONS)
def test_parameters_of_one_image_do_not_touch_its_neighbours(operation: str) -> None:
    draw = Dsa(strategy=operation).draw(torch.Generator().manual_seed(2), 4)
    x = images()
    for i in range(4):
        alone = DsaDraw(settings=draw.settings, operation=operation, uniforms=draw.uniforms[:, i : i + 1])
        torch.testing.assert_close(draw(x)[i : i + 1], alone(x[i : i + 1]))


def test_a_draw_for_another_batch_size_is_refused() -> None:
    with pytest.raises(ValueError, match="drawn for 3 images"):
        Dsa().draw(torch.Generator(), 3)(images())


def test_color_is_brightness_then_saturation_then_contrast() -> None:
    x = images(channels=3)
    x_bright = x + (0.75 - 0.5) * 1.0
    grey = x_bright.mean(1, keepdim=True)
    x_saturated = (x_bright - grey) * (0.25 * 2.0) + grey
    level = x_saturated.mean((1, 2, 3), keepdim=True)
    expected = (x_saturated - level) * (0.125 + 0.5) + level
    torch.testing.assert_close(draw_of("color", [[0.75], [0.25], [0.125]])(x), expected)


def test_saturation_leaves_grey_images_alone() -> None:
    x = images()
    low, high = (draw_of("color", [[0.5], [u], [0.5]])(x) for u in (0.0, 0.99))
    torch.testing.assert_close(low, high)


def test_crop_shifts_whole_pixels_and_zeros_move_in() -> None:
    x = images(num=1)
    # One pixel at most (8 * 0.125), so u in thirds: -1, 0, +1.
    torch.testing.assert_close(draw_of("crop", [[0.5], [0.5]])(x), x)
    expected = torch.zeros_like(x)
    expected[:, :, :-1, 1:] = x[:, :, 1:, :-1]
    torch.testing.assert_close(draw_of("crop", [[0.9], [0.1]])(x), expected)


def test_cutout_blanks_a_square_that_may_hang_over_the_border() -> None:
    x = torch.ones(2, 1, 8, 8)
    out = draw_of("cutout", [[0.5, 0.0], [0.5, 0.0]])(x)
    assert (out[0] == 0).sum() == 16
    # Rows -2 .. 1 become 0 .. 1.
    assert (out[1] == 0).sum() == 4
    assert (out[1, 0, :2, :2] == 0).all()


def test_flip_goes_by_image() -> None:
    x = images(num=2)
    out = draw_of("flip", [[0.49, 0.5]])(x)
    assert torch.equal(out[0], x[0].flip(2))
    assert torch.equal(out[1], x[1])


def test_scale_and_rotate_move_nothing_in_the_middle_of_their_range() -> None:
    x = images(num=1)
    still = (1 - 1 / 1.2) / (1.2 - 1 / 1.2)
    torch.testing.assert_close(draw_of("scale", [[still], [still]])(x), x, atol=1e-5, rtol=0)
    torch.testing.assert_close(draw_of("rotate", [[0.5]])(x), x, atol=1e-6, rtol=0)


def test_align_corners_matters_to_rotation_alone_unless_images_are_square() -> None:
    wide = torch.randn(1, 1, 8, 12, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    angle = torch.tensor(15 / 180 * torch.pi, dtype=torch.float64)
    theta = torch.stack((angle.cos(), -angle.sin(), angle * 0, angle.sin(), angle.cos(), angle * 0)).view(1, 2, 3)
    outs = {}
    for align in (False, True):
        outs[align] = draw_of("rotate", [[1.0]], align_corners=align)(wide)
        grid = functional.affine_grid(theta, [1, 1, 8, 12], align_corners=align)
        expected = functional.grid_sample(wide, grid, align_corners=align)
        torch.testing.assert_close(outs[align], expected, atol=1e-5, rtol=0)
    assert not torch.allclose(outs[False], outs[True])
    square = [draw_of("rotate", [[1.0]], align_corners=align)(images(num=1)) for align in (False, True)]
    torch.testing.assert_close(*square)
    stretched = [draw_of("scale", [[0.1], [0.7]], align_corners=align)(wide) for align in (False, True)]
    torch.testing.assert_close(*stretched)


def test_an_unknown_operation_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"'sharpen'.*cutout"):
        Dsa(strategy="color_sharpen")


@pytest.mark.parametrize(
    ("name", "value"), [("scale", math.nan), ("rotate", math.inf), ("crop_pad", 4), ("cutout", -1), ("flip", 7)]
)
def test_a_strength_that_no_image_survives_is_refused(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{name} must be"):
        Dsa(**{name: value})
