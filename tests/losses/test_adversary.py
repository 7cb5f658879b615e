"""Adversarial terms: each side gets its own gradient, and the formulas are those that are cited."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from gendata.losses.adversarial_relativistic import AdversarialRelativistic, RelativisticConfig
from gendata.losses.adversarial_wgan_gp import AdversarialWganGp, WganGpConfig
from gendata.losses.adversary import Adversary, held
from gendata.spec import SampleSpec

SPEC = SampleSpec(channels=1, height=8, width=8, classes=("a", "b", "c"))
Y = torch.tensor([0, 1, 2, 1])


def adversary(name: str) -> Adversary:
    if name == "wgan-gp":
        return AdversarialWganGp(WganGpConfig(width=4), spec=SPEC)
    made = AdversarialRelativistic(RelativisticConfig(width=4), spec=SPEC)
    for weight in made.parameters():  # away from the blocks that start at zero
        torch.nn.init.normal_(weight, std=0.3)
    return made


def images() -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(0)
    return torch.randn(4, 1, 8, 8, generator=rng).requires_grad_(), torch.randn(4, 1, 8, 8, generator=rng)


def keyed() -> torch.Generator:
    return torch.Generator().manual_seed(7)


@pytest.mark.parametrize("name", ["wgan-gp", "relativistic"])
def test_each_loss_has_a_gradient_on_its_own_side_alone(name: str) -> None:
    judge, (x_syn, x_real) = adversary(name), images()
    judge(x_syn, x_real, Y, keyed()).generator.backward()
    assert x_syn.grad is not None and x_syn.grad.abs().sum() > 0
    assert all(weight.grad is None for weight in judge.parameters())
    x_syn.grad = None
    judged = judge(x_syn, x_real, Y, keyed())
    (judged.critic + judged.penalty).backward()
    assert x_syn.grad is None
    assert any(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in judge.parameters())


def test_the_wasserstein_terms_are_those_of_the_formula() -> None:
    judge, (x_syn, x_real) = adversary("wgan-gp"), images()
    judged = judge(x_syn, x_real, Y, keyed())
    (score_syn, logits_syn), (score_real, logits_real) = judge.critic(x_syn), judge.critic(x_real)
    classes_syn, classes_real = F.cross_entropy(logits_syn, Y), F.cross_entropy(logits_real, Y)
    assert judged.generator.item() == pytest.approx((classes_syn - score_syn.mean()).item(), abs=1e-5)
    critic = score_syn.mean() - score_real.mean() + classes_syn + classes_real
    assert judged.critic.item() == pytest.approx(critic.item(), abs=1e-5)


def test_the_penalty_asks_for_slopes_of_one_between_real_and_synthetic() -> None:
    judge, (x_syn, x_real) = adversary("wgan-gp"), images()
    share = torch.rand(4, 1, 1, 1, generator=keyed())
    between = (share * x_real + (1 - share) * x_syn.detach()).requires_grad_()
    (slope,) = torch.autograd.grad(judge.critic(between)[0].sum(), between)
    expected = 10 * (slope.flatten(1).norm(dim=1) - 1).square().mean()
    assert judge(x_syn, x_real, Y, keyed()).penalty.item() == pytest.approx(expected.item(), rel=1e-4)


def test_the_relativistic_terms_compare_pairs_of_one_class() -> None:
    judge, (x_syn, x_real) = adversary("relativistic"), images()
    judged = judge(x_syn, x_real, Y, keyed())
    lead = judge.critic(x_real, Y) - judge.critic(x_syn, Y)
    assert judged.generator.item() == pytest.approx(F.softplus(lead).mean().item(), rel=1e-4)
    assert judged.critic.item() == pytest.approx(F.softplus(-lead).mean().item(), rel=1e-4)


def test_the_relativistic_penalty_is_half_of_gamma_on_real_and_on_synthetic() -> None:
    judge, (x_syn, x_real) = adversary("relativistic"), images()
    squares = []
    for x in (x_syn, x_real.requires_grad_()):
        (slope,) = torch.autograd.grad(judge.critic(x, Y).sum(), x)
        squares.append(slope.square().flatten(1).sum(1).mean().item())
    assert judge(x_syn, x_real, Y, keyed()).penalty.item() == pytest.approx(0.5 * sum(squares), rel=1e-4)


def test_a_critic_that_tells_nothing_apart_leaves_two_logarithms() -> None:
    judge = AdversarialRelativistic(RelativisticConfig(width=4), spec=SPEC)
    torch.nn.init.zeros_(judge.critic.classes.weight)
    judged = judge(*images(), Y, keyed())
    assert judged.generator.item() == judged.critic.item() == pytest.approx(math.log(2))


def test_terms_are_computed_in_float32_whatever_the_precision_around_them() -> None:
    judge, (x_syn, x_real) = adversary("wgan-gp"), images()
    plain = judge(x_syn, x_real, Y, keyed())
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(judge(x_syn, x_real, Y, keyed()).penalty, plain.penalty)


def test_a_held_network_passes_its_gradient_on_and_keeps_none() -> None:
    network, x = torch.nn.Linear(3, 2), torch.ones(1, 3, requires_grad=True)
    held(network, x).sum().backward()
    assert x.grad is not None and torch.allclose(x.grad[0], network.weight.sum(0))
    assert network.weight.grad is None


@pytest.mark.parametrize("kind", [WganGpConfig, RelativisticConfig])
def test_a_width_or_a_penalty_that_means_nothing_is_refused(kind: type[WganGpConfig]) -> None:
    with pytest.raises(ValueError, match="width must be 1 to 4096, got 0"):
        kind(width=0)
    with pytest.raises(ValueError, match="penalty must not be negative"):
        kind(penalty=-1.0)
