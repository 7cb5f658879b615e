"""The common corruptions of small images, at the strengths of CIFAR-10-C.

Hendrycks, Dietterich (2019), arXiv:1903.12261; strengths and order of operations as in the authors' script that made
CIFAR-10-C (`make_cifar_c.py`), on batches. Lengths that the script ties to 32 pixels follow the image's smaller side.

Differs from the published set: other random numbers; motion blur (and the snow blurred by it) shifts by whole pixels
where ImageMagick interpolates; frost is left out, for it needs photographs.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from gendata.errors import SpecError

# (images in [0, 1] (N, C, H, W), index of the severity 0 .. 4, randomness) -> images, to be clamped
Corruption = Callable[[Tensor, int, torch.Generator], Tensor]


def _gaussian_noise(x: Tensor, level: int, rng: torch.Generator) -> Tensor:
    return x + torch.randn(x.shape, generator=rng) * (0.04, 0.06, 0.08, 0.09, 0.10)[level]


def _shot_noise(x: Tensor, level: int, rng: torch.Generator) -> Tensor:
    photons = (500, 250, 100, 75, 50)[level]
    return torch.poisson(x * photons, generator=rng) / photons


def _impulse_noise(x: Tensor, level: int, rng: torch.Generator) -> Tensor:
    hit = torch.rand(x.shape, generator=rng) < (0.01, 0.02, 0.03, 0.05, 0.07)[level]
    return torch.where(hit, (torch.rand(x.shape, generator=rng) < 0.5).float(), x)


def _defocus_blur(x: Tensor, level: int, rng: torch.Generator) -> Tensor:
    radius, softness_px = ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1))[level]
    half = math.ceil(radius) + 1
    side = torch.arange(-half, half + 1)
    disk = ((side[:, None] ** 2 + side**2) <= radius**2).float()
    soft = _bell(softness_px, half=1)
    kernel = functional.conv2d((disk / disk.sum())[None, None], torch.outer(soft, soft)[None, None], padding=1)
    padded = functional.pad(x, (half,) * 4, mode="reflect")
    return functional.conv2d(padded, kernel.expand(x.shape[1], 1, -1, -1), groups=x.shape[1])


def _glass_blur(x: Tensor, level: int, rng: torch.Generator) -> Tensor:
    """Every pixel is replaced by one nearby, row by row from the end, between two blurs."""
    sigma_px, reach, rounds = ((0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2))[level]
    x = _blurred(x, sigma_px).mul(255).floor().div(255)
    images = torch.arange(len(x))
    for _ in range(rounds):
        for row in range(x.shape[2] - reach, reach, -1):
            for column in range(x.shape[3] - reach, reach, -1):
                off = torch.randint(-reach, reach, (2, len(x)), generator=rng)
                # A copy, not an exchange: the script swaps NumPy views, of which the second sees the first's result.
                x[:, :, row, column] = x[images, :, row + off[0], column + off[1]]
    return _blurred(x, sigma_px)


def _motion_blur(x: Tensor, level: int, rng: torch.Generator) -> Tensor:
    radius, sigma_px = ((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5))[level]
    degrees = torch.rand(len(x), generator=rng) * 90 - 45
    return _dragged(x, radius, sigma_px, degrees)


def _zoom_blur(x: Tensor, level: int, rng: torch.Generator) -> Tensor:
    zooms = np.arange(1, (1.06, 1.11, 1.16, 1.21, 1.26)[level], 0.01)
    return (x + sum(_zoomed(x, float(zoom)) for zoom in zooms)) / (len(zooms) + 1)


def _snow(x: Tensor, level: int, rng: torch.Generator) -> Tensor:
    loc, scale, zoom, threshold, radius, sigma_px, keep = (
        (0.1, 0.2, 1, 0.6, 8, 3, 0.95),
        (0.1, 0.2, 1, 0.5, 10, 4, 0.9),
        (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
        (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
        (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
    )[level]
    flakes = torch.randn(len(x), 1, *x.shape[2:], generator=rng) * scale + loc
    flakes = _zoomed(flakes, zoom)
    flakes = torch.where(flakes < threshold, 0.0, flakes).clamp(0, 1)
    flakes = _dragged(flakes, radius, sigma_px, torch.rand(len(x), generator=rng) * 90 - 135)
    whitened = torch.maximum(x, _luma(x) * 1.5 + 0.5)
    return keep * x + (1 - keep) * whitened + flakes + flakes.rot90(2, (2, 3))


def _fog(x: Tensor, level: int, rng: torch.Generator) -> Tensor:
    density, decay = ((0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75))[level]
    brightest = x.amax((1, 2, 3), keepdim=True)
    clouds = _plasma(len(x), max(x.shape[2:]), decay, rng)[:, None, : x.shape[2], : x.shape[3]]
    return (x + density * clouds) * brightest / (brightest + density)


def _brightness(x: Tensor, level: int, rng: torch.Generator) -> Tensor:
    """Raises the value of hue, saturation, value."""
    value = x.amax(1, keepdim=True)
    raised = (value + (0.05, 0.1, 0.15, 0.2, 0.3)[level]).clamp(max=1)
    return torch.where(value > 0, x * raised / value.clamp(min=1 / 255), raised)


def _contrast(x: Tensor, level: int, rng: torch.Generator) -> Tensor:
    mean = x.mean((2, 3), keepdim=True)
    return (x - mean) * (0.75, 0.5, 0.4, 0.3, 0.15)[level] + mean


def _elastic_transform(x: Tensor, level: int, rng: torch.Generator) -> Tensor:
    """A random affine map, then smooth random displacements."""
    height, width = x.shape[2:]
    strength, smooth, jitter = (
        (0, 0, 0.08),
        (0.05, 0.2, 0.07),
        (0.08, 0.06, 0.06),
        (0.1, 0.04, 0.05),
        (0.1, 0.03, 0.03),
    )[level]
    side = min(height, width)
    x = functional.grid_sample(
        x, _jittered_grid(len(x), height, width, jitter * side, rng), padding_mode="reflection", align_corners=True
    )
    if not strength:
        return x
    field = torch.rand(len(x), 2, height, width, generator=rng) * 2 - 1
    shift = _blurred(field, smooth * side, reach=3, mode="reflect") * strength * side
    return functional.grid_sample(x, _grid(height, width, shift), padding_mode="reflection", align_corners=True)


def _pixelate(x: Tensor, level: int, rng: torch.Generator) -> Tensor:
    share = (0.95, 0.9, 0.85, 0.75, 0.65)[level]
    size = (max(1, int(x.shape[3] * share)), max(1, int(x.shape[2] * share)))

    def coarse(picture: Image.Image) -> Image.Image:
        return picture.resize(size, Image.Resampling.BOX).resize(picture.size, Image.Resampling.BOX)

    return _by_pillow(x, coarse)


def _jpeg_compression(x: Tensor, level: int, rng: torch.Generator) -> Tensor:
    def compressed(picture: Image.Image) -> Image.Image:
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=(80, 65, 58, 50, 40)[level])
        return Image.open(file)

    return _by_pillow(x, compressed)


SMALL_CORRUPTIONS: dict[str, Corruption] = {
    "gaussian_noise": _gaussian_noise,
    "shot_noise": _shot_noise,
    "impulse_noise": _impulse_noise,
    "defocus_blur": _defocus_blur,
    "glass_blur": _glass_blur,
    "motion_blur": _motion_blur,
    "zoom_blur": _zoom_blur,
    "snow": _snow,
    "fog": _fog,
    "brightness": _brightness,
    "contrast": _contrast,
    "elastic_transform": _elastic_transform,
    "pixelate": _pixelate,
    "jpeg_compression": _jpeg_compression,
}


def _bell(sigma_px: float, *, half: int) -> Tensor:
    """(2 half + 1,) Gaussian weights that sum to 1."""
    at = torch.arange(-half, half + 1)
    weights = torch.exp(-(at**2) / (2 * sigma_px**2))
    return weights / weights.sum()


def _blurred(x: Tensor, sigma_px: float, *, reach: float = 4, mode: str = "replicate") -> Tensor:
    """Gaussian blur, cut off at `reach` deviations."""
    half = int(reach * sigma_px + 0.5)
    if half == 0:
        return x.clone()
    channels, weights = x.shape[1], _bell(sigma_px, half=half)
    kernel = weights.expand(channels, 1, 1, -1)
    x = functional.conv2d(functional.pad(x, (half, half, 0, 0), mode=mode), kernel, groups=channels)
    return functional.conv2d(functional.pad(x, (0, 0, half, half), mode=mode), kernel.mT, groups=channels)


def _dragged(x: Tensor, radius: int, sigma_px: float, degrees: Tensor) -> Tensor:
    """Each image moved along its own direction (N,), with the weights of half a Gaussian; edges are continued."""
    num, channels, height, width = x.shape
    steps = torch.arange(2 * radius + 1)
    weights = torch.exp(-(steps**2) / (2 * sigma_px**2))
    angle = torch.deg2rad(degrees)
    out = torch.zeros_like(x)
    for step, weight in zip(steps.tolist(), (weights / weights.sum()).tolist(), strict=True):
        down, right = ((step * part - 0.5).ceil().long() for part in (angle.sin(), angle.cos()))
        rows = (torch.arange(height) + down[:, None]).clamp(0, height - 1)
        columns = (torch.arange(width) + right[:, None]).clamp(0, width - 1)
        moved = x.gather(2, rows[:, None, :, None].expand(num, channels, height, width))
        out += weight * moved.gather(3, columns[:, None, None, :].expand(num, channels, height, width))
    return out


def _zoomed(x: Tensor, zoom: float) -> Tensor:
    """The middle of the image, enlarged to the image's size."""
    height, width = x.shape[2:]
    inner = [math.ceil(side / zoom) for side in (height, width)]
    top, left = (height - inner[0]) // 2, (width - inner[1]) // 2
    middle = x[:, :, top : top + inner[0], left : left + inner[1]]
    size = [max(round(part * zoom), side) for part, side in zip(inner, (height, width), strict=True)]
    large = functional.interpolate(middle, size=size, mode="bilinear", align_corners=True)
    top, left = (size[0] - height) // 2, (size[1] - width) // 2
    return large[:, :, top : top + height, left : left + width]


