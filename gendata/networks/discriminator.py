"""Discriminators: what tells generated images from real ones while a generator is trained.

Neither has a normalisation over the batch: gradient penalties are per sample, and a score must not depend on what else
is in the batch. Inputs are as the caller scaled them.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gendata.spec import SampleSpec

_SMALLEST_SIDE = 4  # of the grid that a projection discriminator reads its features from


class ClassifyingCritic(nn.Module):
    """Eight convolutions with layer norm, then two heads: a source score and class logits.

    Three of the convolutions halve the grid; layer norm is over channels and places, with an affine map of that shape;
    the heads read the maximum over the last grid. 3,137,971 parameters at 3 x 32 x 32, 10 classes and width 196.

    Source: DiM (arXiv:2303.04707), sizes read in the code published with it, which takes them from one of many
    CIFAR-10 implementations of the auxiliary-classifier GAN (Odena et al. 2017, arXiv:1610.09585).
    """

    def __init__(self, *, spec: SampleSpec, width: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels, height, width_px = spec.channels, spec.height, spec.width
        for number in range(8):
            stride = 2 if number in (1, 3, 7) else 1
            height, width_px = -(-height // stride), -(-width_px // stride)
            layers += [
                nn.Conv2d(channels, width, 3, stride=stride, padding=1),
                nn.LayerNorm([width, height, width_px]),
                nn.LeakyReLU(0.01),
            ]
            channels = width
        self.trunk = nn.Sequential(*layers)
        self.source = nn.Linear(width, 1)
        self.classes = nn.Linear(width, spec.num_classes)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Scores (N,), higher for real, and class logits (N, num_classes) of images (N, C, H, W)."""
        h = self.trunk(x).amax((2, 3))
        return self.source(h)[:, 0], self.classes(h)


class ProjectionDiscriminator(nn.Module):
    """Residual blocks, each at half the resolution of the one before, and a class projection: s = e_y . phi(x).

    phi reads the last grid with one learned filter per channel, then a linear map. No normalisation at all; the last
    convolution of a block starts at zero and weights are drawn for unit variance, which is what makes that work (Zhang
    et al. 2019, "Fixup", arXiv:1901.09321).

    Source: the projection is Miyato and Koyama 2018 (arXiv:1802.05637, eq. 3) without its unconditional term, as in
    Huang et al. 2024 (arXiv:2501.05441), where the plan of the network is from as well. Differs from the latter: plain
    3 x 3 convolutions in place of grouped bottlenecks, one block per resolution, average pooling between them.
    """

    def __init__(self, *, spec: SampleSpec, width: int) -> None:
        super().__init__()
        sides = [(spec.height, spec.width)]
        while min(sides[-1]) >= 2 * _SMALLEST_SIDE:
            sides.append((sides[-1][0] // 2, sides[-1][1] // 2))
        self.entry = nn.Conv2d(spec.channels, width, 1)
        self.blocks = nn.ModuleList(_ResidualBlock(width) for _ in sides)
        self.places = nn.Conv2d(width, width, sides[-1], groups=width, bias=False)
        self.features = nn.Linear(width, width, bias=False)
        self.classes = nn.Embedding(spec.num_classes, width)
        for layer in (self.entry, self.places, self.features):
            _draw_unit(layer)
        nn.init.normal_(self.classes.weight, std=1 / math.sqrt(width))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Scores (N,), higher for real, of images (N, C, H, W) that are said to be of classes y (N,)."""
        h = self.entry(x)
        for number, block in enumerate(self.blocks):
            h = block(F.avg_pool2d(h, 2) if number else h)
        scores: Tensor = (self.features(self.places(h).flatten(1)) * self.classes(y)).sum(1)
        return scores


class _ResidualBlock(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        _draw_unit(self.first)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)  # type: ignore[arg-type]

    def forward(self, h: Tensor) -> Tensor:
        out: Tensor = h + self.second(F.leaky_relu(self.first(F.leaky_relu(h, 0.2)), 0.2))
        return out


def _draw_unit(layer: nn.Conv2d | nn.Linear) -> None:
    """Weights that keep the variance of independent inputs; no bias."""
    nn.init.normal_(layer.weight, std=1 / math.sqrt(layer.weight[0].numel()))
    if layer.bias is not None:
        with torch.no_grad():
            layer.bias.zero_()
