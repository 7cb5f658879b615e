"""Relativistic logistic loss with both zero-centred gradient penalties and a class projection: a newer baseline."""

from __future__ import annotations

import math

import msgspec
import torch
from torch import Tensor
from torch.nn import functional as F

from gendata.losses.adversary import Adversary, Judgement, held, squared_slopes
from gendata.networks.discriminator import ProjectionDiscriminator
from gendata.spec import SampleSpec


class RelativisticConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of `adversary: relativistic`: the options `critic_width` and `penalty`, as there."""

    width: int = 64  # channels of the discriminator
    penalty: float = 1.0  # gamma: weight of both gradient penalties, which are halved

    def __post_init__(self) -> None:
        if not 1 <= self.width <= 4096:
            raise ValueError(f"width must be 1 to 4096, got {self.width}")
        if not 0 <= self.penalty < math.inf:
            raise ValueError(f"penalty must not be negative, got {self.penalty}")


class AdversarialRelativistic(Adversary):
    """L_G = E softplus(d(x) - d(x'));  L_D = E softplus(d(x') - d(x)) + gamma/2 (E |d'(x)|^2 + E |d'(x')|^2).

    d is the discriminator's score given the label; x' synthetic and x real, paired by label. A generator gains nothing
    by moving all samples to one place that is taken for real: each is compared with a real one (Sun et al. 2020,
    arXiv:2011.04926), and the two penalties R1 and R2 make the game converge locally (Mescheder et al. 2018,
    arXiv:1801.04406).

    Source: Huang et al. 2024, "The GAN is dead; long live the GAN!", arXiv:2501.05441 (eqs. 2 and 5); pairs of
    unconditional samples there, of samples with equal labels here. Differs: gamma stays where it is; their code lets it
    fall tenfold, from 0.05 (CIFAR-10), 1 (ImageNet at 64 pixels), 150 (faces at 256).
    """

    Config = RelativisticConfig
    config: RelativisticConfig

    def __init__(self, config: RelativisticConfig, *, spec: SampleSpec) -> None:
        super().__init__(config, spec=spec)
        self.critic = ProjectionDiscriminator(spec=spec, width=config.width)

    def judge(self, x_syn: Tensor, x_real: Tensor, y: Tensor, rng: torch.Generator) -> Judgement:
        x_both, y_both = torch.cat([x_syn.detach(), x_real]).requires_grad_(), torch.cat([y, y])
        scores = self.critic(x_both, y_both)
        score_syn, score_real = scores.chunk(2)
        critic = F.softplus(score_syn - score_real).mean()
        # Over both halves at once: twice their mean is the mean over real plus that over synthetic.
        penalty = self.config.penalty * squared_slopes(scores, x_both).mean()
        generator = F.softplus(score_real.detach() - held(self.critic, x_syn, y)).mean()
        return Judgement(generator, critic, penalty)
