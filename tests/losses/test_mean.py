"""Mean matching: unbiased where the plain squared distance is not."""

import pytest
import torch

from gendata.errors import SpecError


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def test_the_loss_of_a_perfect_sampler_averages_to_zero_and_the_plain_one_does_not(batch, loss_of):
    draws = rng()
    real = batch(torch.randn(2, 4000, 5, generator=draws))
    values = {"unbiased": 0.0, "plain": 0.0}
    for _ in range(400):
        syn = batch(torch.randn(2, 8, 5, generator=draws))
        for estimator in values:
            values[estimator] += loss_of("mean", estimator=estimator, scaled=False)(syn, real, draws).item() / 400
    assert values["plain"] == pytest.approx(1 / 8, rel=0.15)  # tr Cov / n per feature
    assert abs(values["unbiased"]) < 0.01


def test_it_estimates_the_squared_distance_of_the_means(batch, loss_of):
    draws = rng(1)
    real = batch(torch.randn(3, 2000, 4, generator=draws))
    syn = batch(torch.randn(3, 2000, 4, generator=draws) + 2.0)
    assert loss_of("mean", scaled=False)(syn, real, draws).item() == pytest.approx(4.0, rel=0.1)


@pytest.mark.parametrize(("estimator", "keeps_its_spread"), [("unbiased", True), ("plain", False)])
def test_only_the_plain_loss_draws_the_samples_of_a_sampler_together(batch, loss_of, estimator, keeps_its_spread):
    # Its mean is right already; what descends is its deviation, not the samples.
    draws = rng(2)
    real = batch(torch.randn(1, 4000, 32, generator=draws))
    log_spread = torch.zeros((), requires_grad=True)
    loss, optimiser = loss_of("mean", estimator=estimator), torch.optim.SGD([log_spread], lr=0.1)
    for _ in range(200):
        syn = batch(log_spread.exp() * torch.randn(1, 8, 32, generator=draws))
        optimiser.zero_grad()
        loss(syn, real, draws).backward()
        optimiser.step()
    assert (log_spread.exp().item() > 0.8) == keeps_its_spread


def test_with_the_papers_options_it_is_the_sum_of_squared_differences_of_last_block_means(batch, loss_of):
    draws = rng(3)
    h_syn, h_real = torch.randn(2, 1, 3, generator=draws), torch.randn(2, 6, 3, generator=draws)
    first = torch.randn(2, 1, 7, generator=draws), torch.randn(2, 6, 7, generator=draws)
    loss = loss_of("mean", estimator="plain", blocks="last", scaled=False, summed=True)
    got = loss(batch(first[0], h_syn), batch(first[1], h_real), draws)
    assert got.item() == pytest.approx((h_syn.mean(1) - h_real.mean(1)).square().sum().item())


def test_one_sample_per_class_cannot_be_halved_and_the_error_says_what_to_do(batch, loss_of):
    with pytest.raises(SpecError, match="estimator: plain"):
        loss_of("mean")(batch(torch.zeros(2, 1, 3)), batch(torch.randn(2, 4, 3)), rng())
