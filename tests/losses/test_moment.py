"""Second moments: the spread behind equal means."""

import pytest
import torch

from gendata.losses.moment import moment_errors


def error(h_syn, h_real):
    return moment_errors(h_syn, h_real, torch.eye(4), "unbiased").mean().item()


def test_it_sees_a_wrong_spread_behind_equal_means():
    rng = torch.Generator().manual_seed(2)
    real = torch.randn(2, 2000, 4, generator=rng)
    assert abs(error(torch.randn(2, 2000, 4, generator=rng), real)) < 0.01
    # (4 - 1)^2 on the diagonal, mean over 16 entries
    assert error(2 * torch.randn(2, 2000, 4, generator=rng), real) == pytest.approx(9 * 4 / 16, rel=0.2)


def test_an_unbiased_one_is_least_at_the_real_spread_however_few_real_samples_there_are():
    rng = torch.Generator().manual_seed(1)
    h_real, h = (torch.randn(20_000, 4, 1, generator=rng) for _ in range(2))
    scale = torch.ones((), requires_grad=True)
    moment_errors(scale * h, h_real, torch.eye(1), "unbiased").mean().backward()
    assert abs(float(scale.grad)) < 0.2  # 2 when both spreads are taken as they are


def test_descent_gives_free_features_the_real_spread(batch, loss_of):
    rng = torch.Generator().manual_seed(0)
    real = batch(torch.randn(2, 500, 4, generator=rng) * torch.tensor([1.0, 2.0, 3.0, 4.0]))
    h = (0.3 * torch.randn(2, 64, 4, generator=rng)).requires_grad_()
    loss, optimiser = loss_of("moment", estimator="plain", projections=16), torch.optim.Adam([h], lr=0.1)
    for _ in range(200):
        optimiser.zero_grad()
        loss(batch(h), real, rng).backward()
        optimiser.step()
    deviations = h.detach().square().mean((0, 1)).sqrt()
    assert torch.allclose(deviations, torch.tensor([1.0, 2.0, 3.0, 4.0]), rtol=0.15)
