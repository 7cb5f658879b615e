"""Resizing of windows of images: bilinear, with antialiasing, a separable product with two small matrices.

Every image may have another window, in one batched product; on a CPU this is many times faster than a call per image.
"""

from __future__ import annotations

import torch
from torch import Tensor

_BLOCK = 64  # images at a time: a matrix per image, of 224 pixels a side, is 0.4 MB


def resampled(x: Tensor, *, top: Tensor, left: Tensor, height: Tensor, width: Tensor, size: tuple[int, int]) -> Tensor:
    """The window of each image, resized: (N, C, H, W) -> (N, C, *size), float, differentiable.

    Equal, up to rounding, to cropping and `torch.nn.functional.interpolate(mode="bilinear", antialias=True)`.

    Args:
        x: float images.
        top, left, height, width: (N,) or (1,) int64, windows inside the images.
        size: of the result, pixels.
    """
    windows = torch.stack(torch.broadcast_tensors(top, left, height, width))
    if windows.shape[1] == 1:
        return _block(x, windows, size)
    blocks = zip(x.split(_BLOCK), windows.split(_BLOCK, dim=1), strict=True)
    return torch.cat([_block(images, window, size) for images, window in blocks])


def _block(x: Tensor, windows: Tensor, size: tuple[int, int]) -> Tensor:
    """`windows` (4, N) or (4, 1): top, left, height, width."""
    top, left, height, width = windows
    down = _weights(top, height, side_px=x.shape[2], out_px=size[0]).to(x)
    across = _weights(left, width, side_px=x.shape[3], out_px=size[1]).to(x)
    return (down[:, None] @ x @ across[:, None].transpose(2, 3)).contiguous()


def _weights(start: Tensor, length: Tensor, *, side_px: int, out_px: int) -> Tensor:
    """What each pixel of a side counts in each pixel of the result: (N, out_px, side_px), rows sum to 1."""
    first, last = start.double()[:, None, None], (start + length).double()[:, None, None]
    ratio = (last - first) / out_px  # source pixels per pixel of the result
    reach = ratio.clamp_min(1.0)  # the triangle widens when the window shrinks: that is the antialiasing
    centre = first + (torch.arange(out_px, dtype=torch.float64)[None, :, None] + 0.5) * ratio
    pixel = torch.arange(side_px, dtype=torch.float64)[None, None, :] + 0.5
    weights = (1 - (pixel - centre).abs() / reach).clamp_min(0.0)
    weights = weights * ((pixel > first) & (pixel < last))
    return weights / weights.sum(2, keepdim=True)
