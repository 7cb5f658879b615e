"""Feature matching: unbiased where the plain squared distance is not."""

import pytest
import torch

from gendata.methods.feature_matching import unbiased_mean_loss, unbiased_moment_loss


def test_the_mean_loss_of_a_perfect_sampler_averages_to_zero_and_the_plain_one_does_not():
    rng = torch.Generator().manual_seed(0)
    real = torch.randn(2, 4000, 5, generator=rng)
    unbiased, plain = [], []
    for _ in range(400):
        h = torch.randn(2, 8, 5, generator=rng)
        unbiased.append(unbiased_mean_loss(h, real).item())
        plain.append((h.mean(1) - real.mean(1)).square().mean().item())
    assert sum(plain) / 400 == pytest.approx(1 / 8, rel=0.15)  # tr Cov / n per feature
    assert abs(sum(unbiased) / 400) < 0.01


def test_the_mean_loss_estimates_the_squared_distance_of_the_means():
    rng = torch.Generator().manual_seed(1)
    real = torch.randn(3, 2000, 4, generator=rng)
    h = torch.randn(3, 2000, 4, generator=rng) + 2.0
    assert unbiased_mean_loss(h, real).item() == pytest.approx(4.0, rel=0.1)


def test_the_moment_loss_sees_a_wrong_spread_behind_equal_means():
    rng = torch.Generator().manual_seed(2)
    real = torch.randn(2, 2000, 4, generator=rng)
    projection = torch.eye(4)
    same = unbiased_moment_loss(torch.randn(2, 2000, 4, generator=rng), real, projection)
    wide = unbiased_moment_loss(2 * torch.randn(2, 2000, 4, generator=rng), real, projection)
    assert abs(same.item()) < 0.01
    assert wide.item() == pytest.approx(9 * 4 / 16, rel=0.2)  # (4 - 1)^2 on the diagonal, mean over 16 entries
