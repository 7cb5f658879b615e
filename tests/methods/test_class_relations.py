"""The two class losses: what they are zero for, and where their gradients point."""

import pytest
import torch

from gendata.methods.class_relations import class_spread, inter_class_loss, intra_class_loss


def features(centres, spread, samples=200, seed=0):
    rng = torch.Generator().manual_seed(seed)
    centres = torch.tensor(centres)[:, None]
    return centres + spread * torch.randn(len(centres), samples, centres.shape[2], generator=rng)


REAL = features([[0.0, 0], [4, 0], [0, 4]], spread=1.0)


def test_both_vanish_when_synthetic_features_are_the_real_ones():
    assert intra_class_loss(REAL, REAL, target_ratio=1.0).item() == pytest.approx(0, abs=1e-10)
    assert inter_class_loss(REAL, REAL, target_ratio=1.0).item() == pytest.approx(0, abs=1e-10)


@pytest.mark.parametrize(("spread", "sign"), [(0.5, 1), (2.0, -1)])
def test_a_descent_step_on_the_intra_class_loss_moves_the_spread_towards_the_target(spread, sign):
    h = features([[0.0, 0], [4, 0], [0, 4]], spread=spread, seed=1).requires_grad_()
    (gradient,) = torch.autograd.grad(intra_class_loss(h, REAL, target_ratio=1.0), h)
    moved = h.detach() - gradient / gradient.abs().max() * 0.1
    assert sign * (class_spread(moved).mean() - class_spread(h.detach()).mean()) > 0


def test_a_ratio_above_one_pushes_samples_of_real_spread_further_apart():
    h = REAL.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(intra_class_loss(h, REAL, target_ratio=1.5), h)
    moved = h.detach() - gradient / gradient.abs().max() * 0.1
    assert class_spread(moved).mean() > class_spread(REAL).mean()


def test_a_collapsed_class_gives_a_finite_loss():
    h = torch.zeros(3, 8, 2, requires_grad=True)
    loss = intra_class_loss(h, REAL, target_ratio=1.0)
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(h.grad).all()


def test_the_inter_class_loss_widens_a_narrow_gap_and_leaves_a_wide_one_alone():
    narrow = features([[0.0, 0], [2, 0], [0, 2]], spread=1.0).requires_grad_()
    (gradient,) = torch.autograd.grad(inter_class_loss(narrow, REAL, target_ratio=1.0), narrow)
    gap = (narrow.detach()[0].mean(0) - narrow.detach()[1].mean(0)).norm()
    moved = narrow.detach() - gradient / gradient.abs().max() * 0.1
    assert (moved[0].mean(0) - moved[1].mean(0)).norm() > gap
    wide = features([[0.0, 0], [9, 0], [0, 9]], spread=1.0)
    assert inter_class_loss(wide, REAL, target_ratio=1.0).item() == 0


def test_one_class_has_no_gap_to_widen():
    assert inter_class_loss(REAL[:1], REAL[:1], target_ratio=2.0).item() == 0
