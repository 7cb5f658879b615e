"""Rotation of images by cubic splines, as `scipy.ndimage.rotate` does it by default (order 3, constant border).

The DC paper's augmentation rotates so; bilinear rotation gives visibly softer digits. Written with torch, so that
scipy is not needed; equal to it within rounding.
"""

from __future__ import annotations

from functools import lru_cache
from math import cos, radians, sin

import torch
from torch import Tensor


def rotated(x: Tensor, degrees: Tensor, *, fill: float) -> Tensor:
    """Images turned about their centre, on a canvas that is enlarged to hold them and then cropped to the old size.

    The canvas has whole pixels, so that the centre may move by half of one, another way for each angle: scipy's
    `reshape=True` and a crop, which the published code does.

    Args:
        x: (N, C, H, W) float.
        degrees: (N,) whole numbers.
        fill: value of what comes from outside the image.

    Returns:
        (N, C, H, W), not differentiable with respect to `degrees`.
    """
    height, width = x.shape[2:]
    coefficients = _prefilter(height).to(x) @ x @ _prefilter(width).to(x).T
    grids = torch.stack([_origins(int(angle), height, width) for angle in degrees.tolist()])
    rows, columns = grids[:, 0], grids[:, 1]
    inside = (rows >= 0) & (rows <= height - 1) & (columns >= 0) & (columns <= width - 1)
    out = _interpolated(coefficients, rows, columns)
    return torch.where(inside[:, None].to(x.device), out, torch.tensor(fill, dtype=x.dtype, device=x.device))


def _origins(degrees: int, height: int, width: int) -> Tensor:
    """Where each pixel of the result comes from: (2, H, W) float64, rows and columns of the image."""
    c, s = cos(radians(degrees)), sin(radians(degrees))
    canvas = [int(_extent((0.0, a * width, b * height, a * width + b * height)) + 0.5) for a, b in ((s, c), (c, -s))]
    offsets = [int((large - small) / 2) - (large - 1) / 2 for large, small in zip(canvas, (height, width), strict=True)]
    rows = torch.arange(height, dtype=torch.float64)[:, None] + offsets[0]
    columns = torch.arange(width, dtype=torch.float64)[None, :] + offsets[1]
    return torch.stack((c * rows + s * columns + (height - 1) / 2, c * columns - s * rows + (width - 1) / 2))


def _extent(values: tuple[float, ...]) -> float:
    return max(values) - min(values)


@lru_cache(maxsize=16)
def _prefilter(side_px: int) -> Tensor:
    """From pixels to spline coefficients, (side, side) float64; beyond the border the image is mirrored."""
    matrix = torch.zeros(side_px, side_px, dtype=torch.float64)
    for i in range(side_px):
        for step, weight in ((-1, 1 / 6), (0, 4 / 6), (1, 1 / 6)):
            matrix[i, _mirrored(torch.tensor(i + step), side_px)] += weight
    coefficients: Tensor = torch.linalg.inv(matrix)
    return coefficients


def _interpolated(coefficients: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """The spline at (N, H, W) positions: sixteen coefficients count for each."""
    num, channels, height, width = coefficients.shape
    out = torch.zeros_like(coefficients)
    flat = coefficients.flatten(2)
    for i in range(-1, 3):
        down, down_weight = _neighbour(rows, i, height)
        for j in range(-1, 3):
            across, across_weight = _neighbour(columns, j, width)
            place = (down * width + across).flatten(1).to(flat.device)[:, None].expand(num, channels, height * width)
            weight = (down_weight * across_weight)[:, None].to(out)
            out += weight * flat.gather(2, place).view_as(out)
    return out


def _neighbour(position: Tensor, step: int, side_px: int) -> tuple[Tensor, Tensor]:
    """Index of a coefficient near `position`, mirrored into the image, and what it counts there."""
    index = position.floor().long() + step
    distance = (position - index).abs()
    near = 2 / 3 - distance**2 * (1 - distance / 2)
    weight = torch.where(distance < 1, near, (2 - distance).clamp_min(0) ** 3 / 6)
    return _mirrored(index, side_px), weight


def _mirrored(index: Tensor, side_px: int) -> Tensor:
    """Indices of any size folded into 0 .. side - 1; the border pixel itself is not repeated."""
    period = max(1, 2 * side_px - 2)
    folded = index % period
    return torch.where(folded < side_px, folded, period - folded)
