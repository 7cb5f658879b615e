"""Wasserstein critic with gradient penalty and an auxiliary classifier: the adversarial terms of DiM."""

from __future__ import annotations

import math

import msgspec
import torch
from torch import Tensor
from torch.nn import functional as F

from gendata.losses.adversary import Adversary, Judgement, held, squared_slopes
from gendata.networks.discriminator import ClassifyingCritic
from gendata.spec import SampleSpec


class WganGpConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of `adversary: wgan-gp`: the options `critic_width` and `penalty` of methods with an adversarial stage."""

    width: int = 196  # channels of the critic
    penalty: float = 10.0  # weight of the gradient penalty

    def __post_init__(self) -> None:
        if not 1 <= self.width <= 4096:
            raise ValueError(f"width must be 1 to 4096, got {self.width}")
        if not 0 <= self.penalty < math.inf:
            raise ValueError(f"penalty must not be negative, got {self.penalty}")


class AdversarialWganGp(Adversary):
    """L_G = -E s(x') + CE(c(x'), y);  L_C = E s(x') - E s(x) + CE(c(x'), y) + CE(c(x), y) + w E(|grad s(x^)| - 1)^2.

    s is the critic's score, c its class logits, x' synthetic, x real, x^ a random point between the two.

    Source: Gulrajani et al. 2017 (arXiv:1704.00028, algorithm 1), Odena et al. 2017 (arXiv:1610.09585), together as in
    DiM (arXiv:2303.04707) and its code. Differs from the code: both sides see the same synthetic images, whose labels
    are those of the real batch; there the critic sees others, of labels drawn uniformly.
    """

    Config = WganGpConfig
    config: WganGpConfig

    def __init__(self, config: WganGpConfig, *, spec: SampleSpec) -> None:
        super().__init__(config, spec=spec)
        self.critic = ClassifyingCritic(spec=spec, width=config.width)

    def judge(self, x_syn: Tensor, x_real: Tensor, y: Tensor, rng: torch.Generator) -> Judgement:
        score, logits = held(self.critic, x_syn)
        generator = F.cross_entropy(logits, y) - score.mean()
        scores, logits = self.critic(torch.cat([x_syn.detach(), x_real]))
        score_syn, score_real = scores.chunk(2)
        # The mean over both halves is half the sum of their two means.
        critic = score_syn.mean() - score_real.mean() + 2 * F.cross_entropy(logits, torch.cat([y, y]))
        return Judgement(generator, critic, self.config.penalty * self._penalty(x_syn.detach(), x_real, rng))

    def _penalty(self, x_syn: Tensor, x_real: Tensor, rng: torch.Generator) -> Tensor:
        share = torch.rand(len(x_real), 1, 1, 1, generator=rng).to(x_real.device)
        between = (share * x_real + (1 - share) * x_syn).requires_grad_()
        squares = squared_slopes(self.critic(between)[0], between)
        return ((squares + 1e-12).sqrt() - 1).square().mean()
