"""The space that samples live in: pixels in [0, 1], or what a student was shown, normalised or whitened.

Pixel sets of other tools are often published as the values a network was fed. They are kept as they are; then it is
the real images, of the test above all, that have to be brought into the same space.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import msgspec
import torch
from torch import Tensor

from gendata.errors import SpecError

SpaceName = Literal["image", "normalised", "zca"]

_BLOCK = 1024  # images that are flattened and multiplied at once
_SHOWN_DEVIATIONS = 2.5  # on either side of an image's mean, where pictures of whitened images are cut


class Whitening(msgspec.Struct, frozen=True, kw_only=True):
    """How real images are whitened (ZCA): x -> (flat(x) - mean) @ matrix, matrix = U (S + r)^-1/2 U^T.

    U and S are eigenvectors and eigenvalues of the covariance of all training images; r is the ridge.
    """

    stored: bool  # as tensors `space.mean`, `space.matrix`; false: fitted anew to the source's training images
    normalised: bool  # channels are normalised first
    unit_images: bool  # then every image is centred and scaled to length 1
    centred: bool  # then the mean training image is taken away, and the covariance divided by n - 1, not n
    ridge: float  # what is added to every eigenvalue
    ridge_relative: bool  # the ridge is a share of the mean eigenvalue


class Space(msgspec.Struct, frozen=True, kw_only=True):
    """Where samples live that are no pixels in [0, 1]."""

    name: Literal["normalised", "zca"]
    whitening: Whitening | None = None  # of "zca" alone


class Whitener(NamedTuple):
    """A fitted whitening, float32."""

    mean: Tensor  # (D,), D = channels * height * width
    matrix: Tensor  # (D, D)


class SpaceTransform:
    """Real images uint8 (N, C, H, W) to float32 of the same shape in the space of the samples, on their device.

    Args:
        space: None: pixels, value / 255.
        mean, std: per channel, of values in [0, 1].
        whitener: of "zca".
    """

    def __init__(
        self, space: Space | None, *, mean: tuple[float, ...], std: tuple[float, ...], whitener: Whitener | None = None
    ) -> None:
        self.space, self.mean, self.std, self.whitener = space, mean, std, whitener

    def __call__(self, x_u8: Tensor) -> Tensor:
        """The images in that space.

        Raises:
            SpecError: no uint8 images, or of another shape than the transform was fitted to.
        """
        if x_u8.dtype != torch.uint8 or x_u8.dim() != 4 or x_u8.shape[1] != len(self.mean):
            raise SpecError(
                f"images are {x_u8.dtype} {tuple(x_u8.shape)}", expected=f"uint8 (N, {len(self.mean)}, H, W)"
            )
        if self.space is None:
            return x_u8.to(torch.float32).div_(255)
        if self.space.whitening is None:
            return _normalised(x_u8, self.mean, self.std)
        assert self.whitener is not None, "whoever made this transform gives the whitener"
        return self._whitened(x_u8, self.space.whitening, self.whitener)

    def _whitened(self, x_u8: Tensor, how: Whitening, whitener: Whitener) -> Tensor:
        if x_u8[0:1].numel() not in (0, len(whitener.mean)):
            raise SpecError(
                f"images have {x_u8[0].numel()} values", where="space", expected=f"{len(whitener.mean)}, as whitened"
            )
        mean, matrix = whitener.mean.to(x_u8.device), whitener.matrix.to(x_u8.device)
        whitened = torch.empty(x_u8.shape, dtype=torch.float32, device=x_u8.device)
        for start in range(0, len(x_u8), _BLOCK):
            block = x_u8[start : start + _BLOCK]
            flat = _flat(block, how, self.mean, self.std) - mean
            whitened[start : start + _BLOCK] = (flat @ matrix).reshape(block.shape)
        return whitened


def fit_whitening(x_u8: Tensor, how: Whitening, *, mean: tuple[float, ...], std: tuple[float, ...]) -> Whitener:
    """Fits the whitening to training images uint8 (N, C, H, W).

    3 x 32 x 32 pixels, one core: 14 s for 4,096 images, most of it for the eigenvectors.

    Products of blocks are float32, their sums and the eigenvectors float64.

    Raises:
        SpecError: fewer than two images, or an eigenvalue that is not above 0 with the ridge.
    """
    if len(x_u8) < 2:
        raise SpecError(f"{len(x_u8)} images", where="whitening", expected="at least two")
    num_values = x_u8[0].numel()
    total = torch.zeros(num_values, dtype=torch.float64)
    products = torch.zeros(num_values, num_values, dtype=torch.float64)
    for block in x_u8.cpu().split(_BLOCK):
        flat = _flat(block, how, mean, std)
        total += flat.sum(0, dtype=torch.float64)
        products += flat.T @ flat
    count = len(x_u8)
    middle = total / count if how.centred else torch.zeros_like(total)
    covariance = (products - count * torch.outer(middle, middle)) / (count - 1 if how.centred else count)
    values, vectors = torch.linalg.eigh(covariance)
    ridge = how.ridge * float(values.mean() if how.ridge_relative else 1.0)
    if not bool((values.clamp(min=0) + ridge > 0).all()):
        raise SpecError(f"the covariance is singular and the ridge is {ridge:g}", where="whitening", expected="above 0")
    matrix = (vectors / (values.clamp(min=0) + ridge).sqrt()) @ vectors.T
    return Whitener(middle.to(torch.float32), matrix.to(torch.float32))


def pictures(x: Tensor, space: Space | None, *, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    """Samples (N, C, H, W) as uint8 to look at; uint8 ones as they are.

    Normalised values are un-normalised, and all are clamped to [0, 1]. Of a whitened image the original cannot be had:
    its values are stretched from 2.5 standard deviations below the image's mean (black) to as many above (white).
    """
    if x.dtype == torch.uint8:
        return x
    if space is not None and space.name == "normalised":
        channels = [torch.tensor(value, dtype=x.dtype, device=x.device).view(-1, 1, 1) for value in (mean, std)]
        x = x * channels[1] + channels[0]
    elif space is not None:
        flat = x.flatten(1)
        middle, reach = flat.mean(1), _SHOWN_DEVIATIONS * flat.std(1, correction=0).clamp(min=1e-12)
        x = ((x - middle.view(-1, 1, 1, 1)) / reach.view(-1, 1, 1, 1) + 1) / 2
    return x.mul(255).round().clamp(0, 255).to(torch.uint8)


def _normalised(x_u8: Tensor, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    means, stds = (torch.tensor(value, device=x_u8.device).view(-1, 1, 1) for value in (mean, std))
    return x_u8.to(torch.float32).div_(255).sub_(means).div_(stds)


def _flat(x_u8: Tensor, how: Whitening, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    """(N, D) float32: what the whitening's matrix is applied to, its mean not yet taken away."""
    x = _normalised(x_u8, mean, std) if how.normalised else x_u8.to(torch.float32).div_(255)
    flat = x.flatten(1)
    if how.unit_images:
        flat = flat - flat.mean(1, keepdim=True)
        flat = flat / flat.norm(dim=1, keepdim=True).clamp(min=1e-12)
    return flat
