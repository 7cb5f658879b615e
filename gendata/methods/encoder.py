"""The encoder of the warm start: thrown away once the generator has learned to reconstruct."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from gendata.spec import SampleSpec


class Encoder(nn.Module):
    """Images (N, C, H, W) in [0, 1] and labels to a diagonal Gaussian over latents: mean and log-variance (N, dim)."""

    def __init__(self, *, spec: SampleSpec, dim: int, width: int = 32) -> None:
        super().__init__()
        longer, shorter = max(spec.height, spec.width), min(spec.height, spec.width)
        num_levels = max(1, min(math.ceil(math.log2(longer / 8)), int(math.log2(shorter))))
        layers: list[nn.Module] = []
        channels = spec.channels
        for level in range(num_levels):
            out = width * min(2**level, 4)
            layers += [nn.Conv2d(channels, out, 4, stride=2, padding=1), nn.LeakyReLU(0.1)]
            channels = out
        layers += [nn.Conv2d(channels, channels, 3, padding=1), nn.LeakyReLU(0.1), nn.Flatten()]
        self.trunk = nn.Sequential(*layers)
        pixels = math.prod(_halved(side, num_levels) for side in (spec.height, spec.width))
        self.hidden = nn.Linear(channels * pixels, 128)
        self.classes = nn.Embedding(spec.num_classes, 128)
        self.out = nn.Linear(128, 2 * dim)

    def forward(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        h = torch.nn.functional.leaky_relu(self.hidden(self.trunk(2 * x - 1)) + self.classes(y), 0.1)
        mean, log_var = self.out(h).chunk(2, dim=1)
        return mean, log_var.clamp(-10, 4)


def _halved(side: int, times: int) -> int:
    for _ in range(times):
        side //= 2
    return side
