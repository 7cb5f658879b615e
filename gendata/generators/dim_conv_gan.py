"""`dim-conv-gan`: the class-conditional generator of DiM, for its published weights."""

from __future__ import annotations

from typing import Any

import msgspec
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gendata.errors import SpecError
from gendata.generators import placeless
from gendata.generators.generator import Generator
from gendata.spec import SampleSpec

_NORM_EPS = 1e-5
_NORM_MOMENTUM = 0.1  # share of a training batch in the stored statistics


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of `dim-conv-gan`."""

    width: int = 196  # channels of every layer

    def __post_init__(self) -> None:
        if not 1 <= self.width <= 4096:
            raise ValueError(f"width must be 1 to 4096, got {self.width}")


class DimConvGan(Generator):
    """Linear, then eight convolutions, the first, fifth and seventh of which double the grid; tanh at the end.

    The first `num_classes` entries of z are overwritten by the one-hot label; every layer but the last is followed by
    batch normalisation and ReLU. Output (tanh + 1) / 2. 3,559,363 parameters at 3 x 32 x 32.

    In train mode a layer is normalised by the batch and updates its stored statistics; in eval mode, as an artifact is
    sampled, by the stored ones, so that no sample depends on another.

    Source: K. Wang, J. Gu et al. (2023). DiM: Distilling Dataset into Generative Model. arXiv:2303.04707; sizes read
    in the code published with it. It has no licence, so this is written anew.

    Differs from the paper, whose images have 32 x 32 pixels, or 28 x 28 (the first doubling is then from 4 to 7): any
    multiple of 8 will do, the first grid being an eighth of the image.
    """

    Config = Config

    def __init__(self, config: Any, *, spec: SampleSpec, latent_dim: int) -> None:
        super().__init__(config, spec=spec, latent_dim=latent_dim)
        is_28 = (spec.height, spec.width) == (28, 28)
        if not is_28 and (spec.height % 8 or spec.width % 8):
            raise SpecError(
                f"{spec.height} x {spec.width} pixels", where="dim-conv-gan", expected="28 x 28, or multiples of 8"
            )
        if latent_dim < spec.num_classes:
            raise SpecError(
                f"latent dimension {latent_dim}", where="dim-conv-gan",
                expected=f"at least the number of classes, {spec.num_classes}: the label is written into it",
            )  # fmt: skip
        width = config.width
        self.base = (4, 4) if is_28 else (spec.height // 8, spec.width // 8)  # the grid on which the stem writes
        stem_width = width * self.base[0] * self.base[1]
        self.stem = placeless.Linear(latent_dim, stem_width)
        self.norms = nn.ModuleList([_StoredNorm(stem_width), *(_StoredNorm(width) for _ in range(7))])
        doubled_by = {0: 3 if is_28 else 4, 4: 4, 6: 4}  # layer to kernel
        convs: list[nn.Module] = [
            nn.ConvTranspose2d(width, width, doubled_by[number], stride=2, padding=1)
            if number in doubled_by
            else nn.Conv2d(width, width, 3, padding=1)
            for number in range(7)
        ]
        self.convs = nn.ModuleList([*convs, nn.Conv2d(width, spec.channels, 3, padding=1)])

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        num_classes = self.spec.num_classes
        label = F.one_hot(y, num_classes).to(z.dtype)
        h = F.relu(self.norms[0](self.stem(torch.cat([label, z[:, num_classes:]], dim=1))))
        h = h.reshape(len(z), -1, *self.base)
        for conv, norm in zip(self.convs[:-1], self.norms[1:], strict=True):
            h = F.relu(norm(conv(h)))
        x: Tensor = (placeless.tanh(self.convs[-1](h)) + 1) / 2
        return x

    def macs_per_image(self) -> int:
        total, pixels = self.stem.weight.numel(), self.base[0] * self.base[1]
        for layer in self.convs:
            assert isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d))
            total += layer.weight.numel() * pixels  # transposed, every input pixel meets the whole kernel
            if isinstance(layer, nn.ConvTranspose2d):
                pixels = 49 if layer.kernel_size[0] == 3 else 4 * pixels
        return int(total)

    def activation_values_per_image(self) -> int:
        return int(3 * self.config.width * self.spec.height * self.spec.width)


class _StoredNorm(nn.Module):
    """Batch normalisation: by the batch in train mode, by the statistics stored on the way in eval mode."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("var", torch.ones(width))
        self.mean: Tensor
        self.var: Tensor

    def forward(self, h: Tensor) -> Tensor:
        return F.batch_norm(
            h, self.mean, self.var, self.weight, self.bias, self.training, momentum=_NORM_MOMENTUM, eps=_NORM_EPS
        )
