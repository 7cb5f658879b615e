"""Test images as bad cameras, weather and codecs leave them: the common corruptions, five severities each.

Hendrycks, Dietterich (2019), arXiv:1903.12261. The paper's benchmarks have different strengths for images of different
size: images smaller than 64 pixels are corrupted as in CIFAR-10-C, here; larger ones as in ImageNet-C, by the package
imagecorruptions-imaug. Numbers of one scale are not comparable with numbers of the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from gendata.errors import MissingExtraError, SpecError, unknown_name
from gendata.evaluation.seeds import derive, generator
from gendata.evaluation.small_corruptions import SMALL_CORRUPTIONS

CORRUPTIONS: tuple[str, ...] = tuple(SMALL_CORRUPTIONS)  # of images of any size
SEVERITIES = (1, 2, 3, 4, 5)

Scale = Literal["cifar-10-c", "imagenet-c"]

_ONLY_LARGE = ("frost",)
_LEAST_LARGE_PX = 64
_CHUNK = 500  # images whose random numbers are drawn together
_SEEDED_BY_ARGUMENT = ("impulse_noise", "glass_blur")  # the others draw from NumPy's global generator


def scale_of(height: int, width: int) -> Scale:
    """Whose strengths images of so many pixels get."""
    return "cifar-10-c" if min(height, width) < _LEAST_LARGE_PX else "imagenet-c"


def corrupted(x_u8: Tensor, name: str, severity: int, seed: int) -> Tensor:
    """Images with one corruption; the same arguments give the same images.

    Args:
        x_u8: uint8 (N, C, H, W); at least 8 x 8 pixels, 1 or 3 channels.
        name: one of CORRUPTIONS; "frost" too where the smaller side has 64 pixels or more.
        severity: 1 to 5.

    Returns:
        uint8, of the same shape. Fractions of a step are cut off, as in the published sets.

    Raises:
        UnknownNameError: no such corruption for images of this size.
        SpecError: another severity, or images that cannot be corrupted.
        MissingExtraError: larger images need imagecorruptions-imaug.
    """
    _check_images(x_u8)
    if severity not in SEVERITIES:
        raise SpecError(f"severity {severity}", expected="1 to 5")
    small = scale_of(*x_u8.shape[2:]) == "cifar-10-c"
    known = CORRUPTIONS if small else (*CORRUPTIONS, *_ONLY_LARGE)
    if name not in known:
        raise unknown_name("corruption of such images", name, known)
    change = _small if small else _large
    key = (seed, "corruption", name, severity)
    chunks = [change(x, name, severity, (*key, number)) for number, x in enumerate(x_u8.split(_CHUNK))]
    return torch.cat(chunks).contiguous()


def _check_images(x_u8: Tensor) -> None:
    if x_u8.dtype != torch.uint8 or x_u8.ndim != 4:
        raise SpecError(f"images are {x_u8.dtype} of shape {tuple(x_u8.shape)}", expected="uint8 (N, C, H, W)")
    if x_u8.shape[1] not in (1, 3) or min(x_u8.shape[2:]) < 8:
        raise SpecError(f"images of shape {tuple(x_u8.shape[1:])}", expected="1 or 3 channels of at least 8 x 8 pixels")


def _small(x_u8: Tensor, name: str, severity: int, key: tuple[int | str, ...]) -> Tensor:
    changed = SMALL_CORRUPTIONS[name](x_u8.float() / 255, severity - 1, generator(*key))
    # The sum of a float32 and its neighbours may stand a hair below the whole number that it means.
    return changed.clamp(0, 1).mul(255).add(1e-3).to(torch.uint8)


def _large(x_u8: Tensor, name: str, severity: int, key: tuple[int | str, ...]) -> Tensor:
    require_package(*x_u8.shape[2:])
    corrupt = _imagecorruptions()
    pictures = x_u8.permute(0, 2, 3, 1).contiguous().numpy()
    changed = []
    for number, picture in enumerate(pictures):
        seed = derive(*key, number)
        options: dict[str, Any] = {"seed": seed} if name in _SEEDED_BY_ARGUMENT else {}
        with _global_numpy_seeded(seed):
            changed.append(corrupt(picture, severity=severity, corruption_name=name, **options))
    # Grey pictures come back as three channels, of which the first has what noise of its own it should have.
    return torch.from_numpy(np.stack(changed)).permute(0, 3, 1, 2)[:, : x_u8.shape[1]].contiguous()


def require_package(height: int, width: int) -> None:
    """Raises MissingExtraError if images of so many pixels need imagecorruptions-imaug, which is not here."""
    if scale_of(height, width) == "imagenet-c" and find_spec("imagecorruptions") is None:
        raise MissingExtraError(
            "corruptions of images of 64 pixels and more need imagecorruptions-imaug, which is not installed",
            remedy="pip install 'gendata[robustness]'",
        )


def _imagecorruptions() -> Callable[..., Any]:
    import imagecorruptions

    corrupt: Callable[..., Any] = imagecorruptions.corrupt
    return corrupt


@contextmanager
def _global_numpy_seeded(seed: int) -> Iterator[None]:
    before = np.random.get_state()
    np.random.seed(seed)
    try:
        yield
    finally:
        np.random.set_state(before)
