"""The augmentation of Dataset Condensation (Zhao, Mopuri, Bilen 2021): MNIST's and that of students with batch norm.

Source: VICO-UoE/DatasetCondensation 53f63a67, utils.py, `augment` and `get_daparam`. MNIST takes "crop_scale_rotate",
a ConvNet with batch norm "crop_noise"; everything else is not augmented.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal

import msgspec
import torch
from torch import Tensor
from torch.nn import functional

from gendata.augmentation.spline import rotated
from gendata.augmentation.uniforms import drawn_seed, whole_numbers


class DcAugmentation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """ONE random operation of the strategy per image; defaults are the published numbers.

    Differs from the published code: draws come from an explicit generator; rotation is computed with torch instead of
    scipy, equal within rounding; images need not be square.
    """

    space: ClassVar[Literal["uint8", "normalised"]] = "normalised"

    strategy: str = "crop_scale_rotate"  # operations joined by "_"
    crop: int = 4  # pixels of padding with each channel's mean over the batch, before a crop of the old size
    scale: float = 0.2  # height and width each times 1 - scale .. 1 + scale, nearest pixel, zeros around
    rotate: int = 45  # degrees, whole ones, -rotate .. rotate - 1
    noise: float = 0.001  # deviation of Gaussian noise

    def __post_init__(self) -> None:
        unknown = [name for name in self.operations if name not in _OPERATIONS]
        if unknown:
            raise ValueError(f"strategy names {unknown[0]!r}; operations are {', '.join(_OPERATIONS)}")
        if not 1 <= self.crop <= 1024:
            raise ValueError(f"crop must be 1 to 1024, got {self.crop}")
        if not 0 <= self.scale < 1:
            raise ValueError(f"scale must be 0 to below 1, got {self.scale}")
        if not 1 <= self.rotate <= 180:
            raise ValueError(f"rotate must be 1 to 180, got {self.rotate}")

    @property
    def operations(self) -> tuple[str, ...]:
        """As the strategy names them."""
        return tuple(self.strategy.split("_"))

    def draw(self, generator: torch.Generator, batch: int) -> DcDraw:
        """An operation for `batch` images (N, C, H, W)."""
        choice = torch.randint(len(self.operations), (batch,), generator=generator)
        uniforms = torch.rand(2, batch, generator=generator, dtype=torch.float64)
        return DcDraw(settings=self, choice=choice, uniforms=uniforms, noise_seed=drawn_seed(generator))


@dataclass(frozen=True)
class DcDraw:
    """Drawn operations, one per image: the same for every batch they are called on."""

    settings: DcAugmentation
    choice: Tensor  # (batch,) index into the strategy's operations
    uniforms: Tensor  # (2, batch) float64 in [0, 1)
    noise_seed: int

    def __call__(self, x: Tensor) -> Tensor:
        """Augments (N, C, H, W); a new, contiguous tensor."""
        mean = x.mean((0, 2, 3))  # (C,), of the batch as it came
        out = x.clone(memory_format=torch.contiguous_format)
        for number, name in enumerate(self.settings.operations):
            rows = (self.choice == number).nonzero()[:, 0]
            if len(rows):
                images = _Images(x[rows.to(x.device)], self.uniforms[:, rows], mean, self.noise_seed)
                out[rows.to(x.device)] = _OPERATIONS[name](images, self.settings)
        return out


@dataclass(frozen=True)
class _Images:
    """The images of a batch that one operation gets, and its draws."""

    x: Tensor  # (N, C, H, W)
    u: Tensor  # (2, N)
    batch_mean: Tensor  # (C,)
    noise_seed: int


def _crop(images: _Images, settings: DcAugmentation) -> Tensor:
    """A window of the padded image; the last of the 2 x pad + 1 offsets never comes up, as in the published code."""
    x, pad = images.x, settings.crop
    num, channels, height, width = x.shape
    padding = images.batch_mean[None, :, None, None]
    padded = padding.expand(num, channels, height + 2 * pad, width + 2 * pad).clone()
    padded[:, :, pad : pad + height, pad : pad + width] = x
    tops, lefts = whole_numbers(images.u, 2 * pad).tolist()
    windows = [
        image[:, top : top + height, left : left + width] for image, top, left in zip(padded, tops, lefts, strict=True)
    ]
    return torch.stack(windows)


def _scale(images: _Images, settings: DcAugmentation) -> Tensor:
    """Stretched by the nearest pixel, centred on zeros; both factors apply to the height, as in the published code."""
    x = images.x
    sides = ((images.u * 2 - 1) * settings.scale + 1) * x.shape[2]
    stretched = [
        _centred(
            functional.interpolate(image[None], size=(max(1, int(height)), max(1, int(width)))), x.shape[2], x.shape[3]
        )
        for image, height, width in zip(x, *sides.tolist(), strict=True)
    ]
    return torch.cat(stretched)


def _centred(x: Tensor, height: int, width: int) -> Tensor:
    """(1, C, h, w) in the middle of `height` x `width`, cut or with zeros around."""
    side = max(*x.shape[2:], height, width)
    canvas = x.new_zeros(1, x.shape[1], side, side)
    top, left = (side - x.shape[2]) // 2, (side - x.shape[3]) // 2
    canvas[:, :, top : top + x.shape[2], left : left + x.shape[3]] = x
    top, left = (side - height) // 2, (side - width) // 2
    return canvas[:, :, top : top + height, left : left + width]


def _rotate(images: _Images, settings: DcAugmentation) -> Tensor:
    degrees = whole_numbers(images.u[0], 2 * settings.rotate) - settings.rotate
    return rotated(images.x, degrees, fill=float(images.batch_mean.mean()))


def _noise(images: _Images, settings: DcAugmentation) -> Tensor:
    generator = torch.Generator().manual_seed(images.noise_seed)
    noise = torch.randn(images.x.shape, generator=generator).to(images.x)
    return images.x + settings.noise * noise


_OPERATIONS: dict[str, Callable[[_Images, DcAugmentation], Tensor]] = {
    "crop": _crop,
    "scale": _scale,
    "rotate": _rotate,
    "noise": _noise,
}
