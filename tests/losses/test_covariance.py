"""Covariance of local features."""

import pytest
import torch

from gendata.errors import SpecError


def test_descent_gives_free_features_the_real_correlations_and_leaves_their_mean(batch, loss_of):
    rng = torch.Generator().manual_seed(0)
    mix = torch.tensor([[1.0, 0.0, 0.0], [0.9, 0.4, 0.0], [0.0, -0.5, 0.8]])
    real = torch.randn(2, 200, 3, 2, 2, generator=rng)
    real = torch.einsum("ij,nsjhw->nsihw", mix, real)
    h = (torch.randn(2, 40, 3, 2, 2, generator=rng) + 5).requires_grad_()
    before = h.detach().mean(1)
    loss, optimiser = loss_of("covariance", estimator="plain"), torch.optim.Adam([h], lr=0.05)
    for _ in range(300):
        optimiser.zero_grad()
        loss(batch(h), batch(real), rng).backward()
        optimiser.step()

    def covariance(x, c):  # of every position's own, their mean
        at = x.detach()[c].flatten(2).permute(2, 1, 0)
        return torch.stack([torch.cov(values) for values in at]).mean(0)

    for c in range(2):
        assert torch.allclose(covariance(h, c), covariance(real, c), atol=0.05)
    assert torch.allclose(h.detach().mean(1), before, atol=0.2)  # Adam moves every value alike


def test_options_as_iid_give_the_published_sum(batch, loss_of):
    rng = torch.Generator().manual_seed(0)
    syn, real = torch.randn(2, 5, 3, 4, 4, generator=rng), torch.randn(2, 9, 3, 4, 4, generator=rng)

    def published(x):  # with n - 1 for n: per class, sum over positions of (channels x channels), mean over images
        centred = (x - x.mean(1, keepdim=True)).flatten(3)
        return (centred @ centred.transpose(2, 3)).sum(1) / (x.shape[1] - 1)

    term = loss_of("covariance", estimator="plain", scaled=False, summed=True)(batch(syn), batch(real), rng)
    torch.testing.assert_close(term, (published(syn) - published(real)).square().sum())


def test_a_mean_map_that_differs_is_no_matter_of_covariance(batch, loss_of):
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(1, 6, 3, 4, 4, generator=rng)
    term = loss_of("covariance", estimator="plain")(batch(x + torch.randn(1, 1, 3, 4, 4, generator=rng)), batch(x), rng)
    assert term < 1e-9


@pytest.mark.parametrize(("estimator", "samples"), [("plain", 1), ("unbiased", 3)])
def test_too_few_samples_to_vary_together_are_refused(batch, loss_of, estimator, samples):
    x = torch.zeros(1, samples, 3, 4, 4)
    assert loss_of("covariance", estimator=estimator).least_samples == samples + 1  # which a dry run asks
    with pytest.raises(SpecError, match=f"{samples} samples and {samples} real images per class"):
        loss_of("covariance", estimator=estimator)(batch(x), batch(x), torch.Generator())


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
