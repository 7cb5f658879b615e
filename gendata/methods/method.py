"""The seam every method implements."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal

import msgspec
import torch
from torch import Tensor, nn

from gendata.artifact.space import Space
from gendata.artifact.storage import StorageDtype
from gendata.generators.generator import Generator
from gendata.generators.label_head import LabelHead
from gendata.latents.law import LatentLaw
from gendata.spec import SampleSpec


@dataclass(frozen=True, kw_only=True)
class RealData:
    """Real training data as methods see it: tensors, no paths."""

    x_u8: Tensor  # (N, C, H, W) uint8
    y: Tensor  # (N,) int64
    spec: SampleSpec
    mean: tuple[float, ...]  # per channel, of images in [0, 1]
    std: tuple[float, ...]

    def normalised(self, x: Tensor) -> Tensor:
        """Images in [0, 1] as networks see them: zero mean, unit deviation per channel."""
        mean, std = self._moments if x.device == self.x_u8.device else self._moments_on(x.device)
        return (x - mean) / std

    @cached_property
    def _moments(self) -> tuple[Tensor, Tensor]:
        """Kept: to bring them to a GPU is to wait for it, and a step asks dozens of times."""
        with torch.inference_mode(False):  # else no gradient could pass them later
            return self._moments_on(self.x_u8.device)

    def _moments_on(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """Mean and deviation, (C, 1, 1)."""
        mean, std = (torch.tensor(v, device=device)[:, None, None] for v in (self.mean, self.std))
        return mean, std

    def batch(self, count: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Images (count, C, H, W) in [0, 1] and their labels, drawn with replacement."""
        rows = torch.randint(len(self.y), (count,), generator=rng).to(self.y.device)
        return self.x_u8[rows].float() / 255, self.y[rows]


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A stretch of steps under one optimiser; a new stage starts optimiser and EMA anew."""

    name: str
    num_steps: int
    lr: float  # at the first step after the warm-up
    warmup_steps: int = 0  # over which the rate rises from 0 to that
    final_lr_share: float = 0.0  # of `lr`, reached along a cosine
    optimiser: Literal["adam", "sgd"] = "adam"
    betas: tuple[float, float] = (0.9, 0.99)  # of adam
    momentum: float = 0.0  # of sgd
    averaged: bool = True  # the stage's result is the moving average of its weights
    opponent_lr: float = 0.0  # of what `Method.opponent` gives, at the first step


class Method(nn.Module, ABC):
    """An objective: what a generator is fitted with. It owns no loop, writes no file, sees no path.

    `step` is a pure function of (trainable state, real data, seed, stage, i): every random draw is keyed by the step,
    so that a run resumed from saved state continues bit for bit.

    Args:
        config: an instance of this class's `Config`.
        generator: what is fitted; trained in place.
        law: the latent law; trained in place where it holds parameters.
        real: training data, already on the device.
        seed: of everything that is drawn.
    """

    Config: ClassVar[type[msgspec.Struct]]
    storage: StorageDtype = "f32"  # how the artifact will store weights; the loop says both before `stages` is asked
    latent_storage: StorageDtype = "f32"  # the same of the latent law's
    ipc: int = 1  # images per class of the artifact's frozen set

    def __init__(self, config: Any, *, generator: Generator, law: LatentLaw, real: RealData, seed: int) -> None:
        super().__init__()
        self.config, self.generator, self.law, self.real, self.seed = config, generator, law, real, seed

    @abstractmethod
    def stages(self) -> tuple[Stage, ...]:
        """The stages in order; may be empty when `begin` alone does the work."""

    def begin(self, stage: Stage | None) -> None:
        """Prepares a stage (None: what comes before the first) from the state the one before left."""

    @abstractmethod
    def trainable(self, stage: Stage) -> nn.Module:
        """What the stage's optimiser moves."""

    def opponent(self, stage: Stage) -> nn.Module | None:
        """What the same optimiser moves the other way, to maximise the losses; None: nothing."""
        return None

    @abstractmethod
    def step(self, stage: Stage, i: int, *, rank: int = 0) -> Mapping[str, Tensor]:
        """Weighted loss terms (scalars) of step i; their sum is minimised. Ranks draw different samples."""

    def finish(self) -> None:
        """Brings what was trained into the generator and the law, after the last stage."""

    @property
    def label_head(self) -> LabelHead | None:
        """What gives the finished generator's samples soft labels; None: they have the class alone."""
        return None

    @property
    def law_scales(self) -> Mapping[str, Tensor]:
        """Scales that tensors of the law are to be stored with, by name; of others storage chooses."""
        return {}

    @property
    def space(self) -> Space | None:
        """Where the finished generator's samples live; None: they are pixels in [0, 1]."""
        return None
