"""`generative`: condense into a generator by feature matching with class relations (arXiv:2309.07698).

Certain from the paper (its abstract): the condensed dataset is a conditional generative model; its features match the
real ones; an intra-class loss pushes samples of a class apart, an inter-class loss widens the gap between the centres
of classes. Everything else here (architecture, warm start, embedding pool, latent codes, the losses' exact forms and
weights) is ours: the paper's code and details are not public.

Three stages:
    pool         trains small classifiers on the real data and keeps snapshots of several ages: the embedders.
    reconstruct  fits the generator as the decoder of a class-conditional variational autoencoder (Kingma and Welling
                 2014; the rate is held at a target as in Burgess et al. 2018), then the latent law to the codes.
    match        draws from the latent law and matches class-wise feature statistics under a network of the pool and
                 one Siamese augmentation per step, with the intra-class and the inter-class loss beside it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import msgspec
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gendata.augmentation.dsa import Dsa
from gendata.generators.generator import Generator
from gendata.latents.law import LatentLaw
from gendata.losses.embedded import embed
from gendata.losses.objective import Objective, Term
from gendata.methods.draws import ClassDraws, draw_latents, keyed_generator
from gendata.methods.embedding_pool import EmbeddingPool, PoolKind
from gendata.methods.encoder import Encoder
from gendata.methods.latent_fit import fit_law
from gendata.methods.method import Method, RealData, Stage

_MAX_BATCH = 65536
_MOST = {
    "networks": 1000,
    "network_batch": _MAX_BATCH,
    "reconstruct_batch": _MAX_BATCH,
    "classes_per_step": _MAX_BATCH,
    "samples_per_class": _MAX_BATCH,
    "real_per_class": _MAX_BATCH,
    "reconstruct_steps": 10**8,
    "steps": 10**8,
}
_MAX_AGES, _MAX_AGE = 32, 10**6
_CHARBONNIER = 0.01  # below this pixel error the loss is quadratic
_OPPONENT_LR = 1.0e-3  # of what losses learn in order to be larger, as NCFM takes it
_LOSSES = (
    Term(name="mean"),
    Term(name="moment", weight=0.1),
    Term(name="intra-class", weight=0.05),
    Term(name="inter-class", weight=0.1),
    Term(name="cross-entropy", weight=0.2),
)


class GenerativeConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of `generative`. Weights are those of the summed loss; 0 switches a term off."""

    network: str = "convnet3-w32-in"  # embedding architecture
    networks: int = 4  # trained embedding networks; 0: only freshly drawn ones
    network_ages: tuple[int, ...] = (20, 60, 200, 600)  # steps after which snapshots are kept
    network_batch: int = 128  # real images per step
    network_lr: float = 1.0e-3
    pool: PoolKind = "trained"  # what matching steps embed with; interpolated: between initial and trained weights
    fresh_share: float = 0.1  # of matching steps that embed with a network drawn anew; pool random: all of them
    augmentation: str = "color_crop_cutout_flip_scale_rotate"  # operations of the Siamese augmentation

    reconstruct_steps: int = 4000  # 0: match from noise, as most of the field does
    reconstruct_batch: int = 128
    reconstruct_lr: float = 2.0e-3
    feature_weight: float = 0.5  # of reconstructing features beside pixels
    bits: float = 25.0  # rate of the latent code, bits per image
    rate_weight: float = 2.0e-3  # per nat of distance from that rate

    steps: int = 4000  # matching steps
    classes_per_step: int = 10  # drawn per step; all when there are fewer
    samples_per_class: int = 32  # synthetic, per step; even
    real_per_class: int = 64  # real, per step
    lr: float = 5.0e-4
    losses: tuple[Term, ...] = _LOSSES  # matched together under one network per step

    def __post_init__(self) -> None:
        for name in ("networks", "reconstruct_steps", "steps"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}")
        for name in ("network_batch", "reconstruct_batch", "classes_per_step", "real_per_class"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name, most in _MOST.items():
            if getattr(self, name) > most:
                raise ValueError(f"{name} must be at most {most}, got {getattr(self, name)}")
        for name in ("network_lr", "reconstruct_lr", "lr"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be above 0, got {getattr(self, name)}")
        if self.samples_per_class < 4 or self.samples_per_class % 2:
            raise ValueError(f"samples_per_class must be even and at least 4, got {self.samples_per_class}")
        if not 0 <= self.fresh_share <= 1:
            raise ValueError(f"fresh_share must be 0 to 1, got {self.fresh_share}")
        if list(self.network_ages) != sorted(set(self.network_ages)) or min(self.network_ages, default=1) < 1:
            raise ValueError(f"network_ages must rise from 1 or more, got {list(self.network_ages)}")
        if len(self.network_ages) > _MAX_AGES or max(self.network_ages, default=1) > _MAX_AGE:
            raise ValueError(f"network_ages must be at most {_MAX_AGES} numbers up to {_MAX_AGE}")
        if self.networks and not self.network_ages:
            raise ValueError("network_ages must not be empty while networks is above 0")
        if self.pool == "interpolated" and not self.networks:
            raise ValueError("pool 'interpolated' needs networks above 0")
        always_trained = self.networks and self.pool != "random" and not self.fresh_share
        if not any(term.weight and (always_trained or not term.needs_trained) for term in self.losses):
            raise ValueError("losses must hold a term that fresh networks allow, unless fresh_share is 0")
        Dsa(strategy=self.augmentation)  # checks the names


class Generative(Method):
    """Feature matching of a generator, with intra-class and inter-class losses. See the module."""

    Config = GenerativeConfig
    config: GenerativeConfig

    def __init__(
        self, config: GenerativeConfig, *, generator: Generator, law: LatentLaw, real: RealData, seed: int
    ) -> None:
        super().__init__(config, generator=generator, law=law, real=real, seed=seed)
        self.pool = EmbeddingPool(
            config.network,
            spec=real.spec,
            num_networks=config.networks,
            ages=config.network_ages,
            seed=seed,
            kind=config.pool,
        )
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            self.encoder = Encoder(spec=real.spec, dim=law.dim)
            self.objective = Objective(config.losses, num_features=self.pool.num_features)
        self._dsa = Dsa(strategy=config.augmentation)
        self._draws = ClassDraws(real.y, real.spec.num_classes)

    def stages(self) -> tuple[Stage, ...]:
        c = self.config
        pool_steps = c.networks * self.pool.steps_per_network
        stages = (
            Stage(name="pool", num_steps=pool_steps, lr=c.network_lr, final_lr_share=1.0, averaged=False),
            Stage(name="reconstruct", num_steps=c.reconstruct_steps, lr=c.reconstruct_lr, betas=(0.9, 0.99)),
            Stage(name="match", num_steps=c.steps, lr=c.lr, betas=(0.5, 0.99), opponent_lr=_OPPONENT_LR),
        )
        return tuple(stage for stage in stages if stage.num_steps)

    def begin(self, stage: Stage | None) -> None:
        if stage is None or stage.name == "pool":
            return
        self.pool.record(self.config.networks * self.pool.steps_per_network)
        if stage.name == "match":
            if self.config.reconstruct_steps:
                mean, variance = self._encode_all()
                fit_law(self.law, mean, variance, self.real.y, seed=self.seed)
            else:
                self.law.prepare()

    def trainable(self, stage: Stage) -> nn.Module:
        if stage.name == "pool":
            return self.pool.networks
        other = self.encoder if stage.name == "reconstruct" else self.law
        return nn.ModuleList([self.generator, other])

    def opponent(self, stage: Stage) -> nn.Module | None:
        return self.objective.learned if stage.name == "match" else None

    def step(self, stage: Stage, i: int, *, rank: int = 0) -> Mapping[str, Tensor]:
        rng = keyed_generator(self.seed, stage.name, i, rank)
        if stage.name == "pool":
            return self._train_network(i, rng)
        if stage.name == "reconstruct":
            return self._reconstruct(i / max(stage.num_steps, 1), rng)
        return self._match(i, rng, rank)

    # pool

    def _train_network(self, i: int, rng: torch.Generator) -> dict[str, Tensor]:
        self.pool.record(i)
        x, y = self._real_batch(self.config.network_batch, rng)
        augment = self._dsa.draw(rng, len(x))
        logits = self.pool.training_network(i)(augment(self.real.normalised(x)))
        return {"cross entropy": F.cross_entropy(logits.float(), y)}

    # reconstruct

    def _reconstruct(self, progress: float, rng: torch.Generator) -> dict[str, Tensor]:
        c = self.config
        x, y = self._real_batch(c.reconstruct_batch, rng)
        mean, log_var = (t.float() for t in self.encoder(x, y))
        noise = torch.randn(mean.shape, generator=rng).to(mean.device)
        out = self.generator(mean + (log_var / 2).exp() * noise, y).float()
        nats = 0.5 * (mean.square() + log_var.exp() - 1 - log_var).sum(1).mean()
        target_nats = c.bits * math.log(2) * min(1.0, 0.3 + 1.4 * progress)
        losses = {
            "pixels": ((out - x).square() + _CHARBONNIER**2).sqrt().mean(),
            "rate": c.rate_weight * (nats - target_nats).abs(),
        }
        if c.feature_weight and c.networks:
            losses["features"] = c.feature_weight * self._feature_distance(out, x, rng)
        return losses

    def _feature_distance(self, out: Tensor, x: Tensor, rng: torch.Generator) -> Tensor:
        """Mean absolute difference of the first two blocks' outputs, in real deviations."""
        network = self.pool.trained(rng)
        outs = network.block_outputs(self.real.normalised(out))
        with torch.no_grad():
            targets = network.block_outputs(self.real.normalised(x))
        distances = [
            ((a.float() - b.float()).abs() / (b.float().std() + 1e-6)).mean()
            for a, b in zip(outs[:2], targets[:2], strict=True)
        ]
        return torch.stack(distances).mean()

    @torch.no_grad()
    def _encode_all(self) -> tuple[Tensor, Tensor]:
        means, variances = [], []
        for x_u8, y in zip(torch.split(self.real.x_u8, 512), torch.split(self.real.y, 512), strict=True):
            mean, log_var = self.encoder(x_u8.float() / 255, y)
            means.append(mean.float())
            variances.append(log_var.float().exp())
        return torch.cat(means), torch.cat(variances)

    # match

    def _match(self, i: int, rng: torch.Generator, rank: int) -> dict[str, Tensor]:
        c = self.config
        classes = torch.randperm(self.real.spec.num_classes, generator=rng)[: c.classes_per_step]
        rows = self._draws.indices(classes, c.real_per_class, rng).to(self.real.y.device)
        x_real, y_real = self.real.x_u8[rows].float() / 255, self.real.y[rows]
        y_syn = classes.to(y_real.device).repeat_interleave(c.samples_per_class)
        z = draw_latents(self.law, y_syn, seed=self.seed, stream=f"match-{rank}", step=i)
        x_syn = self.generator(z, y_syn).float()

        network, is_trained = self.pool.draw(rng, fresh_share=c.fresh_share, device=y_real.device)
        augment = self._dsa.draw(rng, 1, shared=True)
        syn = embed(network, augment(self.real.normalised(x_syn)), y_syn, num_classes=len(classes))
        with torch.no_grad():
            real = embed(network, augment(self.real.normalised(x_real)), y_real, num_classes=len(classes))
        losses: dict[str, Tensor] = self.objective(syn, real, rng, trained=is_trained)
        return losses

    def _real_batch(self, count: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        rows = torch.randint(len(self.real.y), (count,), generator=rng).to(self.real.y.device)
        return self.real.x_u8[rows].float() / 255, self.real.y[rows]
