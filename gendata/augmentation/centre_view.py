"""What networks of the ImageNet kind are tested on: the image made a little larger, and its middle."""

from __future__ import annotations

import re

import msgspec
import torch
from torch import Tensor

from gendata.augmentation.resampling import resampled

_SHARE = re.compile(r"([1-9]\d?)/([1-9]\d?)")


class ResizeCentreCrop(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The shorter side becomes side // 7 * 8, then the middle of the network's own size is cut out. Nothing is drawn.

    For 224 that is 256 and 224; for 32 it is 32 and 32: nothing happens. Nor where it would be less than the side, as
    for 27, of which the published code cannot cut the middle out.
    """

    resize: str = "8/7"  # of the network's side, as a fraction p/q: side // q * p

    def __post_init__(self) -> None:
        match = _SHARE.fullmatch(self.resize)
        if not match or int(match[1]) < int(match[2]):
            raise ValueError(f"resize must be a fraction of at least 1 such as '8/7', got {self.resize!r}")

    def __call__(self, x: Tensor, *, side_px: int | None = None) -> Tensor:
        """(N, C, H, W) of any size -> (N, C, side, side), of the same dtype.

        Args:
            x: test images, 8-bit or normalised.
            side_px: the network's side; None: the shorter side of `x`, as sources deliver images.
        """
        side_px = side_px or min(x.shape[2:])
        larger, smaller = map(int, self.resize.split("/"))
        return centre_crop(resize(x, max(side_px, side_px // smaller * larger)), side_px)


def resize(x: Tensor, shorter_px: int) -> Tensor:
    """The shorter side becomes `shorter_px`, bilinear with antialiasing; uint8 is rounded, half to even."""
    height, width = x.shape[2:]
    if min(height, width) == shorter_px:
        return x
    longer_px = int(shorter_px * max(height, width) / min(height, width))
    size = (shorter_px, longer_px) if height <= width else (longer_px, shorter_px)
    whole = [torch.tensor([side]) for side in (0, 0, height, width)]
    values = x if x.is_floating_point() else x.float()
    out = resampled(values, top=whole[0], left=whole[1], height=whole[2], width=whole[3], size=size)
    return out if x.is_floating_point() else out.round_().clamp_(0, 255).to(x.dtype)


def centre_crop(x: Tensor, side_px: int) -> Tensor:
    """The middle square of images (N, C, H, W).

    Raises:
        ValueError: the images are smaller than that.
    """
    height, width = x.shape[2:]
    if min(height, width) < side_px:
        raise ValueError(f"a centre crop of {side_px} pixels from {height} x {width}")
    top, left = round((height - side_px) / 2), round((width - side_px) / 2)
    return x[:, :, top : top + side_px, left : left + side_px].contiguous()
