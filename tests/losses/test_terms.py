"""What every term promises, whatever it compares."""

from __future__ import annotations

import pytest
import torch

from gendata.losses.embedded import Embedded
from gendata.registry import LOSSES

# Terms that compare two batches: nothing to do when both are the same.
COMPARING = {
    "attention": {"estimator": "plain"},
    "characteristic": {"frequencies": 64},
    "covariance": {"estimator": "plain", "blocks": "all"},
    "cross-entropy": {},
    "inter-class": {},
    "intra-class": {},
    "logit": {},
    "mean": {"estimator": "plain"},
    "moment": {"estimator": "plain"},
    "soft-label": {},
}
FORMS = [
    *COMPARING.items(),
    ("attention", {}),
    ("characteristic", {"frequencies": 64, "sampler": "learned", "amplitude": 0.9, "phase": 0.1}),
    ("characteristic", {"frequencies": 64, "estimator": "unbiased"}),
    ("covariance", {"scaled": False, "summed": True}),
    ("cross-entropy", {"form": "plain"}),
    ("inter-class", {"form": "log-sum-exp"}),
    *(("intra-class", {"form": form}) for form in ("repulsive", "hard-max", "hinge", "centralisation")),
    ("mean", {}),
    ("moment", {}),
    ("soft-label", {"form": "sample", "temperature": 2.0}),
]
NUM_FEATURES = 8 * 2 * 2


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def batch(seed: int, per_class: int = 6, classes: int = 3) -> Embedded:
    draws = rng(seed)
    num = classes * per_class
    maps = (torch.randn(num, 5, 4, 4, generator=draws).relu(), torch.randn(num, 8, 2, 2, generator=draws).relu())
    y = torch.arange(classes).repeat_interleave(per_class)
    return Embedded(y=y, maps=maps, logits=torch.randn(num, classes, generator=draws), num_classes=classes)


def reordered(sample: Embedded, order: torch.Tensor) -> Embedded:
    maps = tuple(m[order] for m in sample.maps)
    return Embedded(y=sample.y[order], maps=maps, logits=sample.logits[order], num_classes=sample.num_classes)


def test_every_registered_term_is_tested_here():
    assert set(COMPARING) == set(LOSSES.names())


@pytest.mark.parametrize(("name", "options"), COMPARING.items())
def test_it_is_nothing_when_both_batches_are_the_same(loss_of, name, options):
    loss = loss_of(name, NUM_FEATURES, **options)
    assert loss(batch(0), batch(0), rng()).item() == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize(("name", "options"), COMPARING.items())
def test_the_order_of_samples_inside_a_class_does_not_matter(loss_of, name, options):
    if name == "logit":
        pytest.skip("pairs samples by their place")
    loss, syn = loss_of(name, NUM_FEATURES, **options), batch(1)
    order = torch.arange(18).reshape(3, 6).flip(1).flatten()
    value = loss(syn, batch(2), rng()).item()
    assert loss(reordered(syn, order), batch(2), rng()).item() == pytest.approx(value, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize(("name", "options"), FORMS)
def test_classes_may_have_fewer_synthetic_than_real_samples(loss_of, name, options):
    value = loss_of(name, NUM_FEATURES, **options)(batch(1, per_class=4), batch(2, per_class=9), rng())
    assert value.shape == () and torch.isfinite(value)


@pytest.mark.parametrize("value", [0.0, 1.0])
@pytest.mark.parametrize(("name", "options"), FORMS)
def test_a_collapsed_class_has_finite_gradients(loss_of, name, options, value):
    syn = batch(1)
    for tensor in (*syn.maps, syn.logits):
        tensor[:6] = value
        tensor.requires_grad_()
    loss = loss_of(name, NUM_FEATURES, **options)(syn, batch(2), rng())
    loss.backward()
    assert torch.isfinite(loss)
    for tensor in (*syn.maps, syn.logits):
        assert tensor.grad is None or torch.isfinite(tensor.grad).all()


@pytest.mark.parametrize(("name", "options"), FORMS)
def test_what_it_draws_comes_from_the_generator_it_is_given(loss_of, name, options):
    loss = loss_of(name, NUM_FEATURES, **options)
    torch.manual_seed(0)
    first = loss(batch(1), batch(2), rng(5)).item()
    torch.manual_seed(1)
    assert loss(batch(1), batch(2), rng(5)).item() == first


@pytest.mark.parametrize(
    ("name", "options", "match"),
    [
        ("attention", {"power": 0.5}, "power must be 1 to 16"),
        ("characteristic", {"frequencies": 100}, "multiple of 16"),
        ("characteristic", {"amplitude": -1.0}, "must not be negative"),
        ("characteristic", {"estimator": "unbiased", "amplitude": 0.9}, "amplitude equal to phase"),
        ("inter-class", {"temperature": 0.0}, "temperature must be above 0"),
        ("intra-class", {"margin": 0.0}, "margin must be above 0"),
        ("moment", {"projections": 0}, "projections must be 1"),
        ("soft-label", {"temperature": 0.0}, "temperature must be above 0"),
    ],
)
def test_an_option_out_of_range_is_refused_with_its_value(loss_of, name, options, match):
    from gendata.errors import RecipeError

    with pytest.raises(RecipeError, match=match):
        loss_of(name, **options)