def _luma(x: Tensor) -> Tensor:
    """(N, 1, H, W): brightness as eyes weigh red, green and blue; of other images the mean."""
    weights = torch.tensor([0.299, 0.587, 0.114] if x.shape[1] == 3 else [1 / x.shape[1]] * x.shape[1])
    return (x * weights.view(1, -1, 1, 1)).sum(1, keepdim=True)


def _plasma(num: int, side: int, decay: float, rng: torch.Generator) -> Tensor:
    """(num, s, s) clouds in [0, 1] by midpoint displacement (diamond-square), s a power of two of at least `side`."""
    size = 1 << max(1, side - 1).bit_length()
    clouds = torch.zeros(num, size, size)
    step, wobble = size, 100.0

    def displaced(corners: Tensor) -> Tensor:
        return corners / 4 + wobble * (torch.rand(corners.shape, generator=rng) * 2 - 1) * wobble

    while step >= 2:
        half = step // 2
        corner = clouds[:, ::step, ::step]
        square = corner + corner.roll(-1, 1)
        clouds[:, half::step, half::step] = displaced(square + square.roll(-1, 2))
        centre, corner = clouds[:, half::step, half::step], clouds[:, ::step, ::step]
        clouds[:, ::step, half::step] = displaced(centre + centre.roll(1, 1) + corner + corner.roll(-1, 2))
        clouds[:, half::step, ::step] = displaced(centre + centre.roll(1, 2) + corner + corner.roll(-1, 1))
        step, wobble = half, wobble / decay
    clouds -= clouds.amin((1, 2), keepdim=True)
    return clouds / clouds.amax((1, 2), keepdim=True)


