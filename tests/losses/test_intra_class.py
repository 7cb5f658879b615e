"""The spread inside a class: what each form does to it."""

import pytest
import torch

from gendata.losses.intra_class import class_spread, spread_ratio_loss


def features(centres, spread, samples=200, seed=0):
    rng = torch.Generator().manual_seed(seed)
    centres = torch.tensor(centres)[:, None]
    return centres + spread * torch.randn(len(centres), samples, centres.shape[2], generator=rng)


CENTRES = [[0.0, 0], [4, 0], [0, 4]]
REAL = features(CENTRES, spread=1.0)


def step_down(loss, h):
    h = h.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(h), h)
    return h.detach() - gradient / gradient.abs().max() * 0.1


def test_it_vanishes_when_synthetic_features_are_the_real_ones():
    assert spread_ratio_loss(REAL, REAL, ratio=1.0).item() == pytest.approx(0, abs=1e-10)


def test_classes_of_one_real_image_give_a_finite_push():
    h = features(CENTRES, spread=1.0).requires_grad_()
    loss = spread_ratio_loss(h, features(CENTRES, spread=0.0), ratio=1.0)
    (gradient,) = torch.autograd.grad(loss, h)
    assert loss.isfinite() and gradient.isfinite().all() and gradient.any()


@pytest.mark.parametrize(("spread", "sign"), [(0.5, 1), (2.0, -1)])
def test_a_descent_step_moves_the_spread_towards_the_target(spread, sign):
    h = features(CENTRES, spread=spread, seed=1)
    moved = step_down(lambda h: spread_ratio_loss(h, REAL, ratio=1.0), h)
    assert sign * (class_spread(moved).mean() - class_spread(h).mean()) > 0


def test_a_ratio_above_one_pushes_samples_of_real_spread_further_apart():
    moved = step_down(lambda h: spread_ratio_loss(h, REAL, ratio=1.5), REAL)
    assert class_spread(moved).mean() > class_spread(REAL).mean()


def test_ratio_two_doubles_the_spread(batch, loss_of):
    h = features(CENTRES, spread=1.0, samples=32, seed=3).requires_grad_()
    before = class_spread(h.detach())
    optimiser, loss = torch.optim.Adam([h], lr=0.05), loss_of("intra-class", ratio=2.0)
    scale = REAL.flatten(0, 1).std(0)
    for _ in range(200):
        optimiser.zero_grad()
        loss(batch(h), batch(REAL), torch.Generator()).backward()
        optimiser.step()
    after = class_spread(h.detach() / scale)
    assert torch.allclose(after, 2 * class_spread(REAL / scale), rtol=0.15)
    assert (class_spread(h.detach()) > 1.4 * before).all()


@pytest.mark.parametrize(
    ("form", "wider"), [("repulsive", True), ("hard-max", True), ("hinge", True), ("centralisation", False)]
)
def test_every_other_form_pushes_the_way_it_promises(batch, loss_of, form, wider):
    loss, real = loss_of("intra-class", form=form), batch(REAL)
    h = features([[2.0, 2], [4, 1], [1, 4]], spread=0.3, samples=16, seed=4)
    moved = h
    for _ in range(10):
        moved = step_down(lambda h: loss(batch(h), real, torch.Generator()), moved)

    def angles(h):
        unit = torch.nn.functional.normalize(h, dim=2)
        return class_spread(unit).mean()

    measure = class_spread(h).mean(), class_spread(moved).mean()
    before, after = (angles(h), angles(moved)) if wider else measure
    assert (after > before) == wider


def test_a_lone_sample_of_a_class_lies_at_its_centre(batch, loss_of):
    term = loss_of("intra-class", form="centralisation")
    assert term(batch(REAL[:, :1]), batch(REAL), torch.Generator()).item() == 0


def test_near_samples_of_a_class_are_told_apart_under_bfloat16_too(batch, loss_of):
    def gradient(enabled):
        h = (10 + 0.1 * torch.randn(2, 16, 64, generator=torch.Generator().manual_seed(0))).requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            term = loss_of("intra-class", form="hard-max")(batch(h), batch(h.detach()), torch.Generator())
        return torch.autograd.grad(term, h)[0]

    assert torch.allclose(gradient(True), gradient(False), rtol=1e-3, atol=1e-6 * gradient(False).abs().max().item())
