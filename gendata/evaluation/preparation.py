"""From stored images to what a student sees: augmentation of bytes, normalisation, augmentation, mixing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gendata.evaluation.augmentations import Augmentation, augmentations_of, mixing_of, test_view_of
from gendata.evaluation.protocol import Protocol
from gendata.evaluation.seeds import generator
from gendata.evaluation.steps import Batch


@dataclass(frozen=True)
class Normaliser:
    """Images to normalised floats, as torchvision's ToTensor and Normalize do it."""

    mean: tuple[float, ...]  # per channel, of values in [0, 1]
    std: tuple[float, ...]
    dtype: torch.dtype = torch.float32

    def __call__(self, x: Tensor) -> Tensor:
        """(N, C, H, W) uint8, or floats in [0, 1] -> (N, C, H, W) of `dtype`."""
        mean, std = (
            torch.tensor(value, dtype=self.dtype, device=x.device).view(-1, 1, 1) for value in (self.mean, self.std)
        )
        scaled = x.to(self.dtype) if x.is_floating_point() else x.to(self.dtype).div_(255)
        return (scaled - mean).div_(std) if x.is_floating_point() else scaled.sub_(mean).div_(std)


@dataclass(frozen=True)
class BankSpace:
    """For a bank of floats that are already what a student sees: real images are brought there, its own pass."""

    transform: Callable[[Tensor], Tensor]  # uint8 (N, C, H, W) -> float32

    def __call__(self, x: Tensor) -> Tensor:
        """(N, C, H, W) uint8 or floats of the bank -> (N, C, H, W) float32."""
        return x if x.is_floating_point() else self.transform(x)


@dataclass(frozen=True, kw_only=True)
class Preparation:
    """Everything between a stored image and the student; its draws are keyed by (seed, step, part)."""

    normalise: Callable[[Tensor], Tensor]
    bytes_first: tuple[Augmentation, ...] = ()  # on uint8 images
    to_bytes: Callable[[Tensor], Tensor] | None = None  # floats of a bank -> uint8, for `bytes_first`
    then: tuple[Augmentation, ...] = ()  # on normalised ones
    mixing: Any = None  # draws a Mix or None; see `gendata.augmentation.mixing`
    test_view: Callable[[Tensor], Tensor] | None = None
    test_normalise: Callable[[Tensor], Tensor] | None = None  # None: as in training
    teacher: Callable[[Tensor], Tensor] | None = None

    def __call__(self, x: Tensor, y: Tensor, *, seed: int, step: int, part: int = 0) -> Batch:
        """Images (B, C, H, W) and labels, on the student's device, as the batch of a step, or of a part of one."""
        key = (step, part) if part else (step,)
        if self.bytes_first and self.to_bytes is not None:
            x = self.to_bytes(x)
        for number, augmentation in enumerate((*self.bytes_first, None, *self.then)):
            if augmentation is None:
                x = self.normalise(x)
                continue
            # The first augmentation's draws do not depend on how many follow.
            first = number == 0 or (number == 1 and not self.bytes_first)
            draws = generator(seed, "augment", *key) if first else generator(seed, "augment", *key, "then", number)
            x = augmentation.draw(draws, x.shape[0])(x)
        mix = self.mixing.draw(generator(seed, "mix", *key), x.shape[0]) if self.mixing is not None else None
        if mix is None:
            return Batch(x=x, y=y, teacher=self.teacher)
        return Batch(x=mix(x), y=y, mix=mix, teacher=self.teacher)

    def for_test(self, x: Tensor) -> Tensor:
        """Test images (B, C, H, W) uint8 as the student sees them."""
        x = (self.test_normalise or self.normalise)(x)
        return x if self.test_view is None else self.test_view(x)


def preparation_of(
    protocol: Protocol,
    *,
    source_name: str | None,
    normalise: Callable[[Tensor], Tensor],
    test_normalise: Callable[[Tensor], Tensor] | None = None,
    teacher: Callable[[Tensor], Tensor] | None = None,
    to_bytes: Callable[[Tensor], Tensor] | None = None,
) -> Preparation:
    """What `protocol` does to images of the source of that name (None: unknown).

    Raises:
        UnknownNameError: there is no such augmentation.
        RecipeError: its options are not acceptable.
    """
    augmentations = augmentations_of(protocol, source_name=source_name)
    return Preparation(
        normalise=normalise,
        bytes_first=tuple(each for each in augmentations if each.space == "uint8"),
        to_bytes=to_bytes,
        then=tuple(each for each in augmentations if each.space == "normalised"),
        mixing=mixing_of(protocol),
        test_view=test_view_of(protocol),
        test_normalise=test_normalise,
        teacher=teacher,
    )
