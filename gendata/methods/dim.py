"""`dim`: distilling a data set into a generative model (Wang, Gu et al. 2023, arXiv:2303.04707).

Two stages:
    adversarial  trains the generator against a critic with an auxiliary classifier.
    match        goes on doing so and adds logit matching: one network at a time, of several architectures, is drawn
                 anew, trained on real images a little before each step, and must give a synthetic image the logits that
                 it gives the real image of the same class beside it, both under one augmentation.

Defaults are the published ones, read in the published code (vimar-gu/DiM 36573394); steps are counted for 60,000
images. Evaluate with `dim-fixed/v1`, fresh images in every pass.

Differs from the published code: generator and critic move at once (see `gendata.losses.adversary`), both by the same
synthetic images; the second stage starts Adam anew; matching networks see images normalised as students do, where the
code normalises the generator's -1 to 1 as if it were 0 to 1; the last weights count, not the best on the test set;
batches are drawn with replacement. Its matching networks are those of 32 x 32 RGB images, ResNets of width 32; for grey
ones the code takes ResNets of width 64 with a 7 x 7 stem, which gendata does not have.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from gendata.augmentation.diffaug import DiffAug
from gendata.generators.generator import Generator
from gendata.latents.law import LatentLaw
from gendata.losses.adversary import held
from gendata.losses.logit import log_probability_distance
from gendata.methods.adversarial import AdversarialConfig, AdversarialMethod
from gendata.methods.draws import keyed_generator
from gendata.methods.method import RealData, Stage
from gendata.methods.passing_network import PassingNetworks

_MAX_NETWORKS = 32


class DimConfig(AdversarialConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of `dim`, beside those of its adversarial stage."""

    match_steps: int = 93_700  # 100 passes over 60,000 images
    match_batch: int = 64
    match_lr: float = 5.0e-6  # constant
    logit_weight: float = 0.01
    networks: tuple[str, ...] = (
        "convnet3-w128-in", "resnet10-half-bn", "resnet18-half-bn", "resnet10-half-ap-bn", "resnet18-half-ap-bn"
    )  # fmt: skip
    network_life: int = 937  # matching steps that one network stays: one pass
    network_steps: int = 16  # of its training, on `match_batch` real images each, before every matching step
    network_lr: float = 0.01
    momentum: float = 0.9
    weight_decay: float = 5.0e-4
    network_augmentation: str = "color_crop"  # operations on what a network trains on
    augmentation: str = "color_crop_cutout"  # operations on matched pairs

    counts: ClassVar[tuple[str, ...]] = ("gan_batch", "match_batch")
    steps: ClassVar[tuple[str, ...]] = ("gan_steps", "match_steps", "network_steps")
    rates: ClassVar[tuple[str, ...]] = ("gan_lr", "match_lr", "network_lr")
    weights: ClassVar[tuple[str, ...]] = ("logit_weight", "momentum", "weight_decay")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.network_life < 1:
            raise ValueError(f"network_life must be at least 1, got {self.network_life}")
        if not 1 <= len(self.networks) <= _MAX_NETWORKS:
            raise ValueError(f"networks must be 1 to {_MAX_NETWORKS} names, got {len(self.networks)}")
        if self.momentum >= 1:
            raise ValueError(f"momentum must be below 1, got {self.momentum}")
        for strategy in (self.network_augmentation, self.augmentation):
            DiffAug(strategy=strategy)  # checks the names


class Dim(AdversarialMethod):
    """Adversarial training, then logit matching beside it. See the module."""

    Config = DimConfig
    config: DimConfig

    def __init__(self, config: DimConfig, *, generator: Generator, law: LatentLaw, real: RealData, seed: int) -> None:
        super().__init__(config, generator=generator, law=law, real=real, seed=seed)
        self.passing = PassingNetworks(
            config.networks if config.match_steps else (),
            spec=real.spec,
            seed=seed,
            lr=config.network_lr,
            momentum=config.momentum,
            weight_decay=config.weight_decay,
        )
        self._augment_pair = DiffAug(strategy=config.augmentation)
        self._augment_network = DiffAug(strategy=config.network_augmentation)

    def stages(self) -> tuple[Stage, ...]:
        c = self.config
        matching = Stage(
            name="match", num_steps=c.match_steps, lr=c.match_lr, final_lr_share=1.0, betas=(0.0, 0.9), averaged=False
        )
        return tuple(stage for stage in (self.adversarial_stage(), matching) if stage.num_steps)

    def begin(self, stage: Stage | None) -> None:
        self.law.prepare()

    def trainable(self, stage: Stage) -> nn.Module:
        return self.both_sides(self.law)

    def step(self, stage: Stage, i: int, *, rank: int = 0) -> Mapping[str, Tensor]:
        c, matches = self.config, stage.name == "match"
        rng = keyed_generator(self.seed, stage.name, i, rank)
        x_real, y = self.real.batch(c.match_batch if matches else c.gan_batch, rng)
        losses, x_syn = self.duel(self.law, x_real, y, rng, stream=f"{stage.name}-{rank}", step=i)
        if matches:
            self._train_network(i)
            losses["logits"] = c.logit_weight * self._logit_distance(x_syn, x_real, rng, i // c.network_life)
        return losses

    def _train_network(self, i: int) -> None:
        c, turn = self.config, i // self.config.network_life
        if i % c.network_life == 0:
            self.passing.begin(turn)
        rng = keyed_generator(self.seed, "network", i)  # of no rank: all train the same one
        for _ in range(c.network_steps):
            x, y = self.real.batch(c.match_batch, rng)
            augment = self._augment_network.draw(rng, len(x))
            self.passing.train_step(turn, augment(self.real.normalised(x)), y)

    def _logit_distance(self, x_syn: Tensor, x_real: Tensor, rng: torch.Generator, turn: int) -> Tensor:
        """Between what the network says of x_syn and of x_real, under one augmentation."""
        network, augment = self.passing.of_turn(turn), self._augment_pair.draw(rng, 1, shared=True)
        with torch.no_grad():
            real = network(augment(self.real.normalised(x_real))).float()
        syn = held(network, augment(self.real.normalised(x_syn))).float()
        return log_probability_distance(syn, real)
