"""`generative`: condense into a generator by feature matching with class relations (arXiv:2309.07698).

Certain from the paper (its abstract): the condensed dataset is a conditional generative model; its features match the
real ones; an intra-class loss pushes samples of a class apart, an inter-class loss widens the gap between the centres
of classes. Everything else here (architecture, warm start, embedding pool, latent codes, the losses' exact forms and
weights) is ours: the paper's code and details are not public.

Four stages:
    pool         trains small classifiers on the real data and keeps snapshots of several ages: the embedders.
    reconstruct  fits the generator as the decoder of a class-conditional variational autoencoder (Kingma and Welling
                 2014; the rate is held at a target as in Burgess et al. 2018), then the latent law to the codes.
    refine       fits generator and codes to the real samples that the codes encode, and to no others: an encoder has
                 to serve every image, a codebook only its own (as auto-decoders do, Park et al. 2019).
    match        draws from the latent law and matches class-wise feature statistics under a network of the pool and
                 one Siamese augmentation per step, with the intra-class and the inter-class loss beside it.

The last share of the steps of refine and of match computes with weights and codes rounded as they will be stored.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import msgspec
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from gendata.augmentation.dsa import Dsa
from gendata.errors import SpecError
from gendata.generators.generator import Generator
from gendata.latents.codebook import Codebook
from gendata.latents.law import LatentLaw
from gendata.losses.embedded import embed
from gendata.losses.objective import Objective, Term
from gendata.methods.draws import ClassDraws, draw_latents, keyed_generator
from gendata.methods.embedding_pool import EmbeddingPool, PoolKind
from gendata.methods.encoder import Encoder
from gendata.methods.latent_fit import CodeOrigin, fit_law
from gendata.methods.method import Method, RealData, Stage
from gendata.methods.quantised import as_stored, stored_weights

_MAX_BATCH = 65536
_MOST = {
    "networks": 1000,
    "network_batch": _MAX_BATCH,
    "reconstruct_batch": _MAX_BATCH,
    "classes_per_step": _MAX_BATCH,
    "samples_per_class": _MAX_BATCH,
    "real_per_class": _MAX_BATCH,
    "reconstruct_steps": 10**8,
    "refine_steps": 10**8,
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
    codes_from: CodeOrigin = "centres"  # of a codebook: k-means centres, or the real samples nearest to them

    refine_steps: int = 0  # on the real samples that codes encode; needs a codebook of samples
    refine_lr: float = 1.0e-3

    steps: int = 4000  # matching steps
    classes_per_step: int = 10  # drawn per step; all when there are fewer
    samples_per_class: int = 32  # synthetic, per step; even
    real_per_class: int = 64  # real, per step
    lr: float = 5.0e-4
    losses: tuple[Term, ...] = _LOSSES  # matched together under one network per step
    anchor_weight: float = 0.0  # of the samples that codes encode, pixel by pixel, beside matching; as `refine_steps`
    rounded_share: float = 0.25  # of the steps of refine and of match, the last ones, through storage's rounding

    def __post_init__(self) -> None:
        for name in ("networks", "reconstruct_steps", "refine_steps", "steps", "anchor_weight"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}")
        for name in ("network_batch", "reconstruct_batch", "classes_per_step", "real_per_class"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name, most in _MOST.items():
            if getattr(self, name) > most:
                raise ValueError(f"{name} must be at most {most}, got {getattr(self, name)}")
        for name in ("network_lr", "reconstruct_lr", "refine_lr", "lr"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be above 0, got {getattr(self, name)}")
        if self.samples_per_class < 4 or self.samples_per_class % 2:
            raise ValueError(f"samples_per_class must be even and at least 4, got {self.samples_per_class}")
        for name in ("fresh_share", "rounded_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be 0 to 1, got {getattr(self, name)}")
        encodes_samples = self.codes_from == "samples" and self.reconstruct_steps
        if (self.refine_steps or self.anchor_weight) and not encodes_samples:
            raise ValueError("refine_steps and anchor_weight need codes_from: samples and reconstruct_steps above 0")
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
        if config.codes_from == "samples" and not isinstance(law, Codebook):
            raise SpecError(
                f"latent law {type(law).__name__}", where="method generative: codes_from", expected="codebook"
            )
        encoded = torch.zeros(law.codes.shape[:2], dtype=torch.int64) if isinstance(law, Codebook) else None
        self.register_buffer("encoded", encoded)  # rows of the real samples that codes encode
        self.encoded: Tensor | None
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
            Stage(name="refine", num_steps=c.refine_steps, lr=c.refine_lr, betas=(0.9, 0.99)),
            Stage(name="match", num_steps=c.steps, lr=c.lr, betas=(0.5, 0.99), opponent_lr=_OPPONENT_LR),
        )
        return tuple(stage for stage in stages if stage.num_steps)

    def begin(self, stage: Stage | None) -> None:
        if stage is None or stage.name == "pool":
            return
        self.pool.record(self.config.networks * self.pool.steps_per_network)
        if stage.name == ("refine" if self.config.refine_steps else "match"):
            self._fit_law()

    def _fit_law(self) -> None:
        if not self.config.reconstruct_steps:
            self.law.prepare()
            return
        mean, variance = self._encode_all()
        rows = fit_law(self.law, mean, variance, self.real.y, seed=self.seed, codes_from=self.config.codes_from)
        if rows is not None:
            self.encoded = rows

    def finish(self) -> None:
        if not (self.config.refine_steps or self.config.steps):
            self._fit_law()

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
        weights = _Weights(self, rounded=i >= (1 - self.config.rounded_share) * stage.num_steps)
        if stage.name == "refine":
            return self._refine(weights, rng)
        return self._match(weights, i, rng, rank)

    # pool

    def _train_network(self, i: int, rng: torch.Generator) -> dict[str, Tensor]:
        self.pool.record(i)
        x, y = self.real.batch(self.config.network_batch, rng)
        augment = self._dsa.draw(rng, len(x))
        logits = self.pool.training_network(i)(augment(self.real.normalised(x)))
        return {"cross entropy": F.cross_entropy(logits.float(), y)}

    # reconstruct

    def _reconstruct(self, progress: float, rng: torch.Generator) -> dict[str, Tensor]:
        c = self.config
        x, y = self.real.batch(c.reconstruct_batch, rng)
        mean, log_var = (t.float() for t in self.encoder(x, y))
        noise = torch.randn(mean.shape, generator=rng).to(mean.device)
        out = self.generator(mean + (log_var / 2).exp() * noise, y).float()
        nats = 0.5 * (mean.square() + log_var.exp() - 1 - log_var).sum(1).mean()
        target_nats = c.bits * math.log(2) * min(1.0, 0.3 + 1.4 * progress)
        return {"rate": c.rate_weight * (nats - target_nats).abs(), **self._distances(out, x, rng)}

    def _distances(self, out: Tensor, x: Tensor, rng: torch.Generator) -> dict[str, Tensor]:
        """Between images and what they are to be, pair by pair."""
        losses = {"pixels": _pixel_distance(out, x)}
        if self.config.feature_weight and self.config.networks:
            losses["features"] = self.config.feature_weight * self._feature_distance(out, x, rng)
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

    # refine

    def _refine(self, weights: _Weights, rng: torch.Generator) -> dict[str, Tensor]:
        return self._distances(*self._code_batch(weights, rng), rng)

    def _code_batch(self, weights: _Weights, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Images of codes, and the real samples that these codes encode."""
        assert self.encoded is not None
        num_codes = self.encoded.shape[1]
        picks = torch.randint(self.encoded.numel(), (self.config.reconstruct_batch,), generator=rng)
        y, code = (picks // num_codes).to(self.encoded.device), (picks % num_codes).to(self.encoded.device)
        x = self.real.x_u8[self.encoded[y, code]].float() / 255
        return weights.generate(weights.codes[y, code], y), x

    # match

    def _match(self, weights: _Weights, i: int, rng: torch.Generator, rank: int) -> dict[str, Tensor]:
        c = self.config
        classes = torch.randperm(self.real.spec.num_classes, generator=rng)[: c.classes_per_step]
        rows = self._draws.indices(classes, c.real_per_class, rng).to(self.real.y.device)
        x_real, y_real = self.real.x_u8[rows].float() / 255, self.real.y[rows]
        y_syn = classes.to(y_real.device).repeat_interleave(c.samples_per_class)
        z = draw_latents(self.law, y_syn, seed=self.seed, stream=f"match-{rank}", step=i, forward=weights.latents)
        x_syn = weights.generate(z, y_syn)

        network, is_trained = self.pool.draw(rng, fresh_share=c.fresh_share, device=y_real.device)
        augment = self._dsa.draw(rng, 1, shared=True)
        syn = embed(network, augment(self.real.normalised(x_syn)), y_syn, num_classes=len(classes))
        with torch.no_grad():
            real = embed(network, augment(self.real.normalised(x_real)), y_real, num_classes=len(classes))
        losses: dict[str, Tensor] = self.objective(syn, real, rng, trained=is_trained)
        if c.anchor_weight:
            losses["anchor"] = c.anchor_weight * _pixel_distance(*self._code_batch(weights, rng))
        return losses


class _Weights:
    """Generator and law of one step: as they are, or as the artifact will give them back."""

    def __init__(self, method: Generative, *, rounded: bool) -> None:
        self._generator: Callable[..., Tensor] = method.generator
        self._law = method.law
        self._law_weights: dict[str, Tensor] = dict(method.law.named_parameters())
        if rounded:
            self._generator = as_stored(method.generator, method.storage)
            self._law_weights = stored_weights(method.law, method.storage)

    def generate(self, z: Tensor, y: Tensor) -> Tensor:
        return self._generator(z, y).float()

    def latents(self, *inputs: Tensor) -> Tensor:
        out: Tensor = functional_call(self._law, self._law_weights, inputs)
        return out

    @property
    def codes(self) -> Tensor:
        return self._law_weights["codes"]


def _pixel_distance(out: Tensor, x: Tensor) -> Tensor:
    return ((out - x).square() + _CHARBONNIER**2).sqrt().mean()
