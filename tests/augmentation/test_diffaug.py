from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gendata.augmentation.diffaug import DiffAug
from gendata.augmentation.dsa import Dsa


def images(num: int = 4, channels: int = 3) -> Tensor:
    return torch.randn(num, channels, 8, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_color_crop_does_both_to_every_batch_where_dsa_does_one() -> None:
    for seed in range(20):
        assert DiffAug(strategy="color_crop").draw(seeded(seed), 4).operations == ("color", "crop")
        assert Dsa(strategy="color_crop").draw(seeded(seed), 4).operation in ("color", "crop")


def test_flip_and_colour_come_first_cutout_last_and_one_of_the_others_between() -> None:
    drawn = {DiffAug().draw(seeded(seed), 4).operations for seed in range(40)}
    assert drawn == {("flip", "color", one, "cutout") for one in ("crop", "scale", "rotate")}


def test_operations_are_applied_one_after_the_other() -> None:
    draw = DiffAug(strategy="color_crop_cutout").draw(seeded(), 4)
    x = images()
    expected = x
    for part in draw.draws:
        expected = part(expected)
    assert torch.equal(draw(x), expected)
    assert not torch.equal(draw(x), x)


@pytest.mark.parametrize("channels", [1, 3])
def test_the_result_is_contiguous_and_differentiable(channels: int) -> None:
    x = images(channels=channels).requires_grad_()
    out = DiffAug().draw(seeded(), 4)(x)
    assert out.shape == x.shape
    assert out.is_contiguous()
    out.square().sum().backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()


def test_translate_shifts_to_the_side_only() -> None:
    x = images()
    shifted = [DiffAug(strategy="translate").draw(seeded(seed), 4)(x) for seed in range(10)]
    assert any(not torch.equal(out, x) for out in shifted)
    for out in shifted:
        moved = {tuple(row.tolist()) for row in out[0, 0]}
        sides = [
            x[0, 0],
            torch.nn.functional.pad(x, (1, 0))[0, 0, :, :8],
            torch.nn.functional.pad(x, (0, 1))[0, 0, :, 1:],
        ]
        assert moved in [{tuple(row.tolist()) for row in side} for side in sides]


def test_a_shared_draw_does_the_same_to_every_image_of_batches_of_any_size() -> None:
    draw = DiffAug().draw(seeded(1), 1, shared=True)
    one = images(num=1)
    torch.testing.assert_close(draw(one.expand(5, -1, -1, -1)), draw(one).expand(5, -1, -1, -1))


def test_the_same_generator_state_draws_the_same() -> None:
    x = images()
    assert torch.equal(DiffAug().draw(seeded(5), 4)(x), DiffAug().draw(seeded(5), 4)(x))
    assert not torch.equal(DiffAug().draw(seeded(5), 4)(x), DiffAug().draw(seeded(6), 4)(x))


def test_an_unknown_operation_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"'blur'.*translate"):
        DiffAug(strategy="color_blur")
    with pytest.raises(ValueError, match="scale must be 1 to 100, got 0.5"):
        DiffAug(scale=0.5)
