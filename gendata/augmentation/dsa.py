"""Differentiable Siamese augmentation, mode "S" (Zhao, Bilen 2021, arXiv:2102.08259).

Every batch gets ONE operation of the strategy, chosen at random; its parameters are drawn per image (training a
student) or once for all images (Siamese matching, where real and synthetic batches must see the same operation).
Operations work on normalised images of any channel count.

Differs from the published code: draws come from an explicit generator, crop and cutout positions are floor(u * n) of
a uniform u, and results are contiguous (a strided result changes how convolutions round).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import pi
from typing import ClassVar, Literal

import msgspec
import torch
from torch import Tensor
from torch.nn import functional

_BOUNDS = {  # of strengths, inclusive
    "brightness": (0.0, 100.0),
    "saturation": (0.0, 100.0),
    "contrast": (0.0, 100.0),
    "crop_pad": (0.0, 1.0),
    "cutout": (0.0, 1.0),
    "flip": (0.0, 1.0),
    "scale": (1.0, 100.0),
    "rotate": (0.0, 360.0),
}


def check_strengths(settings: msgspec.Struct) -> None:
    """Raises ValueError for a strength that no image would survive, or that is no number."""
    for name, (least, most) in _BOUNDS.items():
        if not least <= getattr(settings, name) <= most:
            raise ValueError(f"{name} must be {least:g} to {most:g}, got {getattr(settings, name)}")


class Dsa(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The augmentation's settings; defaults are the published numbers."""

    space: ClassVar[Literal["uint8", "normalised"]] = "normalised"

    strategy: str = "color_crop_cutout_flip_scale_rotate"  # operations joined by "_"; leave flip out for digits
    brightness: float = 1.0  # added offset within +-brightness / 2
    saturation: float = 2.0  # colour contrast times 0 .. saturation
    contrast: float = 0.5  # contrast times contrast .. contrast + 1
    crop_pad: float = 0.125  # shift of at most this share of the side, zeros move in
    cutout: float = 0.5  # side of the blanked square, as a share of the image's side
    flip: float = 0.5  # probability of a left-right flip
    scale: float = 1.2  # height and width each by 1/scale .. scale
    rotate: float = 15.0  # degrees, both ways
    align_corners: bool = False  # matters to rotation alone, of images not square. False: torch >= 1.3 by default

    def __post_init__(self) -> None:
        unknown = [name for name in self.operations if name not in _OPERATIONS]
        if unknown:
            raise ValueError(f"strategy names {unknown[0]!r}; operations are {', '.join(_OPERATIONS)}")
        check_strengths(self)

    @property
    def operations(self) -> tuple[str, ...]:
        return tuple(self.strategy.split("_"))

    def draw(self, generator: torch.Generator, batch: int, *, shared: bool = False) -> DsaDraw:
        """One operation and its parameters for a batch.

        Args:
            generator: everything random comes from it; it advances by the same amount for equal arguments and choice.
            batch: images the draw will be applied to; unimportant when `shared`.
            shared: one set of parameters for all images; the draw then fits batches of any size.
        """
        device = generator.device
        choice = int(torch.randint(len(self.operations), (1,), generator=generator, device=device))
        operation = self.operations[choice]
        num_uniforms = _OPERATIONS[operation][1]
        uniforms = torch.rand(num_uniforms, 1 if shared else batch, generator=generator, device=device)
        return DsaDraw(settings=self, operation=operation, uniforms=uniforms)


@dataclass(frozen=True)
class DsaDraw:
    """One drawn operation: the same for every batch it is called on."""

    settings: Dsa
    operation: str
    uniforms: Tensor  # (parameters of the operation, batch or 1), float32 in [0, 1)

    def __call__(self, x: Tensor) -> Tensor:
        """Augments (N, C, H, W), differentiably; the result is contiguous."""
        images = self.uniforms.shape[1]
        if images not in (1, x.shape[0]):
            raise ValueError(
                f"drawn for {images} images, applied to {x.shape[0]}; draw with shared=True for any number"
            )
        apply = _OPERATIONS[self.operation][0]
        # float32 draws, whatever the precision of x: a float64 run sees the same parameters.
        return apply(x, self.uniforms.to(x.device), self.settings).contiguous()


def _color(x: Tensor, u: Tensor, settings: Dsa) -> Tensor:
    """Brightness, saturation, contrast, in this order. Saturation of a grey image changes nothing."""
    brightness, saturation, contrast = (row.to(x.dtype).view(-1, 1, 1, 1) for row in u)
    x = x + (brightness - 0.5) * settings.brightness
    grey = x.mean(1, keepdim=True)
    x = (x - grey) * (saturation * settings.saturation) + grey
    level = x.mean((1, 2, 3), keepdim=True)
    adjusted: Tensor = (x - level) * (contrast + settings.contrast) + level
    return adjusted


