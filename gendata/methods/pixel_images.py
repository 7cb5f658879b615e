"""What pixel methods have in common: they train the stored images of a bank, and write them into it at the end."""

from __future__ import annotations

import math
from typing import ClassVar, Literal, get_args

import msgspec
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gendata.artifact.space import Space
from gendata.augmentation.dsa import Dsa
from gendata.generators.generator import Generator
from gendata.generators.multi_formation_bank import tiles_of
from gendata.latents.law import LatentLaw
from gendata.methods.banks import checked_bank, tiles_per_side
from gendata.methods.bounds import check_within
from gendata.methods.draws import ClassDraws, keyed_generator
from gendata.methods.method import Method, RealData, Stage

Initial = Literal["real", "noise"]
MATCH = "match"  # the stage in which images are trained
_MAX_BATCH = 65536
_MAX_STEPS = 10**8


class PixelConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options that all pixel methods share."""

    network: str = "convnet3-w128-in"  # embedding architecture
    initial: Initial = "real"  # images to begin with: random real ones, or noise
    augmentation: str = "color_crop_cutout_flip_scale_rotate"  # operations of the Siamese augmentation; "": none
    real_per_class: int = 256  # real images per step

    def __post_init__(self) -> None:
        if self.initial not in get_args(Initial):
            raise ValueError(f"initial must be one of {', '.join(get_args(Initial))}, got {self.initial!r}")
        if not 1 <= self.real_per_class <= _MAX_BATCH:
            raise ValueError(f"real_per_class must be 1 to {_MAX_BATCH}, got {self.real_per_class}")
        self.check_augmentation()

    def check_augmentation(self) -> None:
        """Raises ValueError for a strategy that does not exist."""
        if self.augmentation:
            Dsa(strategy=self.augmentation)


def check_counts(config: msgspec.Struct, *names: str) -> None:
    """Raises ValueError unless these fields are 1 to 10**8."""
    check_within(config, dict.fromkeys(names, _MAX_STEPS))


class PixelImages(Method):
    """Trains the images of a `pixel-bank` or a `multi-formation-bank`.

    Their values are trained as networks see them, normalised, which is where the published learning rates hold.

    A bank of uint8 holds pixels: before every step its images are projected onto [0, 1], and rounded at the end. A bank
    of float32 keeps whatever values come out, as the published code does; the artifact then says that its samples are
    normalised. Stored as int8 those cost a byte each, too.

    Raises:
        SpecError: the generator is no bank, or the latent law does not number its images.
    """

    name: ClassVar[str]  # as registered
    unit_range: ClassVar[bool] = False  # the trained values are pixels in [0, 1], held there whatever the bank
    config: PixelConfig

    def __init__(self, config: PixelConfig, *, generator: Generator, law: LatentLaw, real: RealData, seed: int) -> None:
        super().__init__(config, generator=generator, law=law, real=real, seed=seed)
        self._bank = checked_bank(generator, law, where=f"method {self.name}")
        self._factor = tiles_per_side(self._bank)
        self.pixels = nn.Parameter(torch.zeros(self._bank.images.shape))  # (classes, slots, C, H, W)
        self._draws = ClassDraws(real.y, real.spec.num_classes)

    @property
    def samples_per_class(self) -> int:
        """How many images a student sees of each class."""
        return int(self._bank.config.slots * self._factor**2)

    def begin(self, stage: Stage | None) -> None:
        if stage is None:
            self._begin_images()

    def trainable(self, stage: Stage) -> nn.Module:
        return nn.ParameterList([self.pixels])

    def samples(self) -> Tensor:
        """(classes * samples_per_class, C, H, W): what the bank would give now, class-major, normalised."""
        images = self._unit_images().flatten(0, 1)
        if self._factor == 1:
            return self.real.normalised(images)
        if not self._holds_bytes():  # the bank cuts tiles out of what it stores, margin and all
            images = self.real.normalised(images)
        tiles = tiles_of(images, self._factor).flatten(0, 1)
        images = F.interpolate(tiles, size=images.shape[2:], mode="bilinear", align_corners=False)
        return self.real.normalised(images) if self._holds_bytes() else images

    def labels(self) -> Tensor:
        """(classes * samples_per_class,) of `samples`."""
        return torch.arange(self.real.spec.num_classes, device=self.pixels.device).repeat_interleave(
            self.samples_per_class
        )

    def real_batch(self, c: int, rng: torch.Generator) -> Tensor:
        """(real_per_class, C, H, W) real images of class c, normalised, drawn with replacement."""
        rows = self._draws.indices(torch.tensor([c]), self.config.real_per_class, rng).to(self.real.x_u8.device)
        return self.real.normalised(self.real.x_u8[rows].float() / 255)

    @torch.no_grad()
    def project(self) -> None:
        """Brings the images back to what the bank can hold; the first thing a step does."""
        if self.unit_range:
            self.pixels.clamp_(0, 1)
        elif self._holds_bytes():
            low, high = (self.real.normalised(torch.full_like(self.pixels[0, 0], value)) for value in (0.0, 1.0))
            self.pixels.clamp_(low, high)

    @torch.no_grad()
    def finish(self) -> None:
        self.project()
        images = self._unit_images()
        if self._holds_bytes():
            self._bank.images.copy_(images.mul(255).round().clamp(0, 255))
        else:
            self._bank.images.copy_(self.real.normalised(images))

    @property
    def space(self) -> Space | None:
        return None if self._holds_bytes() else Space(name="normalised")

    def _holds_bytes(self) -> bool:
        return self._bank.images.dtype == torch.uint8

    def _unit_images(self) -> Tensor:
        """(classes, slots, C, H, W) with black 0 and white 1."""
        if self.unit_range:
            return self.pixels
        mean, std = (torch.tensor(v, device=self.pixels.device)[:, None, None] for v in (self.real.mean, self.real.std))
        return self.pixels * std + mean

    @torch.no_grad()
    def _begin_images(self) -> None:
        rng = keyed_generator(self.seed, "initial images")
        if self.config.initial == "noise":
            noise = torch.randn(self.pixels.shape, generator=rng)
            self.pixels.copy_((noise / 4 + 0.5).clamp(0, 1) if self.unit_range else noise)
            return
        for c in range(self.real.spec.num_classes):
            images = self._mosaics(self._real_choice(c, rng))
            self.pixels[c] = images if self.unit_range else self.real.normalised(images)

    def _real_choice(self, c: int, rng: torch.Generator) -> Tensor:
        """(samples_per_class, C, H, W) real images of class c in [0, 1]; different ones, as far as there are enough."""
        members = (self.real.y == c).nonzero()[:, 0]
        order = torch.randperm(len(members), generator=rng).to(members.device)
        rows = members[order.repeat(-(-self.samples_per_class // len(order)))[: self.samples_per_class]]
        return self.real.x_u8[rows].float() / 255

    def _mosaics(self, x: Tensor) -> Tensor:
        """(slots, C, H, W) whose tiles are (slots * factor**2, C, H, W) made small."""
        if self._factor == 1:
            return x
        factor, size = self._factor, x.shape[2]
        side = math.ceil(size / factor)
        small = F.interpolate(x, size=(side, side), mode="area").reshape(-1, factor, factor, x.shape[1], side, side)
        whole = small.permute(0, 3, 1, 4, 2, 5).reshape(len(small), x.shape[1], factor * side, factor * side)
        return whole[:, :, :size, :size]


def siamese(strategy: str) -> Dsa | None:
    """The augmentation of a strategy; None for ""."""
    return Dsa(strategy=strategy) if strategy else None
