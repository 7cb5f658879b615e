"""The augmentation that a protocol names, drawn per step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from gendata.augmentation.dsa import Dsa
from gendata.errors import unknown_name
from gendata.evaluation.protocols import Protocol
from gendata.evaluation.seeds import generator
from gendata.registry import typed_options

# (normalised images, seed of the run, step) -> augmented images
Augment = Callable[[Tensor, int, int], Tensor]


def augmentation_of(protocol: Protocol, *, source_name: str | None) -> Augment:
    """What `protocol` does to each batch of images from the source of that name (None: unknown).

    Raises:
        UnknownNameError: there is no such augmentation.
        RecipeError: its options are not acceptable.
    """
    choice = protocol.augmentation
    if choice is None:
        return lambda x, seed, step: x
    if choice.name not in _AUGMENTATIONS:
        raise unknown_name("augmentation", choice.name, _AUGMENTATIONS)
    options = dict(choice.options)
    if source_name in protocol.no_flip_sources:
        options = _without_flip(options)
    settings = typed_options(_AUGMENTATIONS[choice.name], options, where=f"{protocol.name}: augmentation.options")

    def augment(x: Tensor, seed: int, step: int) -> Tensor:
        augmented: Tensor = settings.draw(generator(seed, "augment", step), x.shape[0])(x)
        return augmented

    return augment


def _without_flip(options: dict[str, Any]) -> dict[str, Any]:
    operations = options.get("strategy", Dsa().strategy).split("_")
    return {**options, "strategy": "_".join(name for name in operations if name != "flip")}


_AUGMENTATIONS: dict[str, type[Any]] = {"dsa": Dsa}