def _crop(x: Tensor, u: Tensor, settings: Dsa) -> Tensor:
    """Shifts by whole pixels; zeros move in."""
    height, width = x.shape[2:]
    rows = torch.arange(height, device=x.device) + _shift(u[0], height, settings.crop_pad)
    columns = torch.arange(width, device=x.device) + _shift(u[1], width, settings.crop_pad)
    inside = _inside(rows, height)[:, None, :, None] & _inside(columns, width)[:, None, None, :]
    rows, columns = rows.clamp(0, height - 1), columns.clamp(0, width - 1)
    if rows.shape[0] == 1:
        shifted = x.index_select(2, rows[0]).index_select(3, columns[0])
    else:
        num, channels = x.shape[:2]
        shifted = x.gather(2, rows[:, None, :, None].expand(num, channels, height, width))
        shifted = shifted.gather(3, columns[:, None, None, :].expand(num, channels, height, width))
    return torch.where(inside, shifted, torch.zeros((), dtype=x.dtype, device=x.device))


def _shift(u: Tensor, side_px: int, share: float) -> Tensor:
    """Whole pixels in -most .. most, (N, 1)."""
    most = int(side_px * share + 0.5)
    return (_floor(u, 2 * most + 1) - most)[:, None]


def _inside(position: Tensor, side_px: int) -> Tensor:
    return (position >= 0) & (position < side_px)


def _floor(u: Tensor, count: int) -> Tensor:
    """0 .. count - 1, uniform; in float64, so that rounding never reaches count."""
    return (u.double() * count).floor().long()


def _cutout(x: Tensor, u: Tensor, settings: Dsa) -> Tensor:
    """Blanks a square, its centre anywhere in the image; what hangs over the border is lost."""
    rows, columns = (_blank(u[i], x.shape[2 + i], settings.cutout) for i in (0, 1))
    hole = rows[:, None, :, None] & columns[:, None, None, :]
    return x * (~hole).to(x.dtype)


def _blank(u: Tensor, side_px: int, share: float) -> Tensor:
    """Which rows (or columns) the square covers, (N, side) bool.

    The published code clamps the square's pixels into the image, so a square that lies over the border still
    covers its nearest row: here too.
    """
    size = int(side_px * share + 0.5)
    start = _floor(u, side_px + (1 - size % 2))[:, None] - size // 2
    first, last = start.clamp(0, side_px - 1), (start + size - 1).clamp(0, side_px - 1)
    position = torch.arange(side_px, device=u.device)
    return (position >= first) & (position <= last) if size else torch.zeros_like(position >= first)


def _flip(x: Tensor, u: Tensor, settings: Dsa) -> Tensor:
    return torch.where((u[0] < settings.flip).view(-1, 1, 1, 1), x.flip(3), x)


def _scale(x: Tensor, u: Tensor, settings: Dsa) -> Tensor:
    """Stretches height and width independently."""
    low, high = 1.0 / settings.scale, settings.scale
    across, down = u * (high - low) + low
    zero = torch.zeros_like(across)
    return _resample(x, (across, zero, zero, down), settings)


def _rotate(x: Tensor, u: Tensor, settings: Dsa) -> Tensor:
    angle = (u[0] - 0.5) * 2 * settings.rotate / 180 * pi
    return _resample(x, (angle.cos(), -angle.sin(), angle.sin(), angle.cos()), settings)


def _resample(x: Tensor, linear: tuple[Tensor, Tensor, Tensor, Tensor], settings: Dsa) -> Tensor:
    """Bilinear, about the centre, zeros outside; `linear` is the 2 x 2 matrix from output to input, by rows."""
    a, b, c, d = linear
    zero = torch.zeros_like(a)
    theta = torch.stack((a, b, zero, c, d, zero), 1).view(-1, 2, 3).to(x.dtype).expand(x.shape[0], 2, 3)
    grid = functional.affine_grid(theta, list(x.shape), align_corners=settings.align_corners)
    return functional.grid_sample(x, grid, align_corners=settings.align_corners)


# Name in a strategy -> what it does, and how many uniforms per image it takes.
_OPERATIONS: dict[str, tuple[Callable[[Tensor, Tensor, Dsa], Tensor], int]] = {
    "color": (_color, 3),
    "crop": (_crop, 2),
    "cutout": (_cutout, 2),
    "flip": (_flip, 1),
    "scale": (_scale, 2),
    "rotate": (_rotate, 1),
}
