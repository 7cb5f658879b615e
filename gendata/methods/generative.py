"""`generative`: condense into a generator by feature matching with class relations (arXiv:2309.07698).

Certain from the paper (its abstract): the condensed dataset is a conditional generative model; its features match the
real ones; an intra-class loss pushes samples of a class apart, an inter-class loss widens the gap between the centres
of classes. Everything else here (architecture, warm start, embedding pool, latent codes, the losses' exact forms and
weights) is ours: the paper's code and details are not public.

Ten stages, of which a recipe may leave out most:
    pool         trains small classifiers on the real data and keeps snapshots of several ages: the embedders.
    reconstruct  fits the generator as the decoder of a class-conditional variational autoencoder (Kingma and Welling
                 2014; the rate is held at a target as in Burgess et al. 2018), then the latent law to the codes.
    refine       fits generator and codes to the real samples that the codes encode, and to no others: an encoder has
                 to serve every image, a codebook only its own (as auto-decoders do, Park et al. 2019).
    match        draws from the latent law and matches class-wise feature statistics under a network of the pool and
                 one Siamese augmentation per step, with the intra-class and the inter-class loss beside it. With
                 `frozen_weight` the frozen set is matched too, so that generator and codes serve both.
    freeze       moves the codes of the frozen set, and nothing else, until that set has the features of its classes: DM
                 (Zhao and Bilen 2023), with a few numbers per image in the place of its pixels. New samples hardly
                 change.
    gradient     moves them on until networks in training on real images would learn from that set what they learn from
                 real images (DC, DSA, IDC; see `set_gradients`). A larger set that begins with it may follow.
    unroll       moves them on so that students that train on that set err less on real images: the gradient runs back
                 through their training (see `unrolled_students`), of larger sets too.
    experts      trains networks on the real data and keeps what they were on the way (see `expert_trajectories`).
    trajectory   moves the codes on until students that train on that set follow these experts (MTT; see
                 `set_trajectories`), of larger sets too.
    label        fits a label head to what the pool's oldest networks say of samples, which are left as they are
                 (knowledge distillation, Hinton et al. 2015, into the latent in the place of an image).

With `hardness` codes are rather the encodings of hard real samples, and samples are matched to a class in which these
count more: as many steps on images that are harder on average teach more, as long as these are many. The stages
freeze, gradient, unroll, experts and trajectory go by all real samples evenly.

The last share of the steps of refine, match, freeze, gradient, unroll and trajectory computes with weights and codes
rounded as they will be stored; of trajectory it is a share of its own. From freeze on nothing moves the generator any
more: it is the stored one in all steps. Codes keep the grid of stored values that they have then.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from functools import cached_property

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gendata.artifact.storage import entry_for, scales_of, storage_for
from gendata.augmentation.dsa import Dsa
from gendata.errors import RecipeError, SpecError
from gendata.generators.generator import Generator
from gendata.generators.label_head import LabelHead
from gendata.latents.codebook import Codebook
from gendata.latents.law import LatentLaw
from gendata.losses.embedded import Embedded, embed
from gendata.losses.objective import Objective
from gendata.methods.draws import ClassDraws, draw_latents, keyed_generator
from gendata.methods.embedding_pool import EmbeddingPool
from gendata.methods.encoder import Encoder
from gendata.methods.expert_trajectories import ExpertTrajectories
from gendata.methods.generative_config import GenerativeConfig
from gendata.methods.latent_fit import fit_law
from gendata.methods.method import Method, RealData, Stage
from gendata.methods.quantised import StepWeights
from gendata.methods.stored_sets import EXPERTS, StoredSet, StoredSets
from gendata.networks import build_network
from gendata.spec import SampleSpec

_SMALLEST_WINDOW_PX = 16  # that four poolings leave one pixel of
_CHECKED_EVERY = 100  # steps of reconstruct
_CHECKED_SAMPLES = 4  # of a class
_LEAST_SPREAD = 1e-3  # of any pixel over a batch, in [0, 1]
_CHARBONNIER = 0.01  # below this pixel error the loss is quadratic
_OPPONENT_LR = 1.0e-3  # of what losses learn in order to be larger, as NCFM takes it


class Generative(Method):
    """Feature matching of a generator, with intra-class and inter-class losses. See the module."""

    Config = GenerativeConfig
    config: GenerativeConfig

    def __init__(
        self, config: GenerativeConfig, *, generator: Generator, law: LatentLaw, real: RealData, seed: int
    ) -> None:
        super().__init__(config, generator=generator, law=law, real=real, seed=seed)
        _check_parts(config, generator, law, real.spec)
        encoded = torch.zeros(law.codes.shape[:2], dtype=torch.int64) if isinstance(law, Codebook) else None
        self.register_buffer("encoded", encoded)  # rows of the real samples that codes encode
        self.encoded: Tensor | None
        # how much each real sample counts, from its hardness
        self.register_buffer("weights_of_real", torch.ones(len(real.y)) if config.hardness else None)
        self.weights_of_real: Tensor | None
        # scales of the grid that codes are stored on, once the stages that move some of them begin; 0: not yet
        self.register_buffer("code_scales", torch.zeros(real.spec.num_classes))
        self.code_scales: Tensor
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
            self.encoder = Encoder(spec=real.spec, dim=law.dim - law.num_noise)
            matched = bool(config.steps)
            frozen_too = bool(config.frozen_steps or (matched and config.frozen_weight))
            num_features = self.pool.num_features if matched or frozen_too else 0
            self.objective = Objective(config.losses if matched else (), num_features=num_features)
            self.frozen_objective = Objective(config.frozen_losses if frozen_too else (), num_features=num_features)
            self.head: LabelHead | None = None
            if config.label_steps:
                num_classes, code_dim = real.spec.num_classes, law.dim - law.num_noise
                self.head = LabelHead(config.label_head, num_classes=num_classes, code_dim=code_dim)
        if matched or frozen_too:
            _check_terms(config, real, {"losses": self.objective, "frozen_losses": self.frozen_objective})
        self._dsa = Dsa(strategy=config.augmentation)
        self.stored_sets = StoredSets(config, real=real, augment=self._dsa, seed=seed)
        self._draws = ClassDraws(real.y, real.spec.num_classes)
        self._noise: dict[int, Tensor] = {}  # of the last stored set, by its images per class

    def stages(self) -> tuple[Stage, ...]:
        c = self.config
        # Of a set larger than the codebook the codes are matched; draws make up the rest.
        matched = min(self.ipc, self._num_codes)
        self.frozen_objective.check_samples(matched, where="method generative: frozen_losses")
        pool_steps = c.networks * self.pool.steps_per_network if self._reads_trained else 0
        stages = (
            Stage(name="pool", num_steps=pool_steps, lr=c.network_lr, final_lr_share=1.0, averaged=False),
            Stage(
                name="reconstruct",
                num_steps=c.reconstruct_steps,
                lr=c.reconstruct_lr,
                warmup_steps=c.reconstruct_warmup,
                betas=(0.9, 0.99),
            ),
            Stage(name="refine", num_steps=c.refine_steps, lr=c.refine_lr, betas=(0.9, 0.99)),
            Stage(name="match", num_steps=c.steps, lr=c.lr, betas=(0.5, 0.99), opponent_lr=_OPPONENT_LR),
            Stage(name="freeze", num_steps=c.frozen_steps, lr=c.frozen_lr, betas=(0.5, 0.99), opponent_lr=_OPPONENT_LR),
            *self.stored_sets.stages(ipc=self.ipc, num_codes=self._num_codes),
            Stage(name="label", num_steps=c.label_steps, lr=c.label_lr),
        )
        return tuple(stage for stage in stages if stage.num_steps)

    @property
    def _reads_trained(self) -> bool:
        """Whether anything asks the trained networks of the pool."""
        c, matched = self.config, bool(self.objective.terms or self.frozen_objective.terms)
        compared = c.feature_weight and (c.reconstruct_steps or c.refine_steps)
        return bool(compared or c.hardness or c.label_steps or (matched and c.pool != "random"))

    @property
    def _experts(self) -> ExpertTrajectories:
        assert self.stored_sets.experts is not None
        return self.stored_sets.experts

    @property
    def _num_codes(self) -> int:
        """Of every class; 0: the law has none."""
        return self.law.codes.shape[1] if isinstance(self.law, Codebook) else 0

    def _moved_set(self, stage: Stage) -> StoredSet | None:
        """The one that this stage moves; None: it moves something else."""
        sets = self.stored_sets.sets(ipc=self.ipc, num_codes=self._num_codes)
        return next((moved for moved in sets if moved.stage.name == stage.name), None)

    def begin(self, stage: Stage | None) -> None:
        if stage is None or stage.name == "pool":
            return
        self.pool.record(self.config.networks * self.pool.steps_per_network)
        moved = self._moved_set(stage)
        if moved and moved.follows_experts:
            self._experts.record(self.config.experts.num_steps)
        if stage.name == self._fitted_before:
            self._fit_law()
        elif stage.name == "match":
            self.law.prepare()  # refine has moved the codes
        if moved or stage.name == "freeze":
            self._hold_grid()

    @property
    def _fitted_before(self) -> str | None:
        """The first stage that uses the latent law; None: there is none."""
        return next((stage.name for stage in self.stages() if stage.name not in ("pool", "reconstruct")), None)

    def _fit_law(self) -> None:
        if not self.config.reconstruct_steps:
            self.law.prepare()
            return
        self._weigh_real()
        mean, variance = self._encode_all()
        group = self.ipc if self.config.frozen_choice == "group" else 0
        rows = fit_law(
            self.law,
            mean,
            variance,
            self.real.y,
            seed=self.seed,
            codes_from=self.config.codes_from,
            group=group,
            weights=self.weights_of_real,
        )
        if rows is not None:
            self.encoded = rows

    @torch.no_grad()
    def _weigh_real(self) -> None:
        if self.weights_of_real is None:
            return
        known = []
        for x_u8, y in zip(torch.split(self.real.x_u8, 512), torch.split(self.real.y, 512), strict=True):
            said = self.pool.mean_answer(self.real.normalised(x_u8.float() / 255), temperature=1.0)
            known.append(said.gather(1, y[:, None])[:, 0])
        self.weights_of_real = 1 + self.config.hardness * (1 - torch.cat(known))

    @cached_property
    def _weights_on_host(self) -> Tensor | None:
        """Asked for when nothing changes them any more."""
        return None if self.weights_of_real is None else self.weights_of_real.cpu()

    @torch.no_grad()
    def _hold_grid(self) -> None:
        """From here on codes are rounded by the scales that storage would choose now. All codes of a class share one:
        those that move on would else change how the others are stored.
        """
        scales = scales_of(self._codes, storage_for(self._codes, self.latent_storage))
        if scales is not None and not self.code_scales.any():
            self.code_scales.copy_(scales)

    @property
    def _codes(self) -> Tensor:
        assert isinstance(self.law, Codebook)
        return self.law.codes

    @property
    def law_scales(self) -> dict[str, Tensor]:
        if not self.code_scales.any():
            return {}
        entry = entry_for("codes", self._codes, storage_for(self._codes, self.latent_storage))
        return {"codes": self.code_scales[: entry.num_scales]}

    def finish(self) -> None:
        if self._fitted_before is None:
            self._fit_law()

    def trainable(self, stage: Stage) -> nn.Module:
        if stage.name == "pool":
            return self.pool.networks
        if stage.name == "freeze":
            return nn.ParameterList([self.law.codes])
        if stage.name == EXPERTS:
            return self._experts.networks
        if stage.name == "label":
            assert self.head is not None
            return self.head
        if moved := self._moved_set(stage):
            return nn.ParameterList([self.law.codes, *moved.learned])
        other = self.encoder if stage.name == "reconstruct" else self.law
        return nn.ModuleList([self.generator, other])

    def opponent(self, stage: Stage) -> nn.Module | None:
        objectives = [self.objective] if stage.name == "match" else []
        if stage.name == "freeze" or (stage.name == "match" and self.config.frozen_weight):
            objectives.append(self.frozen_objective)
        learned = [objective for objective in objectives if objective.learned]
        return nn.ModuleList(learned) if learned else None

    def step(self, stage: Stage, i: int, *, rank: int = 0) -> Mapping[str, Tensor]:
        rng = keyed_generator(self.seed, stage.name, i, rank)
        if stage.name == "pool":
            return self._train_network(i, rng)
        if stage.name == "reconstruct":
            return self._reconstruct(i, i / max(stage.num_steps, 1), rng)
        moved = self._moved_set(stage)
        is_done = moved is not None or stage.name in ("freeze", "label")  # the generator, running statistics and all
        self.generator.train(not is_done)
        if stage.name == "label":
            return self._label(i, rng, rank)
        if stage.name == EXPERTS:
            self._experts.record(i)
            return {"cross entropy": self._experts.loss(i, rng)}
        share = self.config.rounded_share if moved is None or moved.rounded_share is None else moved.rounded_share
        first_rounded = math.ceil((1 - share) * stage.num_steps)
        rounded = i >= first_rounded
        weights = self._weights(generator=rounded or is_done, law=rounded, held=is_done)
        if stage.name == "match" and i == first_rounded:
            self._mix_as_stored(weights)
        if stage.name == "refine":
            return self._refine(weights, rng)
        if stage.name == "freeze":
            return self._freeze(weights, rng)
        if moved:
            return self._move_set(weights, moved, i, rank)
        return self._match(weights, i, rng, rank)

    def _weights(self, *, generator: bool, law: bool, held: bool = True) -> StepWeights:
        """Those named as they will be stored, the others as they are; `held`: codes on the grid that they have then."""
        storage = (self.storage if generator else None, self.latent_storage if law else None)
        return StepWeights(self.generator, self.law, storage=storage, scales=self.law_scales if held else {})

    @torch.no_grad()
    def _mix_as_stored(self, weights: StepWeights) -> None:
        """What the law derives from its tensors (a code's neighbours) as it will be of the stored ones."""
        for derived, stored in zip(self.law.buffers(), self._law_as_stored(weights).buffers(), strict=True):
            derived.copy_(stored)

    def _law_as_stored(self, weights: StepWeights) -> LatentLaw:
        """A law of its own, with these weights, prepared."""
        law = copy.deepcopy(self.law)
        law.load_state_dict({**law.state_dict(), **weights.of_law})
        law.prepare()
        return law

    # pool

    def _train_network(self, i: int, rng: torch.Generator) -> dict[str, Tensor]:
        self.pool.record(i)
        x, y = self.real.batch(self.config.network_batch, rng)
        augment = self._dsa.draw(rng, len(x))
        logits = self.pool.training_network(i)(augment(self.real.normalised(x)))
        return {"cross entropy": F.cross_entropy(logits.float(), y)}

    # reconstruct

    def _reconstruct(self, i: int, progress: float, rng: torch.Generator) -> dict[str, Tensor]:
        c = self.config
        x, y = self.real.batch(c.reconstruct_batch, rng)
        mean, log_var = self._posterior(x, y)
        noise = torch.randn(mean.shape, generator=rng).to(mean.device)
        out = self.generator(mean + (log_var / 2).exp() * noise, y).float()
        if i % _CHECKED_EVERY == _CHECKED_EVERY - 1:
            _check_differ(out, x, step=i + 1)
        nats = 0.5 * (mean.square() + log_var.exp() - 1 - log_var).sum(1).mean()
        target_nats = c.bits * math.log(2) * min(1.0, 0.3 + 1.4 * progress)
        return {"rate": c.rate_weight * (nats - target_nats).abs(), **self._distances(out, x, rng)}

    def _posterior(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance (N, dim) of the codes of images; none is told more exactly than it will be kept."""
        mean, log_var = (t.float() for t in self.encoder(x, y))
        floor = self.config.code_noise
        return mean, log_var.clamp_min(2 * math.log(floor)) if floor else log_var

    def _distances(self, out: Tensor, x: Tensor, rng: torch.Generator) -> dict[str, Tensor]:
        """Between images and what they are to be, pair by pair."""
        losses = {"pixels": _pixel_distance(out, x)}
        if self.config.feature_weight and self.config.networks:
            losses["features"] = self.config.feature_weight * self._feature_distance(out, x, rng)
        return losses

    def _feature_distance(self, out: Tensor, x: Tensor, rng: torch.Generator) -> Tensor:
        """Mean absolute difference of the first two blocks' outputs, in real deviations."""
        network = self.pool.trained(rng)
        if self.config.feature_window < 1:
            out, x = _windows([out, x], self.config.feature_window, rng)
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
            mean, log_var = self._posterior(x_u8.float() / 255, y)
            means.append(mean)
            variances.append(log_var.exp())
        return torch.cat(means), torch.cat(variances)

    # refine

    def _refine(self, weights: StepWeights, rng: torch.Generator) -> dict[str, Tensor]:
        return self._distances(*self._code_batch(weights, rng), rng)

    def _code_batch(self, weights: StepWeights, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Images of codes, and the real samples that these codes encode."""
        assert self.encoded is not None
        num_codes = self.encoded.shape[1]
        picks = torch.randint(self.encoded.numel(), (self.config.reconstruct_batch,), generator=rng)
        y, code = (picks // num_codes).to(self.encoded.device), (picks % num_codes).to(self.encoded.device)
        x = self.real.x_u8[self.encoded[y, code]].float() / 255
        return weights.generate(weights.codes[y, code], y), x

    # match

    def _match(self, weights: StepWeights, i: int, rng: torch.Generator, rank: int) -> dict[str, Tensor]:
        c = self.config
        classes = self._classes(rng)
        y = classes.repeat_interleave(c.samples_per_class).to(self.real.y.device)
        z = draw_latents(self.law, y, seed=self.seed, stream=f"match-{rank}", step=i, forward=weights.latents)
        sides = [(self.objective, weights.generate(z, y), y)]
        if c.frozen_weight:
            sides.append((self.frozen_objective, *self._frozen_set(weights, classes)))
        losses, *others = self._matched(sides, classes, rng, weights=self._weights_on_host)
        for frozen in others:
            losses |= {f"frozen {name}": c.frozen_weight * value for name, value in frozen.items()}
        if c.anchor_weight:
            losses["anchor"] = c.anchor_weight * _pixel_distance(*self._code_batch(weights, rng))
        return losses

    def _classes(self, rng: torch.Generator) -> Tensor:
        """Those of this step, on the host: real samples are drawn there, and asking a GPU is waiting for it."""
        return torch.randperm(self.real.spec.num_classes, generator=rng)[: self.config.classes_per_step]

    def _matched(
        self,
        sides: Sequence[tuple[Objective, Tensor, Tensor]],
        classes: Tensor,
        rng: torch.Generator,
        *,
        weights: Tensor | None = None,
    ) -> list[dict[str, Tensor]]:
        """Terms between real images and each side's class-major images and labels, by that side's objective.

        All are seen by one network under one augmentation.

        Args:
            weights: how much each real sample counts, on the host; None: all the same.
        """
        rows = self._draws.indices(classes, self.config.real_per_class, rng, weights=weights).to(self.real.y.device)
        x_real, y_real = self.real.x_u8[rows].float() / 255, self.real.y[rows]
        network, is_trained = self.pool.draw(rng, fresh_share=self.config.fresh_share, device=y_real.device)
        augment = self._dsa.draw(rng, 1, shared=True)

        def embedded(x: Tensor, y: Tensor) -> Embedded:
            return embed(network, augment(self.real.normalised(x)), y, num_classes=len(classes))

        syn = [embedded(x, y) for _, x, y in sides]
        with torch.no_grad():
            real = embedded(x_real, y_real)
        return [
            objective(seen, real, rng, trained=is_trained) for (objective, _, _), seen in zip(sides, syn, strict=True)
        ]

    # freeze

    def _freeze(self, weights: StepWeights, rng: torch.Generator) -> dict[str, Tensor]:
        classes = self._classes(rng)
        side = (self.frozen_objective, *self._frozen_set(weights, classes, held=True))
        return self._matched([side], classes, rng)[0]

    def _frozen_set(self, weights: StepWeights, classes: Tensor, *, held: bool = False) -> tuple[Tensor, Tensor]:
        """Images and labels of the frozen set of some classes, whole: it is matched as what it is, not as a sample."""
        classes = classes.to(weights.codes.device)
        return self._stored(weights, weights.codes[classes, : self.ipc], classes, held=held)

    def _stored(self, weights: StepWeights, codes: Tensor, classes: Tensor, *, held: bool) -> tuple[Tensor, Tensor]:
        """Images and labels of the first codes (len(classes), codes per class, dim); see `StepWeights.generate`."""
        y = classes.repeat_interleave(codes.shape[1])
        z = torch.cat([codes, self._noise_of_set(codes.shape[1])[classes]], dim=2).flatten(0, 1)
        return weights.generate(z, y, held=held), y

    def _noise_of_set(self, count: int) -> Tensor:
        """What follows the first `count` codes of every class, (classes, count, noise): the same in every step."""
        if count not in self._noise:
            law, num_classes = self.law, self.real.spec.num_classes
            assert isinstance(law, Codebook)
            y = torch.arange(num_classes, device=law.codes.device).repeat_interleave(count)
            slot = torch.arange(count, device=y.device).repeat(num_classes)
            self._noise = {count: law.noise_of_codes(y, slot).view(num_classes, count, -1)}
        return self._noise[count]

    # gradient, unroll, trajectory

    def _move_set(self, weights: StepWeights, moved: StoredSet, i: int, rank: int) -> dict[str, Tensor]:
        """What teaches better than the images of the first codes of every class."""
        classes = torch.arange(len(weights.codes), device=weights.codes.device)
        codes = torch.cat([weights.codes[:, : moved.kept].detach(), weights.codes[:, moved.kept : moved.ipc]], dim=1)
        x, y = self._stored(weights, codes, classes, held=True)
        return {moved.loss: moved.judge.loss(x, y, i, rank=rank)}

    # label

    @property
    def label_head(self) -> LabelHead | None:
        return self.head

    @cached_property
    def _as_stored(self) -> tuple[StepWeights, LatentLaw]:
        """Generator and law as the artifact will give them back; asked for when nothing moves them any more."""
        weights = self._weights(generator=True, law=True)
        return weights, self._law_as_stored(weights)

    def _label(self, i: int, rng: torch.Generator, rank: int) -> dict[str, Tensor]:
        """KL divergence of the head's answers from the networks', in nats."""
        c, head = self.config, self.head
        assert head is not None
        y = torch.randint(self.real.spec.num_classes, (c.label_batch,), generator=rng).to(self.real.y.device)
        weights, law = self._as_stored
        with torch.no_grad():
            z = draw_latents(law, y, seed=self.seed, stream=f"label-{rank}", step=i)
            x = weights.generate(z, y)
            said = self.pool.mean_answer(self.real.normalised(x), temperature=c.label_temperature)
        given = head(z, y).float().log_softmax(1)
        return {"labels": F.kl_div(given, said, reduction="batchmean")}


def _check_parts(config: GenerativeConfig, generator: Generator, law: LatentLaw, spec: SampleSpec) -> None:
    """That options, generator, law and network go together; found now, not after hours."""
    if config.codes_from == "samples" and not isinstance(law, Codebook):
        raise SpecError(f"latent law {type(law).__name__}", where="method generative: codes_from", expected="codebook")
    trained = {name: getattr(config, name) for name in ("frozen_weight", "frozen_steps")}
    trained |= {name: bool(getattr(config, name)) for name in ("gradients", "unroll", "trajectories")}
    for name, used in {**trained, "frozen_choice": config.frozen_choice != "covering"}.items():
        if used and not (isinstance(law, Codebook) and law.config.frozen == "codes"):
            raise SpecError(
                "latents whose frozen set is drawn", where=f"method generative: {name}",
                expected="codebook with `frozen: codes`",
            )  # fmt: skip
    if not any(parameter.requires_grad for parameter in generator.parameters()):
        raise SpecError(
            f"generator {type(generator).__name__} has nothing to train", where="method generative",
            expected="a generator of samples, such as conv-decoder",
        )  # fmt: skip
    if law.num_distinct_per_class is not None:
        raise SpecError(
            f"latent law {type(law).__name__}, which has no new samples to match", where="method generative",
            expected="codebook, mixture or normal",
        )  # fmt: skip
    if config.networks and config.feature_weight and config.reconstruct_steps:
        seen = _window_size(spec.shape[1:], config.feature_window)
        _check_blocks(config.network, spec, seen)


def _check_terms(config: GenerativeConfig, real: RealData, objectives: Mapping[str, Objective]) -> None:
    """That the terms can be had of what the network tells of such images, and move them; found now, not after hours.

    Raises:
        SpecError: also by a term.
    """
    rng = torch.Generator().manual_seed(0)
    num_classes = min(2, config.classes_per_step, real.spec.num_classes)
    y = torch.arange(num_classes).repeat_interleave(_CHECKED_SAMPLES)
    x = torch.randn(len(y), *real.spec.shape, generator=rng).requires_grad_()
    network = build_network(config.network, spec=real.spec, seed=0).requires_grad_(False).eval()
    syn, seen = (embed(network, images, y, num_classes=num_classes) for images in (x, x.detach()))
    for name, objective in objectives.items():
        terms = objective(syn, seen, rng, trained=True)
        constant = [each for each, term in terms.items() if not term.requires_grad]
        if constant and (real.spec.num_classes > 1 or len(constant) == len(terms)):
            raise SpecError(
                f"of one class a step {', '.join(map(repr, constant))} is 0 whatever the samples",
                where=f"method generative: {name}", expected="classes_per_step of 2 or more, or terms of another kind",
            )  # fmt: skip


def _check_differ(out: Tensor, x: Tensor, *, step: int) -> None:
    """That images of different codes differ, where the real ones do; a generator that died never comes back."""
    if len(out) > 1 and float(out.detach().std(0).max()) < _LEAST_SPREAD and float(x.std(0).max()) > _LEAST_SPREAD:
        raise RecipeError(
            f"the generator makes one image of every code, after {step} steps of stage 'reconstruct'",
            where="method generative",
            remedy="Set reconstruct_warmup to 100, or lower reconstruct_lr; then run again with another --out.",
        )


def _windows(images: Sequence[Tensor], share: float, rng: torch.Generator) -> list[Tensor]:
    """The same part of each (N, C, H, W), `share` of a side. It goes on at the other edge: all pixels are as likely."""
    sides = images[0].shape[2:]
    shifts = [-int(torch.randint(side, (), generator=rng)) for side in sides]
    height, width = _window_size(sides, share)
    return [torch.roll(x, shifts, dims=(2, 3))[:, :, :height, :width] for x in images]


def _window_size(sides: Sequence[int], share: float) -> list[int]:
    """Height and width, in pixels."""
    return [max(min(side, _SMALLEST_WINDOW_PX), round(share * side)) for side in sides]


def _check_blocks(name: str, spec: SampleSpec, sides: Sequence[int]) -> None:
    """That a network tells blocks of images of that size; found now, not after its training."""
    try:
        with torch.no_grad():
            build_network(name, spec=spec, seed=0).block_outputs(torch.zeros(2, spec.channels, *sides))
    except RuntimeError as error:
        size = " x ".join(map(str, sides))
        raise SpecError(
            f"network {name} cannot see {size} pixels ({error})", where="method generative: network",
            expected="a network of convolutions, such as convnet3-w32-in", remedy="Or set feature_window to 1.",
        ) from None  # fmt: skip


def _pixel_distance(out: Tensor, x: Tensor) -> Tensor:
    return ((out - x).square() + _CHARBONNIER**2).sqrt().mean()
