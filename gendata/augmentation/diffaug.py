"""DiffAug as DiM and IDC train their students with it: several operations on every batch.

Source: vimar-gu/DiM augment.py, which goes back to Zhao et al. 2020 (arXiv:2006.10738). Flip, colour and cutout are
always applied when the strategy names them; of the other names ONE is drawn per batch. So "color_crop" is colour and
crop on every image, where DSA of the same strategy does one or the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import msgspec
import torch
from torch import Tensor

from gendata.augmentation.dsa import Dsa, DsaDraw, check_strengths

_FIRST, _LAST = ("flip", "color"), ("cutout",)  # always applied, in this order, around the one that is drawn
_DRAWN = ("crop", "scale", "rotate", "translate")


class DiffAug(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The augmentation's settings; defaults are the published numbers, which are DSA's.

    Differs from the published code: draws come from an explicit generator.
    """

    space: ClassVar[Literal["uint8", "normalised"]] = "normalised"

    strategy: str = "color_crop_cutout_flip_scale_rotate"  # names joined by "_"; DiM takes "color_crop"
    brightness: float = 1.0  # added offset within +-brightness / 2
    saturation: float = 2.0  # colour contrast times 0 .. saturation
    contrast: float = 0.5  # contrast times contrast .. contrast + 1
    crop_pad: float = 0.125  # shift of at most this share of the side, zeros move in; of translate: to the side only
    cutout: float = 0.5  # side of the blanked square, as a share of the image's side
    flip: float = 0.5  # probability of a left-right flip
    scale: float = 1.2  # height and width each by 1/scale .. scale
    rotate: float = 15.0  # degrees, both ways

    def __post_init__(self) -> None:
        known = (*_FIRST, *_DRAWN, *_LAST)
        unknown = [name for name in self.operations if name not in known]
        if unknown:
            raise ValueError(f"strategy names {unknown[0]!r}; operations are {', '.join(known)}")
        check_strengths(self)

    @property
    def operations(self) -> tuple[str, ...]:
        """As the strategy names them."""
        return tuple(self.strategy.split("_"))

    def draw(self, generator: torch.Generator, batch: int, *, shared: bool = False) -> DiffAugDraw:
        """The operations for a batch, in their order.

        Args:
            generator: everything random comes from it.
            batch: images the draw will be applied to; unimportant when `shared`.
            shared: one set of parameters for all images (Siamese matching); the draw then fits batches of any size.
        """
        named = self.operations
        drawn = [name for name in named if name in _DRAWN]
        picked = [drawn[int(torch.randint(len(drawn), (), generator=generator))]] if drawn else []
        order = [name for name in _FIRST if name in named] + picked + [name for name in _LAST if name in named]
        return DiffAugDraw(tuple(self._drawn(name, generator, batch, shared) for name in order))

    def _drawn(self, name: str, generator: torch.Generator, batch: int, shared: bool) -> DsaDraw:
        if name != "translate":
            return self._settings(name).draw(generator, batch, shared=shared)
        draw = self._settings("crop").draw(generator, batch, shared=shared)
        draw.uniforms[0] = 0.5  # the middle of the vertical range: no shift
        return draw

    def _settings(self, operation: str) -> Dsa:
        return Dsa(
            strategy=operation,
            brightness=self.brightness,
            saturation=self.saturation,
            contrast=self.contrast,
            crop_pad=self.crop_pad,
            cutout=self.cutout,
            flip=self.flip,
            scale=self.scale,
            rotate=self.rotate,
        )


@dataclass(frozen=True)
class DiffAugDraw:
    """Drawn operations: the same for every batch they are called on."""

    draws: tuple[DsaDraw, ...]

    @property
    def operations(self) -> tuple[str, ...]:
        """Their names, as DSA has them, in the order of application."""
        return tuple(draw.operation for draw in self.draws)

    def __call__(self, x: Tensor) -> Tensor:
        """Augments (N, C, H, W), differentiably; the result is contiguous."""
        for draw in self.draws:
            x = draw(x)
        return x.contiguous()
