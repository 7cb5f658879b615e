"""Logits of pairs."""

import pytest
import torch

H = torch.zeros(2, 3, 4)


def test_it_is_the_mean_squared_difference_of_log_probabilities_of_pairs(batch, loss_of):
    rng = torch.Generator().manual_seed(0)
    syn, real = torch.randn(6, 2, generator=rng), torch.randn(6, 2, generator=rng)
    wanted = (syn.log_softmax(1) - real.log_softmax(1)).square().mean().item()
    assert loss_of("logit")(batch(H, logits=syn), batch(H, logits=real), rng).item() == pytest.approx(wanted)


def test_of_unequal_runs_the_first_samples_of_each_class_are_pairs(batch, loss_of):
    rng = torch.Generator().manual_seed(0)
    real = torch.randn(6, 2, generator=rng)
    syn = real[[0, 1, 3, 4]]
    assert loss_of("logit")(batch(H[:, :2], logits=syn), batch(H, logits=real), rng).item() == 0
