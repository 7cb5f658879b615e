"""Mixing of two images and of their labels: CutMix and mixup."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import msgspec
import torch
from torch import Tensor

from gendata.augmentation.uniforms import whole_numbers


@dataclass(frozen=True, kw_only=True)
class Mix(ABC):
    """One drawn mix of a batch: the same whenever it is called."""

    other: Tensor  # (B,) int64, a permutation: the partner of each image

    @abstractmethod
    def __call__(self, x: Tensor) -> Tensor:
        """Mixes (B, C, H, W), differentiably; a new tensor."""

    @abstractmethod
    def share(self, height: int, width: int) -> float:
        """Weight of an image's own label, 0 to 1; its partner's is the rest."""


class CutMix(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A rectangle of each image comes from its partner (Yun et al. 2019, arXiv:1905.04899); one rectangle per batch.

    Its centre may be any pixel; what hangs over the border is lost, and labels are weighted by the area that is left.
    As in the paper's code, half of the side is rounded down: a rectangle of odd sides loses a pixel.
    """

    prob: float = 1.0  # that a step is mixed at all
    beta: float = 1.0  # the kept share is drawn from Beta(beta, beta)

    def __post_init__(self) -> None:
        _check(prob=self.prob, beta=self.beta)

    def draw(self, generator: torch.Generator, batch: int) -> CutMixDraw | None:
        """A mix of `batch` images; None: this step is not mixed."""
        if not _mixed(generator, self.prob):
            return None
        kept = _symmetric_beta(generator, self.beta)
        centre = torch.rand(2, generator=generator)
        return CutMixDraw(other=torch.randperm(batch, generator=generator), kept=kept, centre=centre)


@dataclass(frozen=True, kw_only=True)
class CutMixDraw(Mix):
    """A drawn CutMix."""

    kept: float  # share of the area that stays, before the border cuts the rectangle
    centre: Tensor  # (2,) uniforms: row and column

    def __call__(self, x: Tensor) -> Tensor:
        """The rectangle of the partner in each image of (B, C, H, W)."""
        top, bottom, left, right = self.box(x.shape[2], x.shape[3])
        mixed = x.clone(memory_format=torch.contiguous_format)
        mixed[:, :, top:bottom, left:right] = x[self.other.to(x.device), :, top:bottom, left:right]
        return mixed

    def share(self, height: int, width: int) -> float:
        """What the rectangle leaves of the image's own area."""
        top, bottom, left, right = self.box(height, width)
        return 1 - (bottom - top) * (right - left) / (height * width)

    def box(self, height: int, width: int) -> tuple[int, int, int, int]:
        """Top, bottom, left, right of the rectangle in pixels; bottom and right are the first ones outside."""
        bounds: list[int] = []
        for u, side_px in zip(self.centre, (height, width), strict=True):
            half = int(side_px * math.sqrt(1 - self.kept)) // 2
            middle = int(whole_numbers(u, side_px))
            bounds += [max(0, middle - half), min(side_px, middle + half)]
        return bounds[0], bounds[1], bounds[2], bounds[3]


class Mixup(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Each image is a weighted mean with its partner (Zhang et al. 2018, arXiv:1710.09412); one weight per batch."""

    prob: float = 1.0  # that a step is mixed at all
    alpha: float = 0.8  # the weight is drawn from Beta(alpha, alpha)

    def __post_init__(self) -> None:
        _check(prob=self.prob, alpha=self.alpha)

    def draw(self, generator: torch.Generator, batch: int) -> MixupDraw | None:
        """A mix of `batch` images; None: this step is not mixed."""
        if not _mixed(generator, self.prob):
            return None
        weight = _symmetric_beta(generator, self.alpha)
        return MixupDraw(other=torch.randperm(batch, generator=generator), weight=weight)


@dataclass(frozen=True, kw_only=True)
class MixupDraw(Mix):
    """A drawn mixup."""

    weight: float  # of each image; its partner has the rest

    def __call__(self, x: Tensor) -> Tensor:
        """The weighted mean of (B, C, H, W) and its partners."""
        return self.weight * x + (1 - self.weight) * x[self.other.to(x.device)]

    def share(self, height: int, width: int) -> float:
        """The weight."""
        return self.weight


def _check(*, prob: float, **shape: float) -> None:
    if not 0 <= prob <= 1:
        raise ValueError(f"prob must be 0 to 1, got {prob}")
    for name, value in shape.items():
        if not 0 < value < math.inf:
            raise ValueError(f"{name} must be above 0, got {value}")


def _mixed(generator: torch.Generator, prob: float) -> bool:
    return float(torch.rand((), generator=generator)) < prob


def _symmetric_beta(generator: torch.Generator, shape: float) -> float:
    """One draw of Beta(shape, shape), as the quotient of two gamma draws; by logarithms, for shapes near 0."""
    one, other = (_log_gamma_draw(generator, shape) for _ in range(2))
    return 1 / (1 + math.exp(min(other - one, 700.0)))


def _log_gamma_draw(generator: torch.Generator, shape: float) -> float:
    """Logarithm of one draw of Gamma(shape, 1) (Marsaglia, Tsang 2000, ACM TOMS 26(3))."""
    # A draw of shape + 1 times u ** (1 / shape) is a draw of shape: the method itself needs a shape of at least 1.
    boost = math.log(1 - float(torch.rand((), generator=generator, dtype=torch.float64))) / shape if shape < 1 else 0.0
    d = shape + (shape < 1) - 1 / 3
    while True:
        normal = float(torch.randn((), generator=generator, dtype=torch.float64))
        u = 1 - float(torch.rand((), generator=generator, dtype=torch.float64))
        v = (1 + normal / math.sqrt(9 * d)) ** 3
        if v > 0 and math.log(u) < normal**2 / 2 + d * (1 - v + math.log(v)):
            return math.log(d * v) + boost
