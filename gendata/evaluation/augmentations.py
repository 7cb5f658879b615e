"""The augmentations, mixings and test views that protocols name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal
from typing import Protocol as Seam

import torch
from torch import Tensor

from gendata.augmentation.centre_view import ResizeCentreCrop
from gendata.augmentation.cutout import Cutout
from gendata.augmentation.dc import DcAugmentation
from gendata.augmentation.dc_bench import AutoAugment, CifarAug, ImagenetAug, RandAugment
from gendata.augmentation.diffaug import DiffAug
from gendata.augmentation.dsa import Dsa
from gendata.augmentation.flip import Flip
from gendata.augmentation.mixing import CutMix, Mixup
from gendata.augmentation.padded_crop import PaddedCrop
from gendata.augmentation.patch_shuffle import PatchShuffle
from gendata.augmentation.random_resized_crop import RandomResizedCrop
from gendata.errors import unknown_name
from gendata.evaluation.protocol import Protocol
from gendata.recipe import Choice
from gendata.registry import typed_options


class Augmentation(Seam):
    """Settings that draw one operation for a batch."""

    @property
    def space(self) -> Literal["uint8", "normalised"]:
        """What it works on."""

    def draw(self, generator: torch.Generator, batch: int) -> Callable[[Tensor], Tensor]:
        """The operation for `batch` images: (N, C, H, W) -> (N, C, H', W'); everything random is from `generator`."""


def augmentations_of(protocol: Protocol, *, source_name: str | None) -> tuple[Augmentation, ...]:
    """What `protocol` does to images from the source of that name (None: unknown), in order.

    Raises:
        UnknownNameError: there is no such augmentation.
        RecipeError: its options are not acceptable.
    """
    chosen = protocol.augmentation
    if source_name in protocol.no_flip_sources:
        chosen = tuple(_without_flip(choice) for choice in chosen if choice.name != "flip")
    return tuple(_made(choice, _AUGMENTATIONS, "augmentation", protocol) for choice in chosen)


def mixing_of(protocol: Protocol) -> Any:
    """What mixes two images and their labels; None: nothing does."""
    return None if protocol.mixing is None else _made(protocol.mixing, _MIXINGS, "mixing", protocol)


def test_view_of(protocol: Protocol) -> Callable[[Tensor], Tensor] | None:
    """What `protocol` does to test images; None: nothing."""
    if protocol.test_view is None:
        return None
    view: Callable[[Tensor], Tensor] = _made(protocol.test_view, _TEST_VIEWS, "test_view", protocol)
    return view


def _made(choice: Choice, table: dict[str, type[Any]], kind: str, protocol: Protocol) -> Any:
    if choice.name not in table:
        raise unknown_name(kind, choice.name, table)
    return typed_options(table[choice.name], choice.options, where=f"{protocol.name}: {kind}.options")


def _without_flip(choice: Choice) -> Choice:
    """Names of operations are joined by "_" in `strategy`."""
    if "strategy" not in choice.options:
        return choice
    kept = "_".join(name for name in choice.options["strategy"].split("_") if name != "flip")
    return Choice(name=choice.name, options={**choice.options, "strategy": kept})


_AUGMENTATIONS: dict[str, type[Any]] = {
    "dsa": Dsa,
    "diffaug": DiffAug,
    "dc": DcAugmentation,
    "autoaug": AutoAugment,
    "randaug": RandAugment,
    "imagenet-aug": ImagenetAug,
    "cifar-aug": CifarAug,
    "cutout": Cutout,
    "flip": Flip,
    "padded-crop": PaddedCrop,
    "patch-shuffle": PatchShuffle,
    "random-resized-crop": RandomResizedCrop,
}
_MIXINGS: dict[str, type[Any]] = {"cutmix": CutMix, "mixup": Mixup}
_TEST_VIEWS: dict[str, type[Any]] = {"resize-centre-crop": ResizeCentreCrop}
