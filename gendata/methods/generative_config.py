"""Options of `generative`."""

from __future__ import annotations

import math

import msgspec

from gendata.augmentation.dsa import Dsa
from gendata.generators.label_head import LabelHeadConfig
from gendata.losses.objective import Term
from gendata.methods.code_order import FrozenChoice
from gendata.methods.embedding_pool import PoolKind
from gendata.methods.expert_trajectories import ExpertConfig
from gendata.methods.latent_fit import CodeOrigin
from gendata.methods.set_gradients import GradientConfig
from gendata.methods.set_trajectories import TrajectoryConfig
from gendata.methods.unrolled_students import UnrollConfig

_MAX_BATCH = 65536
_MOST = {
    "networks": 1000,
    "network_batch": _MAX_BATCH,
    "reconstruct_batch": _MAX_BATCH,
    "classes_per_step": _MAX_BATCH,
    "samples_per_class": _MAX_BATCH,
    "real_per_class": _MAX_BATCH,
    "reconstruct_steps": 10**8,
    "reconstruct_warmup": 10**8,
    "refine_steps": 10**8,
    "steps": 10**8,
    "frozen_steps": 10**8,
    "label_steps": 10**8,
    "label_batch": _MAX_BATCH,
}
_MAX_AGES, _MAX_AGE = 32, 10**6
_MAX_SETS = 16
_MAX_HARDNESS = 1000.0
_LOSSES = (
    Term(name="mean"),
    Term(name="moment", weight=0.1),
    Term(name="intra-class", weight=0.05),
    Term(name="inter-class", weight=0.1),
    Term(name="cross-entropy", weight=0.2),
)
_FROZEN_LOSSES = (Term(name="mean", options={"estimator": "plain"}),)


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
    reconstruct_warmup: int = 0  # steps over which that rate is reached; wide generators may go black without
    feature_weight: float = 0.5  # of reconstructing features beside pixels; without networks they are not compared
    # Side of the window, as a share of the image's, in which features are compared, at another place in every step. One
    # glaring spot shifts the statistics of instance norm, which makes the features of a dull image resemble real ones
    # (the droplets of StyleGAN, Karras et al. 2020); most windows do not see it. 1: the whole image.
    feature_window: float = 1.0
    bits: float = 25.0  # rate of the latent code, bits per image
    rate_weight: float = 2.0e-3  # per nat of distance from that rate
    # Least deviation of a code's numbers while reconstructing. About that of rounding, 0.1 for int4: then the bits are
    # spread over all numbers, where they else go to some of them, more than these can keep. 0: none.
    code_noise: float = 0.0
    # Of a codebook: k-means centres, or the real samples nearest to them; without reconstruct_steps they stay as drawn.
    codes_from: CodeOrigin = "centres"

    # Real samples count 1 + hardness * (1 - p) where codes are chosen and while samples are matched, p being the
    # probability that the pool's oldest networks give their class. 0: all count the same.
    hardness: float = 0.0

    refine_steps: int = 0  # on the real samples that codes encode; needs a codebook of samples
    refine_lr: float = 1.0e-3

    steps: int = 4000  # matching steps
    classes_per_step: int = 10  # drawn per step; all when there are fewer
    samples_per_class: int = 32  # synthetic, per step; even
    real_per_class: int = 64  # real, per step
    lr: float = 5.0e-4
    losses: tuple[Term, ...] = _LOSSES  # matched together under one network per step
    anchor_weight: float = 0.0  # of the samples that codes encode, pixel by pixel, beside matching; as `refine_steps`

    frozen_weight: float = 0.0  # of the frozen set's terms beside those of samples, while matching; as `frozen_steps`
    # Which codes are the frozen set before that: those that cover their class, or a group with its statistics.
    frozen_choice: FrozenChoice = "covering"
    frozen_steps: int = 0  # on the codes of the frozen set alone, to stand for its class; needs `frozen: codes`
    frozen_lr: float = 0.02
    frozen_losses: tuple[Term, ...] = _FROZEN_LOSSES  # the frozen set is stored, not sampled: estimators are plain
    # After that codes are moved until networks would learn from the first `ipc` images of a class what they would
    # from real ones; where there are several entries each leaves alone what those before it have moved. Empty: none.
    gradients: tuple[GradientConfig, ...] = ()
    # Then by what students do learn from them, through their training; entries as above.
    unroll: tuple[UnrollConfig, ...] = ()
    # And last until students that train on them follow experts, which a stage before that trains; entries as above.
    trajectories: tuple[TrajectoryConfig, ...] = ()
    experts: ExpertConfig = ExpertConfig()

    label_steps: int = 0  # on a head that gives every sample the soft label of the pool's oldest networks; 0: no head
    label_head: LabelHeadConfig = LabelHeadConfig()
    label_batch: int = 256  # samples per step
    label_lr: float = 5.0e-3
    label_temperature: float = 1.0  # of the networks' answers

    # Of the steps of refine and match: the last ones compute with what is stored. Then of freeze, gradients and unroll,
    # where the generator is the stored one in all steps: with codes as stored. Trajectories have a share of their own.
    rounded_share: float = 0.25

    def __post_init__(self) -> None:
        for name in (
            "networks",
            "reconstruct_steps",
            "reconstruct_warmup",
            "feature_weight",
            "bits",
            "rate_weight",
            "refine_steps",
            "steps",
            "anchor_weight",
            "frozen_weight",
            "frozen_steps",
            "hardness",
            "label_steps",
        ):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}")
        if self.real_per_class < 2:
            raise ValueError(f"real_per_class must be at least 2, one image has no spread, got {self.real_per_class}")
        for name in ("network_batch", "reconstruct_batch", "classes_per_step", "label_batch"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name, most in _MOST.items():
            if getattr(self, name) > most:
                raise ValueError(f"{name} must be at most {most}, got {getattr(self, name)}")
        for name in ("network_lr", "reconstruct_lr", "refine_lr", "lr", "frozen_lr", "label_lr", "label_temperature"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be above 0, got {getattr(self, name)}")
        if self.samples_per_class < 4 or self.samples_per_class % 2:
            raise ValueError(f"samples_per_class must be even and at least 4, got {self.samples_per_class}")
        if not 0 <= self.code_noise < 1:
            raise ValueError(f"code_noise must be 0 or more and below 1, all that a code varies, got {self.code_noise}")
        for name in ("fresh_share", "rounded_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be 0 to 1, got {getattr(self, name)}")
        encodes_samples = self.codes_from == "samples" and self.reconstruct_steps
        if (self.refine_steps or self.anchor_weight or self.hardness) and not encodes_samples:
            raise ValueError(
                "refine_steps, anchor_weight and hardness need codes_from: samples and reconstruct_steps above 0"
            )
        if (self.anchor_weight or self.frozen_weight) and not self.steps:
            raise ValueError("anchor_weight and frozen_weight weigh terms of matching: they need steps above 0")
        if not 0 < self.feature_window <= 1:
            raise ValueError(f"feature_window must be above 0 and at most 1, got {self.feature_window}")
        if not self.hardness <= _MAX_HARDNESS:
            raise ValueError(f"hardness must be at most {_MAX_HARDNESS:g}, got {self.hardness}")
        if list(self.network_ages) != sorted(set(self.network_ages)) or min(self.network_ages, default=1) < 1:
            raise ValueError(f"network_ages must rise from 1 or more, got {list(self.network_ages)}")
        if len(self.network_ages) > _MAX_AGES or max(self.network_ages, default=1) > _MAX_AGE:
            raise ValueError(f"network_ages must be at most {_MAX_AGES} numbers up to {_MAX_AGE}")
        if self.networks and not self.network_ages:
            raise ValueError("network_ages must not be empty while networks is above 0")
        if self.pool == "interpolated" and not self.networks:
            raise ValueError("pool 'interpolated' needs networks above 0")
        if self.frozen_choice != "covering" and not self.reconstruct_steps:
            raise ValueError("frozen_choice needs reconstruct_steps above 0, which give the codes")
        for name, given in (("label_steps", "the labels"), ("hardness", "the probabilities")):
            if getattr(self, name) and not self.networks:
                raise ValueError(f"{name} needs networks above 0, which give {given}")
        for name in ("gradients", "trajectories", "unroll"):
            if len(getattr(self, name)) > _MAX_SETS:
                raise ValueError(f"{name} must have at most {_MAX_SETS} entries, got {len(getattr(self, name))}")
        for entry in self.trajectories:
            if entry.latest + entry.span > self.experts.points:
                raise ValueError(
                    f"latest {entry.latest} and span {entry.span} of trajectories must end within the experts' "
                    f"{self.experts.points} points"
                )
        always_trained = self.networks and self.pool != "random" and not self.fresh_share
        for name in ("losses", "frozen_losses"):
            if not any(term.weight and (always_trained or not term.needs_trained) for term in getattr(self, name)):
                raise ValueError(f"{name} must hold a term that fresh networks allow, unless fresh_share is 0")
        Dsa(strategy=self.augmentation)  # checks the names
