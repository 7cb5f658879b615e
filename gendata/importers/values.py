"""The values of images: what space they are in, whether they can be right, and how they are stored."""

from __future__ import annotations

import torch
from msgspec.structs import replace
from torch import Tensor

from gendata.artifact.artifact import Normalisation
from gendata.artifact.space import Space, Whitener, Whitening, fit_whitening
from gendata.errors import SpecError
from gendata.importers.data_set import Known
from gendata.importers.layout import ImageSet
from gendata.importers.wanted import Wanted

_OUTSIDE = 0.05  # how far pixels that nobody clamped stray from [0, 1], and which share of them may stray farther


def space_of(found: ImageSet, wanted: Wanted, *, where: str) -> Space | None:
    """The space of the images, None: pixels; the user's word before the files'.

    Raises:
        SpecError: neither says it, or they are whitened in a way that this layout does not know.
    """
    name = wanted.space or found.space
    if name is None:
        raise SpecError(
            "the files do not say whether the images are normalised, whitened or pixels", where=where,
            expected="what a network was fed",
            remedy="Say it: --space normalised, zca or image; the command that made them knows (--zca).",
        )  # fmt: skip
    if wanted.space and found.space and wanted.space != found.space:
        wanted.say(f"files of this kind are {found.space}; taken for {wanted.space}, as you say")
    if name == "zca" and found.whitening is None:
        raise SpecError("no whitening is known for this layout", where=where, expected="--space normalised or image")
    return None if name == "image" else Space(name=name, whitening=found.whitening if name == "zca" else None)


def check_finite(images: Tensor, *, where: str) -> None:
    """Raises SpecError if images (classes, slots, C, H, W) hold a value that is not finite."""
    if images.is_floating_point() and not bool(images.isfinite().all()):
        broken = int((~images.isfinite()).flatten(2).any(2).sum())
        raise SpecError(f"{broken} images hold a value that is not finite", where=where, expected="numbers")


def check_pixels(images: Tensor, wanted: Wanted, *, where: str) -> None:
    """Values that are clearly no pixels were taken for some: better asked than measured."""
    if not images.is_floating_point() or wanted.space == "image":
        return
    outside = float(((images < -_OUTSIDE) | (images > 1 + _OUTSIDE)).float().mean())
    if outside > _OUTSIDE:
        raise SpecError(
            f"{outside:.0%} of the values are outside [0, 1], from {images.min().item():.3g} to "
            f"{images.max().item():.3g}", where=where, expected="pixels, as files of this kind hold",
            remedy="If they are normalised: --space normalised. If they are pixels all the same: --space image.",
        )  # fmt: skip


def fitted(
    space: Space | None, normalisation: Normalisation, known: Known, wanted: Wanted, *, where: str
) -> tuple[Space | None, Whitener | None]:
    """The space, its whitening fitted and stored if that is wanted."""
    if space is None or space.whitening is None:
        return space, None
    if not wanted.store_whitening:
        wanted.say("the whitening is named, not stored: evaluation fits it to the train split (--store-whitening)")
        return space, None
    if known.source is None:
        raise SpecError(
            "a whitening is fitted to the real training images", where=where, expected="a data set",
            remedy="Give it: --source NAME, and --data DIR if it is not downloaded.",
        )  # fmt: skip
    train_u8 = known.source.split("train").x
    whitener = fit_whitening(train_u8, space.whitening, mean=normalisation.mean, std=normalisation.std)
    stored: Whitening = replace(space.whitening, stored=True)
    return replace(space, whitening=stored), whitener


def stored_values(images: Tensor, space: Space | None, wanted: Wanted, *, where: str) -> Tensor:
    """Images as the bank holds them: as they are, or pixels rounded to uint8.

    Raises:
        SpecError: uint8 is wanted of values that are no pixels.
    """
    if wanted.storage != "uint8" or images.dtype == torch.uint8:
        return images
    if space is not None:
        raise SpecError(f"{space.name} values as uint8", where=where, expected="pixels", remedy="--storage f32 or f16.")
    wanted.say("pixels are rounded to uint8 and clamped; students see other values than the files hold")
    return images.mul(255).round().clamp(0, 255).to(torch.uint8)


def factor_of(found: int | None, wanted: Wanted, *, where: str) -> int:
    """Tiles per side of a stored image; 1: it is one image.

    Raises:
        SpecError: neither the files nor the user say it.
    """
    factor = wanted.factor or found
    if factor is None:
        raise SpecError(
            "the file does not say how many tiles each image holds", where=where, expected="tiles per side",
            remedy="Say it: --factor 2 (3 for ImageNet in IDC), or --factor 1 for plain images.",
        )  # fmt: skip
    if factor > 1:
        wanted.say(f"each stored image gives {factor**2} samples (multi-formation, factor {factor})")
    return factor
