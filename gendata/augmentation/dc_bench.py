"""The augmentations of DC-BENCH (Cui et al. 2022, arXiv:2207.09639) that torchvision provides.

Source: justincui03/dc_benchmark 2a577119, evaluator/evaluator_utils.py, `custom_aug`. All of them work on 8-bit images,
and are applied ONCE to a whole batch: every image gets the same crop, flip, colours or policy. torchvision's first
transforms are used, as there, not its second version, which draws policies in another order; shears are as torchvision
has them today (they were mended since 0.12, which DC-BENCH pins).

This is the one file of augmentations that knows torchvision.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Literal

import msgspec
import torch
from torch import Tensor

from gendata.augmentation.uniforms import drawn_seed


class _WholeBatch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A torchvision transform, drawn once and applied to every image alike.

    Differs from the published code: torchvision's draws come from torch's global generator; here that generator is
    seeded for the call and then put back, so that nobody else's draws change. There, normalised floats are turned back
    into 8 bits by truncation, which lowers about one value in six by one level; here the 8-bit images are at hand.
    """

    space: ClassVar[Literal["uint8", "normalised"]] = "uint8"

    @abstractmethod
    def transform(self, x: Tensor) -> Callable[[Tensor], Tensor]:
        """The torchvision transform for images like `x`."""

    def draw(self, generator: torch.Generator, batch: int) -> Callable[[Tensor], Tensor]:
        """An operation for images uint8 (N, C, H, W)."""
        seed = drawn_seed(generator)

        def apply(x: Tensor) -> Tensor:
            with torch.random.fork_rng(devices=[]):
                torch.default_generator.manual_seed(seed)
                return self.transform(x)(x).contiguous()

        return apply


class AutoAugment(_WholeBatch, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A learned policy (Cubuk et al. 2019, arXiv:1805.09501); DC-BENCH takes ImageNet's for Tiny ImageNet."""

    policy: Literal["cifar10", "imagenet", "svhn"] = "cifar10"

    def transform(self, x: Tensor) -> Callable[[Tensor], Tensor]:
        """A policy of two operations, each with its probability."""
        transforms = _transforms()
        made: Callable[[Tensor], Tensor] = transforms.AutoAugment(transforms.AutoAugmentPolicy(self.policy))
        return made


class RandAugment(_WholeBatch, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Operations at random, of one strength (Cubuk et al. 2020, arXiv:1909.13719); DC-BENCH takes one operation."""

    num_ops: int = 1
    magnitude: int = 9  # of 31 steps; torchvision's default

    def __post_init__(self) -> None:
        if not 0 <= self.num_ops <= 16:
            raise ValueError(f"num_ops must be 0 to 16, got {self.num_ops}")
        if not 0 <= self.magnitude <= 30:
            raise ValueError(f"magnitude must be 0 to 30, got {self.magnitude}")

    def transform(self, x: Tensor) -> Callable[[Tensor], Tensor]:
        """`num_ops` operations one after the other."""
        made: Callable[[Tensor], Tensor] = _transforms().RandAugment(num_ops=self.num_ops, magnitude=self.magnitude)
        return made


class CifarAug(_WholeBatch, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Padding, a random crop, a flip. DC-BENCH's `cifar_aug` then cuts out a square of 16 pixels: see `Cutout`."""

    padding_px: int = 4  # black

    def __post_init__(self) -> None:
        _check_padding(self.padding_px)

    def transform(self, x: Tensor) -> Callable[[Tensor], Tensor]:
        """Crop and flip."""
        made: Callable[[Tensor], Tensor] = _transforms().Compose(_crop_and_flip(x, self.padding_px))
        return made


class ImagenetAug(_WholeBatch, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Padding, a random crop, a flip, and a change of colours. Hue and saturation of a grey image stay."""

    padding_px: int = 4  # black
    brightness: float = 0.4  # times 1 - b .. 1 + b
    contrast: float = 0.4
    saturation: float = 0.4
    hue: float = 0.2  # turns of the colour circle, both ways

    def __post_init__(self) -> None:
        _check_padding(self.padding_px)
        for name, most in (("brightness", 1.0), ("contrast", 1.0), ("saturation", 1.0), ("hue", 0.5)):
            if not 0 <= getattr(self, name) <= most:
                raise ValueError(f"{name} must be 0 to {most}, got {getattr(self, name)}")

    def transform(self, x: Tensor) -> Callable[[Tensor], Tensor]:
        """Crop, flip and colours, the latter in random order."""
        transforms = _transforms()
        jitter = transforms.ColorJitter(self.brightness, self.contrast, self.saturation, self.hue)
        made: Callable[[Tensor], Tensor] = transforms.Compose([*_crop_and_flip(x, self.padding_px), jitter])
        return made


def _crop_and_flip(x: Tensor, padding_px: int) -> list[Any]:
    transforms = _transforms()
    return [transforms.RandomCrop(tuple(x.shape[2:]), padding=padding_px), transforms.RandomHorizontalFlip()]


def _check_padding(padding_px: int) -> None:
    if not 0 <= padding_px <= 1024:
        raise ValueError(f"padding_px must be 0 to 1024, got {padding_px}")


def _transforms() -> Any:
    """torchvision's transforms, imported once they are wanted."""
    from torchvision import transforms

    return transforms
