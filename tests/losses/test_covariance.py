"""Covariance of local features."""

import torch


def test_descent_gives_free_features_the_real_correlations_and_leaves_their_mean(batch, loss_of):
    rng = torch.Generator().manual_seed(0)
    mix = torch.tensor([[1.0, 0.0, 0.0], [0.9, 0.4, 0.0], [0.0, -0.5, 0.8]])
    real = torch.randn(2, 200, 3, 2, 2, generator=rng)
    real = torch.einsum("ij,nsjhw->nsihw", mix, real)
    h = (torch.randn(2, 40, 3, 2, 2, generator=rng) + 5).requires_grad_()
    before = h.detach().mean((1, 3, 4))
    loss, optimiser = loss_of("covariance", estimator="plain"), torch.optim.Adam([h], lr=0.05)
    for _ in range(300):
        optimiser.zero_grad()
        loss(batch(h), batch(real), rng).backward()
        optimiser.step()

    def covariance(x, c):
        return torch.cov(x.detach()[c].permute(1, 0, 2, 3).flatten(1))

    for c in range(2):
        assert torch.allclose(covariance(h, c), covariance(real, c), atol=0.05)
    assert torch.allclose(h.detach().mean((1, 3, 4)), before, atol=0.2)  # Adam moves every value alike


def test_halves_of_a_perfect_sampler_average_to_less_than_the_plain_estimate(batch, loss_of):
    rng = torch.Generator().manual_seed(1)
    real = batch(torch.randn(1, 3000, 4, 2, 2, generator=rng))
    values = {"unbiased": 0.0, "plain": 0.0}
    for _ in range(100):
        syn = batch(torch.randn(1, 8, 4, 2, 2, generator=rng))
        for estimator in values:
            values[estimator] += loss_of("covariance", estimator=estimator)(syn, real, rng).item() / 100
    assert values["plain"] > 0.025
    assert abs(values["unbiased"]) < 0.01
