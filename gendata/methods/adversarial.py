"""What methods with an adversarial stage share: its options, its critic, its step."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal

import msgspec
import torch
from torch import Tensor, nn

from gendata.generators.generator import Generator
from gendata.latents.law import LatentLaw
from gendata.losses.adversarial_relativistic import AdversarialRelativistic, RelativisticConfig
from gendata.losses.adversarial_wgan_gp import AdversarialWganGp, WganGpConfig
from gendata.losses.adversary import Adversary
from gendata.methods.draws import draw_latents
from gendata.methods.method import Method, RealData, Stage
from gendata.spec import SampleSpec

_MAX_BATCH = 65536
_MAX_STEPS = 10**8


class AdversarialConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of the adversarial stage."""

    adversary: Literal["wgan-gp", "relativistic"] = "wgan-gp"  # losses and critic; see gendata/losses
    critic_width: int | None = None  # channels of the critic; None: the adversary's 196 or 64
    penalty: float | None = None  # weight of its gradient penalty; None: the adversary's 10 or 1
    gan_steps: int = 70_200  # 150 passes over 60,000 images
    gan_batch: int = 128
    gan_lr: float = 1.0e-4  # constant

    counts: ClassVar[tuple[str, ...]] = ("gan_batch",)  # options that are whole numbers above 0
    steps: ClassVar[tuple[str, ...]] = ("gan_steps",)  # of stages; 0 leaves one out
    rates: ClassVar[tuple[str, ...]] = ("gan_lr",)  # numbers above 0
    weights: ClassVar[tuple[str, ...]] = ()  # numbers not below 0

    def __post_init__(self) -> None:
        for name in self.counts:
            if not 1 <= getattr(self, name) <= _MAX_BATCH:
                raise ValueError(f"{name} must be 1 to {_MAX_BATCH}, got {getattr(self, name)}")
        for name in self.steps:
            if not 0 <= getattr(self, name) <= _MAX_STEPS:
                raise ValueError(f"{name} must be 0 to {_MAX_STEPS}, got {getattr(self, name)}")
        for name in self.rates:
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be above 0, got {getattr(self, name)}")
        for name in self.weights:
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}")
        _adversary_config(self)  # checks width and penalty


class AdversarialMethod(Method):
    """Holds a critic beside the generator; a subclass adds stages."""

    config: AdversarialConfig

    def __init__(
        self, config: AdversarialConfig, *, generator: Generator, law: LatentLaw, real: RealData, seed: int
    ) -> None:
        super().__init__(config, generator=generator, law=law, real=real, seed=seed)
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            self.adversary = _adversary(config, real.spec)

    def adversarial_stage(self) -> Stage:
        """Generator and critic against each other, without a moving average, as published."""
        c = self.config
        return Stage(
            name="adversarial", num_steps=c.gan_steps, lr=c.gan_lr, final_lr_share=1.0, betas=(0.0, 0.9), averaged=False
        )

    def both_sides(self, law: LatentLaw) -> nn.Module:
        """What an adversarial stage moves: the generator, its latent law where that is learned, and the critic."""
        return nn.ModuleList([self.generator, law, self.adversary])

    def duel(
        self, law: LatentLaw, x_real: Tensor, y: Tensor, rng: torch.Generator, *, stream: str, step: int
    ) -> tuple[dict[str, Tensor], Tensor]:
        """The adversarial losses of a step, and the synthetic images: one of each real image's class, by `law`."""
        self.generator.train()
        z = draw_latents(law, y, seed=self.seed, stream=stream, step=step)
        x_syn = self.generator(z, y).float()
        judged = self.adversary(2 * x_syn - 1, 2 * x_real - 1, y, rng)
        return {"generator": judged.generator, "critic": judged.critic, "penalty": judged.penalty}, x_syn


def _adversary_config(c: AdversarialConfig) -> WganGpConfig | RelativisticConfig:
    kind = WganGpConfig if c.adversary == "wgan-gp" else RelativisticConfig
    given: dict[str, Any] = {"width": c.critic_width, "penalty": c.penalty}
    return kind(**{name: value for name, value in given.items() if value is not None})


def _adversary(c: AdversarialConfig, spec: SampleSpec) -> Adversary:
    config = _adversary_config(c)
    if isinstance(config, WganGpConfig):
        return AdversarialWganGp(config, spec=spec)
    return AdversarialRelativistic(config, spec=spec)
