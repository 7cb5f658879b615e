from __future__ import annotations

from statistics import fmean, pvariance

import pytest
import torch

from gendata.augmentation.mixing import CutMix, CutMixDraw, Mixup, _symmetric_beta


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_cutmix_puts_one_rectangle_of_the_partner_into_every_image() -> None:
    x = torch.arange(6.0)[:, None, None, None].expand(6, 3, 10, 8).contiguous()
    for seed in range(20):
        mix = CutMix().draw(seeded(seed), 6)
        assert mix is not None
        assert sorted(mix.other.tolist()) == list(range(6))
        out = mix(x)
        top, bottom, left, right = mix.box(10, 8)
        inside = torch.zeros(10, 8, dtype=torch.bool)
        inside[top:bottom, left:right] = True
        assert torch.equal(out, torch.where(inside, x[mix.other], x))
        assert mix.share(10, 8) == pytest.approx(1 - float(inside.double().mean()))
        assert torch.equal(mix(x), out)


def test_a_rectangle_over_the_border_counts_only_what_lies_inside() -> None:
    mix = CutMixDraw(other=torch.tensor([1, 0]), kept=0.75, centre=torch.tensor([0.0, 0.5]))
    assert mix.box(8, 8) == (0, 2, 2, 6)
    assert mix.share(8, 8) == 1 - 8 / 64


def test_half_a_side_is_rounded_down() -> None:
    mix = CutMixDraw(other=torch.tensor([0]), kept=1 - (5 / 8) ** 2, centre=torch.tensor([0.5, 0.5]))
    assert mix.box(8, 8) == (2, 6, 2, 6)  # 4 pixels instead of 5


def test_mixup_is_a_weighted_mean_of_two_images_and_differentiable() -> None:
    x = torch.randn(5, 1, 4, 4, generator=seeded()).requires_grad_()
    mix = Mixup().draw(seeded(2), 5)
    assert mix is not None
    share = mix.share(4, 4)
    torch.testing.assert_close(mix(x), share * x + (1 - share) * x[mix.other])
    mix(x).sum().backward()
    torch.testing.assert_close(x.grad, torch.ones_like(x))


@pytest.mark.parametrize("kind", [CutMix, Mixup])
def test_a_step_is_mixed_with_the_probability_asked_for(kind: type[CutMix] | type[Mixup]) -> None:
    generator = seeded()
    mixed = sum(kind(prob=0.25).draw(generator, 3) is not None for _ in range(400))
    assert 70 < mixed < 130
    assert kind(prob=0.0).draw(generator, 3) is None


@pytest.mark.parametrize("shape", [0.05, 0.5, 1.0, 4.0])
def test_shares_follow_the_symmetric_beta_distribution(shape: float) -> None:
    generator = seeded()
    drawn = [_symmetric_beta(generator, shape) for _ in range(4000)]
    assert all(0 <= share <= 1 for share in drawn)
    assert fmean(drawn) == pytest.approx(0.5, abs=0.03)
    assert pvariance(drawn) == pytest.approx(1 / (4 * (2 * shape + 1)), rel=0.1)


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="prob must be 0 to 1"):
        CutMix(prob=1.1)
    with pytest.raises(ValueError, match="beta must be above 0"):
        CutMix(beta=0.0)
    with pytest.raises(ValueError, match="alpha must be above 0"):
        Mixup(alpha=-1.0)
