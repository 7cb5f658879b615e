"""`conv-decoder`: a small convolutional generator whose size hardly grows with classes or resolution."""

from __future__ import annotations

import math
from typing import Literal

import msgspec
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gendata.errors import SpecError
from gendata.generators import placeless
from gendata.generators.generator import Generator
from gendata.spec import SampleSpec

_LARGEST_BASE_PX = 8  # the grid on which the stem writes
_TEXTURE_GAIN = 4.0  # its kernels begin at 0 and have some way to go at everybody's learning rate


class ConvDecoderConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of `conv-decoder`."""

    class_dim: int = 16  # length of the class embedding, the only part that grows with the classes
    rank: int = 64  # terms of the stem's factorisation
    widths: tuple[int, ...] = (
        64,
    )  # channels per level, coarsest first; the last repeats, more than levels are left out
    depths: tuple[int, ...] = (1,)  # convolutions per level, as well
    block: Literal["dense", "separable"] = "dense"  # 3x3, or depthwise 3x3 and pointwise
    # Pixels per side that the head makes of one place; more is faster and coarser. Unset: 2, and not written, so that
    # artifacts and recipes from before the option keep their digests.
    shuffle: Literal[2, 4, 8] | msgspec.UnsetType = msgspec.UNSET

    # Blur what the head gives, before the sigmoid, by a kernel that takes away exactly what repeats with its grid:
    # matching leaves a pattern of that period. Unset: no, and not written, as `shuffle`.
    antialias: bool | msgspec.UnsetType = msgspec.UNSET

    # Maps of noise out of which the head draws texture; z ends with their values. Unset: none, and not written.
    noise: int | msgspec.UnsetType = msgspec.UNSET

    @property
    def pixels_per_place(self) -> int:
        return 2 if self.shuffle is msgspec.UNSET else self.shuffle

    def __post_init__(self) -> None:
        for name in ("class_dim", "rank"):
            if not 1 <= getattr(self, name) <= 4096:
                raise ValueError(f"{name} must be 1 to 4096, got {getattr(self, name)}")
        for name, most in (("widths", 4096), ("depths", 64)):
            values = getattr(self, name)
            if not 1 <= len(values) <= 16 or not all(1 <= value <= most for value in values):
                raise ValueError(f"{name} must hold 1 to 16 numbers from 1 to {most}, got {list(values)[:17]}")
        if self.noise is not msgspec.UNSET and not 0 <= self.noise <= 64:
            raise ValueError(f"noise must be 0 to 64, got {self.noise}")


def places_of(spec: SampleSpec, *, pixels_per_place: int = 2) -> tuple[int, int]:
    """Rows and columns of the finest level: of what the head reads, and of one map of noise."""
    base, num_levels = _grid(spec, pixels_per_place)
    return base[0] * 2 ** (num_levels - 1), base[1] * 2 ** (num_levels - 1)


def _grid(spec: SampleSpec, pixels_per_place: int) -> tuple[tuple[int, int], int]:
    """Rows and columns of the coarsest level, and how many levels there are."""
    doublings = math.ceil(math.log2(max(spec.height, spec.width) / _LARGEST_BASE_PX))
    num_levels = max(1, doublings - int(math.log2(pixels_per_place)) + 1)
    scale = 2 ** (num_levels - 1) * pixels_per_place
    return (math.ceil(spec.height / scale), math.ceil(spec.width / scale)), num_levels


class ConvDecoder(Generator):
    """Low-rank stem, convolutions modulated by (z, class embedding), pixel shuffle to full resolution.

    With u = [z, e_y] (D values), stem h0 = relu(sum_r (A u)_r S_r outer C_r) on a grid of at most 8 x 8, where S_r is
    spatial and C_r over channels: a dense stem would hold D x channels x grid weights, this one rank x (D + grid +
    channels). Then per level `depths` convolutions, each scaled and shifted by a linear map of u (FiLM, Perez et al.
    2018), bilinear upsampling between levels, and a 3x3 head at 1/shuffle of the resolution whose channels are
    shuffled into pixels (Shi et al. 2016): nothing runs at full resolution. No normalisation, so no sample depends on
    another.

    With `noise` the head also draws texture that no code describes: maps of noise, scaled place by place by a linear
    map of the features there and convolved into pixels (StyleGAN adds noise likewise, Karras et al. 2019, with one
    scale per channel). A latent without its noise gives the image without texture.

    Differs from the paper (arXiv:2309.07698): its generator is not public; this one is ours, drawn for few bytes and
    few multiply-accumulates per image.
    """

    Config = ConvDecoderConfig
    config: ConvDecoderConfig
    pixel_weights = ("head.weight", "texture.kernels.weight")

    def __init__(self, config: ConvDecoderConfig, *, spec: SampleSpec, latent_dim: int) -> None:
        super().__init__(config, spec=spec, latent_dim=latent_dim)
        self.base, num_levels = _grid(spec, config.pixels_per_place)
        widths = _repeated(config.widths, num_levels)
        depths = _repeated(config.depths, num_levels)
        places = places_of(spec, pixels_per_place=config.pixels_per_place)
        num_maps = 0 if config.noise is msgspec.UNSET else config.noise
        self.num_noise = num_maps * places[0] * places[1]
        self.code_dim = latent_dim - self.num_noise
        if self.code_dim < 1:
            raise SpecError(
                f"{num_maps} maps of noise take {self.num_noise} values of a latent of {latent_dim}",
                where="conv-decoder: noise", expected=f"a latent law with `noise: {self.num_noise}`",
            )  # fmt: skip
        u_dim = self.code_dim + config.class_dim

        self.classes = nn.Embedding(spec.num_classes, config.class_dim)
        self.stem = placeless.Linear(u_dim, config.rank)
        self.stem_space = nn.Parameter(torch.randn(config.rank, self.base[0] * self.base[1]))
        self.stem_channels = nn.Parameter(torch.randn(config.rank, widths[0]) / math.sqrt(config.rank))
        blocks, in_width = [], widths[0]
        for level, (width, depth) in enumerate(zip(widths, depths, strict=True)):
            for number in range(depth):
                upsample = level > 0 and number == 0
                blocks.append(_Block(config.block, in_width, width, u_dim, upsample=upsample))
                in_width = width
        self.blocks = nn.ModuleList(blocks)
        self.head = nn.Conv2d(in_width, config.pixels_per_place**2 * spec.channels, 3, padding=1)
        self.texture = _Texture(in_width, num_maps, self.head.out_channels, places) if num_maps else None
        self.antialias = config.antialias is True

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        u = torch.cat([z[:, : self.code_dim], self.classes(y)], dim=1)
        grid = self.stem(u)[:, :, None] * self.stem_space  # (N, rank, base pixels)
        h = F.relu(torch.matmul(self.stem_channels.t(), grid)).reshape(len(u), -1, *self.base)
        for block in self.blocks:
            h = block(h, u)
        x = self.head(h)
        if self.texture is not None and z.shape[1] > self.code_dim:
            x = x + self.texture(h, z[:, self.code_dim :])
        x = _shuffled(x, self.config.pixels_per_place)
        if self.antialias:
            x = _without_grid(x, self.config.pixels_per_place)
        x = placeless.sigmoid(x)
        return x[:, :, : self.spec.height, : self.spec.width]

    def macs_per_image(self) -> int:
        u_dim = self.code_dim + self.config.class_dim
        pixels = self.base[0] * self.base[1]
        total = u_dim * self.config.rank + self.config.rank * pixels * (1 + self.stem_channels.shape[1])
        for block in self.blocks:
            assert isinstance(block, _Block)
            pixels *= 4 if block.upsample else 1
            total += block.macs(pixels)
        if self.antialias:
            period = self.config.pixels_per_place
            total += self.spec.channels * (period + 1) ** 2 * pixels * period**2
        texture = sum(weight.numel() for weight in self.texture.parameters()) if self.texture else 0
        return int(total + (self.head.weight.numel() + texture) * pixels)

    def activation_values_per_image(self) -> int:
        pixels = self.base[0] * self.base[1]
        most = pixels * (2 * self.config.rank + self.stem_channels.shape[1])
        for block in self.blocks:
            assert isinstance(block, _Block)
            pixels *= 4 if block.upsample else 1
            most = max(most, pixels * block.width_held)
        return int(max(most, pixels * (self.head.in_channels + 3 * self.head.out_channels) + 3 * self.num_noise))


class _Block(nn.Module):
    """relu((1 + scale(u)) * conv(h) + shift(u)), after doubling the resolution where `upsample`."""

    def __init__(self, kind: str, in_width: int, width: int, u_dim: int, *, upsample: bool) -> None:
        super().__init__()
        self.upsample = upsample
        self.width_held = 2 * in_width + 3 * width  # channels alive at once, at this block's resolution
        self.convs: nn.Module
        if kind == "dense":
            self.convs = nn.Conv2d(in_width, width, 3, padding=1, bias=False)
        else:
            depthwise = nn.Conv2d(in_width, in_width, 3, padding=1, groups=in_width, bias=False)
            self.convs = nn.Sequential(depthwise, nn.Conv2d(in_width, width, 1, bias=False))
        self.film = placeless.Linear(u_dim, 2 * width)

    def forward(self, h: Tensor, u: Tensor) -> Tensor:
        if self.upsample:
            h = F.interpolate(h, scale_factor=2.0, mode="bilinear", align_corners=False)
        scale, shift = self.film(u)[:, :, None, None].chunk(2, dim=1)
        return F.relu((1 + scale) * self.convs(h) + shift)

    def macs(self, pixels: int) -> int:
        convs = sum(weight.numel() for weight in self.convs.parameters())
        return convs * pixels + self.film.weight.numel()


class _Texture(nn.Module):
    """Noise (N, maps * height * width), scaled by what stands at each place, convolved into the head's channels."""

    def __init__(self, in_width: int, num_maps: int, out_width: int, places: tuple[int, int]) -> None:
        super().__init__()
        self.map_shape = (num_maps, *places)
        self.scales = nn.Conv2d(in_width, num_maps, 1)
        self.kernels = nn.Conv2d(num_maps, out_width, 3, padding=1, bias=False)
        nn.init.zeros_(self.kernels.weight)  # no texture before matching asks for it

    def forward(self, h: Tensor, noise: Tensor) -> Tensor:
        out: Tensor = self.kernels(_TEXTURE_GAIN * self.scales(h) * noise.unflatten(1, self.map_shape))
        return out


