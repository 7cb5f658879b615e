"""`ncfm`: pixels by matching characteristic functions (NCFM, Wang et al. 2025, arXiv:2502.20653)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gendata.augmentation.diffaug import DiffAug, DiffAugDraw
from gendata.generators.generator import Generator
from gendata.latents.law import LatentLaw
from gendata.losses.characteristic import Characteristic, CharacteristicConfig
from gendata.losses.embedded import embed
from gendata.methods.bounds import check_positive
from gendata.methods.draws import keyed_generator
from gendata.methods.embedding_pool import EmbeddingPool
from gendata.methods.method import RealData, Stage
from gendata.methods.pixel_images import MATCH, PixelConfig, PixelImages, check_counts

_POOL = "pool"


class NcfmConfig(PixelConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of `ncfm`; defaults are those of the published configuration for CIFAR-10, but for the pool's."""

    augmentation: str = "color_crop_cutout"  # of DiffAug, which applies all of them; "": none
    real_per_class: int = 1024
    steps: int = 20_000
    lr: float = 0.001  # of pixels in [0, 1]; falls along a cosine
    frequencies: int = 4096
    learned_sampler: bool = False  # of frequencies; the paper's idea, which its published configurations switch off
    sampler_lr: float = 1.0e-3
    matching_weight: float = 300.0
    calibration_weight: float = 1.0  # of cross entropy under a trained network; 0: none

    networks: int = 20  # trained; embedders lie between their initial and their trained weights
    network_steps: int = 3000
    network_batch: int = 128
    network_lr: float = 1.0e-3

    def __post_init__(self) -> None:
        super().__post_init__()
        check_counts(self, "steps", "networks", "network_steps", "network_batch")
        check_positive(self, "lr", "network_lr", "sampler_lr", "matching_weight")
        if self.networks > 1000:
            raise ValueError(f"networks must be at most 1000, got {self.networks}")
        if not self.calibration_weight >= 0:
            raise ValueError(f"calibration_weight must not be negative, got {self.calibration_weight}")
        self.loss_config()

    def check_augmentation(self) -> None:
        if self.augmentation:
            DiffAug(strategy=self.augmentation)

    def loss_config(self) -> CharacteristicConfig:
        """As the loss wants it."""
        return CharacteristicConfig(
            frequencies=self.frequencies, sampler="learned" if self.learned_sampler else "gaussian"
        )


class CharacteristicMatching(PixelImages):
    """Matches every class's characteristic function of features under half-trained networks.

    Two stages: "pool" trains networks on the real images, "match" trains the condensed ones. With a
    `multi-formation-bank` of factor 2 these are the paper's images, four small ones to a stored one.

    Differs from the published code: one Adam step per iteration on all classes and both terms, where there every class
    and term has its own AdamW step; the rate falls along a cosine instead of on plateaus; the networks train by Adam
    without CutMix; tiles begin as averaged, not subsampled, real images; the sampler is that of the loss
    `characteristic`. Soft labels and fine-tuning, which the paper's best rows add, are not part of this method.
    """

    Config = NcfmConfig
    config: NcfmConfig
    name = "ncfm"
    unit_range = True

    def __init__(self, config: NcfmConfig, *, generator: Generator, law: LatentLaw, real: RealData, seed: int) -> None:
        super().__init__(config, generator=generator, law=law, real=real, seed=seed)
        self.pool = EmbeddingPool(
            config.network,
            spec=real.spec,
            num_networks=config.networks,
            ages=(config.network_steps,),
            seed=seed,
            kind="interpolated",
        )
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            self.loss = Characteristic(config.loss_config(), num_features=self.pool.num_features)

    def stages(self) -> tuple[Stage, ...]:
        c = self.config
        return (
            Stage(
                name=_POOL,
                num_steps=c.networks * c.network_steps,
                lr=c.network_lr,
                final_lr_share=1.0,
                averaged=False,
            ),
            Stage(
                name=MATCH,
                num_steps=c.steps,
                lr=c.lr,
                betas=(0.9, 0.999),
                averaged=False,
                opponent_lr=c.sampler_lr,
            ),
        )

    def begin(self, stage: Stage | None) -> None:
        super().begin(stage)
        if stage is not None and stage.name == MATCH:
            self.pool.record(self.config.networks * self.config.network_steps)

    def trainable(self, stage: Stage) -> nn.Module:
        return self.pool.networks if stage.name == _POOL else super().trainable(stage)

    def opponent(self, stage: Stage) -> nn.Module | None:
        return self.loss.learned if stage.name == MATCH else None

    def step(self, stage: Stage, i: int, *, rank: int = 0) -> Mapping[str, Tensor]:
        rng = keyed_generator(self.seed, stage.name, i, rank)
        return self._train_network(i, rng) if stage.name == _POOL else self._match(rng)

    def _train_network(self, i: int, rng: torch.Generator) -> dict[str, Tensor]:
        self.pool.record(i)
        x, y = self.real.batch(self.config.network_batch, rng)
        logits = self.pool.training_network(i)(self._augmentation(rng, len(x))(self.real.normalised(x)))
        return {"cross entropy": F.cross_entropy(logits.float(), y)}

    def _match(self, rng: torch.Generator) -> dict[str, Tensor]:
        self.project()
        network, _ = self.pool.draw(rng, fresh_share=0.0, device=self.pixels.device)
        x_syn, y_syn = self.samples(), self.labels()
        terms = []
        for c, x in enumerate(x_syn.split(self.samples_per_class)):
            augment = self._augmentation(rng)
            x_real = augment(self.real_batch(c, rng))
            with torch.no_grad():
                real = embed(network, x_real, torch.full((len(x_real),), c, device=x.device), num_classes=1)
            syn = embed(network, augment(x), torch.full((len(x),), c, device=x.device), num_classes=1)
            terms.append(self.loss(syn, real, rng))
        losses = {"characteristic": self.config.matching_weight * torch.stack(terms).sum()}
        if self.config.calibration_weight:
            logits = self.pool.trained(rng)(self._augmentation(rng)(x_syn)).float()
            cross_entropy = F.cross_entropy(logits, y_syn) * len(terms)  # a term per class, as the other
            losses["cross entropy"] = self.config.calibration_weight * cross_entropy
        return losses

    def _augmentation(self, rng: torch.Generator, batch: int | None = None) -> DiffAugDraw | nn.Identity:
        """Drawn for each of `batch` images, or once for all (None)."""
        if not self.config.augmentation:
            return nn.Identity()
        return DiffAug(strategy=self.config.augmentation).draw(rng, batch or 1, shared=batch is None)
