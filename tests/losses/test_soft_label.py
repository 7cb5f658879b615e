"""Soft labels: all samples of a class together, or each alike."""

import pytest
import torch

H = torch.zeros(1, 2, 4)


def test_together_samples_may_each_be_certain_and_alone_they_may_not(batch, loss_of):
    rng = torch.Generator()
    unsure = batch(H, logits=torch.zeros(2, 2))  # one half each
    certain = batch(H, logits=torch.tensor([[20.0, 0.0], [0.0, 20.0]]))
    assert loss_of("soft-label")(certain, unsure, rng).item() == pytest.approx(0, abs=1e-5)
    assert loss_of("soft-label", form="sample")(certain, unsure, rng).item() > 5


def test_descent_reaches_the_mean_prediction_of_real_samples(batch, loss_of):
    rng = torch.Generator().manual_seed(0)
    real = batch(torch.zeros(1, 50, 4), logits=torch.randn(50, 2, generator=rng) + torch.tensor([1.5, 0.0]))
    logits = torch.zeros(2, 2, requires_grad=True)
    loss, optimiser = loss_of("soft-label", form="sample"), torch.optim.Adam([logits], lr=0.05)
    for _ in range(200):
        optimiser.zero_grad()
        loss(batch(H, logits=logits), real, rng).backward()
        optimiser.step()
    wanted = real.logits.softmax(1).mean(0)
    assert torch.allclose(logits.detach().softmax(1), wanted.expand(2, 2), atol=1e-3)