def _grid(height: int, width: int, shift: Tensor) -> Tensor:
    """Where `grid_sample` reads: every pixel's own place, moved by `shift` (N, (x, y), H, W) in pixels."""
    x = torch.arange(width) + shift[:, 0]
    y = torch.arange(height)[:, None] + shift[:, 1]
    return torch.stack((2 * x / max(width - 1, 1) - 1, 2 * y / max(height - 1, 1) - 1), dim=3)


def _jittered_grid(num: int, height: int, width: int, jitter_px: float, rng: torch.Generator) -> Tensor:
    """Where to read so that three points around the centre move by up to `jitter_px` each."""
    middle, reach = torch.tensor([width // 2, height // 2]).float(), min(height, width) // 3
    corners = middle + torch.tensor([[reach, reach], [reach, -reach], [-reach, -reach]]).float()
    moved = corners + (torch.rand(num, 3, 2, generator=rng) * 2 - 1) * jitter_px
    homogeneous = torch.cat((moved, torch.ones(num, 3, 1)), dim=2)
    back = torch.linalg.solve(homogeneous, corners.expand(num, 3, 2))  # a moved point times `back` is where it was
    xs, ys = torch.arange(width).expand(height, width), torch.arange(height)[:, None].expand(height, width)
    places = torch.stack((xs, ys, torch.ones_like(xs)), dim=2).float()
    read = torch.einsum("hwk,nkj->njhw", places, back)
    return _grid(height, width, read - torch.stack((xs, ys)))


def _by_pillow(x: Tensor, change: Callable[[Image.Image], Image.Image]) -> Tensor:
    if x.shape[1] not in (1, 3):
        raise SpecError(f"images of {x.shape[1]} channels are no pictures", expected="1 or 3 channels")
    pictures = x.mul(255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    changed = [
        np.array(change(Image.fromarray(picture[..., 0] if picture.shape[2] == 1 else picture))) for picture in pictures
    ]
    return torch.from_numpy(np.stack(changed)).view(len(x), *x.shape[2:], -1).permute(0, 3, 1, 2) / 255