def _without_grid(x: Tensor, period: int) -> Tensor:
    """x (N, C, H, W) blurred by the separable kernel box(period) * box(2), which sums to 1.

    It is zero at every frequency of a pattern that repeats each `period` pixels, but at the constant.
    """
    taps = [0.5 / period, *[1 / period] * (period - 1), 0.5 / period]
    kernel = x.new_tensor([[[[a * b for b in taps] for a in taps]]] * x.shape[1])
    return F.conv2d(F.pad(x, (period // 2,) * 4, mode="replicate"), kernel, groups=x.shape[1])


def _shuffled(x: Tensor, factor: int) -> Tensor:
    """(N, C factor^2, h, w) to (N, C, h factor, w factor), the values of `F.pixel_shuffle`.

    Contiguous maps are permuted by hand: 2-core Xeon, torch 2.15, one thread, 48 x 16 x 16 by 4: 33 us an image
    against 53 us.
    """
    if not x.is_contiguous():
        return F.pixel_shuffle(x, factor)
    num, channels, height, width = x.shape
    split = x.view(num, channels // factor**2, factor, factor, height, width)
    return split.permute(0, 1, 4, 2, 5, 3).reshape(num, -1, height * factor, width * factor)


def _repeated(values: tuple[int, ...], count: int) -> tuple[int, ...]:
    return (values + values[-1:] * count)[:count]
