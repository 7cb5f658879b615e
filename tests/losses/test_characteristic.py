"""Characteristic functions, and the sampler that looks for their differences."""

import pytest
import torch
from torch.nn import functional

from gendata.errors import SpecError


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def on_circle(mean, spread, samples=256, seed=0):
    angles = mean + spread * torch.randn(1, samples, generator=rng(seed))
    return torch.stack((angles.cos(), angles.sin()), 2)


def test_it_is_the_published_formula(batch, loss_of):
    syn, real = torch.randn(1, 5, 4, generator=rng(1)), torch.randn(1, 7, 4, generator=rng(2))
    t = torch.randn(16, 4, generator=rng(9))
    phi_syn, phi_real = (
        torch.exp(1j * (functional.normalize(h[0], dim=1) @ t.T).to(torch.complex64)).mean(0) for h in (syn, real)
    )
    amplitude = (phi_syn.abs() - phi_real.abs()).square()
    phase = 2 * (phi_syn.abs() * phi_real.abs() - phi_syn.real * phi_real.real - phi_syn.imag * phi_real.imag)
    wanted = (0.3 * amplitude + 0.7 * phase).sqrt().mean().item()
    loss = loss_of("characteristic", frequencies=16, amplitude=0.3, phase=0.7)
    assert loss(batch(syn), batch(real), rng(9)).item() == pytest.approx(wanted, rel=1e-4)


def test_descent_gives_free_features_the_real_distribution_not_only_its_mean(batch, loss_of):
    # Two modes: a mean alone would put everything between them.
    real = torch.cat((on_circle(0.0, 0.1), on_circle(2.0, 0.1, seed=1)), 1)
    h = on_circle(1.0, 0.5, samples=64, seed=2).requires_grad_()
    loss = loss_of("characteristic", num_features=2, frequencies=256)
    optimiser, draws = torch.optim.Adam([h], lr=0.03), rng()
    for _ in range(300):
        optimiser.zero_grad()
        loss(batch(h), batch(real), draws).backward()
        optimiser.step()
    angles = torch.atan2(h.detach()[0, :, 1], h.detach()[0, :, 0])
    near = [(angles - mode).abs() < 0.4 for mode in (0.0, 2.0)]
    assert 0.35 < near[0].float().mean() < 0.65
    assert 0.35 < near[1].float().mean() < 0.65


def test_the_unbiased_estimate_of_a_perfect_sampler_averages_to_zero(batch, loss_of):
    draws, real = rng(3), batch(on_circle(0.0, 1.0, samples=4000))
    loss = loss_of("characteristic", num_features=2, frequencies=64, estimator="unbiased")
    values = [loss(batch(on_circle(0.0, 1.0, samples=8, seed=s)), real, draws).item() for s in range(10, 210)]
    assert abs(sum(values) / 200) < 0.01


def test_the_learned_sampler_moves_to_frequencies_where_the_batches_differ(batch, loss_of):
    # They differ in the first coordinate alone.
    torch.manual_seed(0)
    loss = loss_of("characteristic", num_features=6, frequencies=256, sampler="learned")
    base = torch.randn(1, 64, 6, generator=rng(1))
    shifted = base + torch.tensor([1.0, 0, 0, 0, 0, 0])
    optimiser = torch.optim.Adam(loss.learned.parameters(), lr=1e-2, maximize=True)
    before = sum(loss(batch(base), batch(shifted), rng(s)).item() for s in range(10))
    for s in range(100, 200):
        optimiser.zero_grad()
        loss(batch(base), batch(shifted), rng(s)).backward()
        optimiser.step()
    after = sum(loss(batch(base), batch(shifted), rng(s)).item() for s in range(10))
    assert after > 1.1 * before


def test_only_the_learned_sampler_has_something_to_train(loss_of):
    assert loss_of("characteristic").learned is None
    learned = loss_of("characteristic", sampler="learned")
    assert list(learned.parameters()) == list(learned.learned.parameters())


def test_a_sampler_that_no_memory_holds_is_refused(loss_of):
    with pytest.raises(SpecError, match="learned sampler of 3,221,225,472 weights"):
        loss_of("characteristic", num_features=32768, sampler="learned")
