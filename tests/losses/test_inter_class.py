"""The gap between class centres."""

import pytest
import torch

from gendata.losses.inter_class import gap_ratio_loss, squared_gaps


def features(centres, spread=1.0, samples=200, seed=0):
    rng = torch.Generator().manual_seed(seed)
    centres = torch.tensor(centres)[:, None]
    return centres + spread * torch.randn(len(centres), samples, centres.shape[2], generator=rng)


REAL = features([[0.0, 0], [4, 0], [0, 4]])


def gap(h):
    return (h[0].mean(0) - h[1].mean(0)).norm()


def test_it_vanishes_when_synthetic_features_are_the_real_ones():
    assert gap_ratio_loss(REAL, REAL, ratio=1.0).item() == pytest.approx(0, abs=1e-10)


def test_it_widens_a_narrow_gap_and_leaves_a_wide_one_alone():
    narrow = features([[0.0, 0], [2, 0], [0, 2]]).requires_grad_()
    (gradient,) = torch.autograd.grad(gap_ratio_loss(narrow, REAL, ratio=1.0), narrow)
    moved = narrow.detach() - gradient / gradient.abs().max() * 0.1
    assert gap(moved) > gap(narrow.detach())
    wide = features([[0.0, 0], [9, 0], [0, 9]])
    assert gap_ratio_loss(wide, REAL, ratio=1.0).item() == 0


def test_few_samples_of_the_real_classes_are_as_far_apart_as_many():
    centres = [[0.0, 0], [2, 0]]
    few = [features(centres, samples=4, seed=seed) for seed in range(400)]
    assert torch.stack([squared_gaps(h) for h in few]).mean().item() == pytest.approx(4, abs=0.3)
    # that of the means is larger by tr Cov / n of both classes
    assert torch.stack([gap(h).square() for h in few]).mean().item() == pytest.approx(4 + 2 * 2 / 4, abs=0.3)


def test_classes_that_lie_upon_each_other_are_still_pushed_apart():
    together = features([[0.0, 0], [0, 0], [0, 0]], samples=4).requires_grad_()
    (gradient,) = torch.autograd.grad(gap_ratio_loss(together, REAL, ratio=1.0), together)
    assert squared_gaps((together - gradient).detach()).sum() > squared_gaps(together.detach()).sum()


def test_ratio_two_doubles_every_gap(batch, loss_of):
    h = REAL[:, :8].clone().requires_grad_()
    optimiser, loss = torch.optim.Adam([h], lr=0.1), loss_of("inter-class", ratio=2.0)
    for _ in range(300):
        optimiser.zero_grad()
        loss(batch(h), batch(REAL), torch.Generator()).backward()
        optimiser.step()
    assert gap(h.detach()) > 1.9 * gap(REAL)


def test_the_log_sum_exp_form_spreads_the_directions_of_the_centres(batch, loss_of):
    h = features([[0.0, 0], [4, 0], [4, 1]], spread=0.1, samples=8).requires_grad_()
    optimiser, loss = torch.optim.Adam([h], lr=0.1), loss_of("inter-class", form="log-sum-exp")
    for _ in range(200):
        optimiser.zero_grad()
        value = loss(batch(h), batch(REAL), torch.Generator())
        value.backward()
        optimiser.step()
    # Three directions at 120 degrees: every cosine is -1/2.
    assert value.item() == pytest.approx(-0.5 / 0.2, abs=0.02)


@pytest.mark.parametrize("form", ["ratio", "log-sum-exp"])
def test_one_class_has_no_gap_to_widen(batch, loss_of, form):
    assert loss_of("inter-class", form=form)(batch(REAL[:1]), batch(REAL[:1]), torch.Generator()).item() == 0


def test_a_stored_set_whose_means_are_the_real_centres_is_at_its_target(batch, loss_of):
    stored = features([[0.0, 0], [4, 0], [0, 4]], samples=4, seed=1)
    stored += (REAL.mean(1) - stored.mean(1))[:, None]
    plain, unbiased = (gap_ratio_loss(stored, REAL, ratio=1.0, estimator=each).item() for each in ("plain", "unbiased"))
    assert plain < 1e-4 < unbiased  # the real centres are taken to be a little nearer than their means
    given = loss_of("inter-class", estimator="plain")(batch(stored), batch(REAL), torch.Generator()).item()
    assert given == pytest.approx(plain, abs=1e-4)
