"""ResNet-10, -18 and -34 of basic blocks with a 3x3 stem and no pooling before the first stage.

He, Zhang, Ren, Sun (2016), in the forms that the condensation papers use for small images. They differ in width, norm,
initialisation, in how stages halve the image, and in what the linear layer reads; each is an argument here, because
"ResNet-18" alone has meant networks of 2.8 and of 11.2 million parameters.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from gendata.errors import SpecError
from gendata.networks.classifier import Classifier
from gendata.networks.norms import check_normed_map, norm_layer
from gendata.spec import SampleSpec

Halving = Literal["stride", "pool"]  # by the convolution's stride; or by average pooling after it ("AP")

_BLOCKS = {10: (1, 1, 1, 1), 18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}
_INSTEAD = "convnet3-w128-in or a ResNet with -bn"


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut: (N, channels, h, w) -> (N, width, h', w'), halved if `stride` is 2."""

    def __init__(self, channels: int, width: int, *, stride: int, norm: str, halving: Halving) -> None:
        super().__init__()
        conv_stride = stride if halving == "stride" else 1
        self.pool = nn.AvgPool2d(stride) if stride > conv_stride else nn.Identity()
        self.conv1 = nn.Conv2d(channels, width, 3, stride=conv_stride, padding=1, bias=False)
        self.norm1 = norm_layer(norm, width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm2 = norm_layer(norm, width)
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or channels != width:
            conv = nn.Conv2d(channels, width, 1, stride=conv_stride, bias=False)
            self.shortcut = nn.Sequential(conv, self.pool, norm_layer(norm, width))

    def forward(self, x: Tensor) -> Tensor:
        h = self.pool(torch.relu(self.norm1(self.conv1(x))))
        return torch.relu(self.norm2(self.conv2(h)) + self.shortcut(x))


class ResNet(Classifier):
    """Stem and four stages of width, 2 width, 4 width, 8 width; the last three halve the image.

    Args:
        depth: 10, 18 or 34.
        width: channels of stem and first stage.
        norm: "in" or "bn".
        halving: "stride": rounds sides up; "pool": rounds them down.
        flat: the linear layer reads the last map as it is; False: its mean over the image.
        fan_out: convolutions are drawn as He, Zhang, Ren, Sun (2015) for the backward pass, as torchvision and the
            DiM code do it; False: torch's default, as the DC code leaves it.

    Raises:
        SpecError: instance norm would see maps of one pixel, or pooling would leave none.
    """

    def __init__(
        self,
        *,
        spec: SampleSpec,
        depth: int,
        width: int,
        norm: str,
        halving: Halving = "stride",
        flat: bool = False,
        fan_out: bool = False,
    ) -> None:
        super().__init__()
        last_height, last_width = (_last_side(side, halving) for side in (spec.height, spec.width))
        if min(last_height, last_width) < 1:
            raise SpecError(
                f"a ResNet that pools does not fit a {spec.height} x {spec.width} image", expected="at least 8 x 8"
            )
        check_normed_map(norm, last_height, last_width, spec=spec, instead=_INSTEAD)
        self.conv = nn.Conv2d(spec.channels, width, 3, padding=1, bias=False)
        self.norm = norm_layer(norm, width)
        self.stages = nn.ModuleList(
            _stage(width * max(1, 2**stage // 2), width * 2**stage, blocks, norm=norm, halving=halving)
            for stage, blocks in enumerate(_BLOCKS[depth])
        )
        self.flat = flat
        self.classifier = nn.Linear(8 * width * (last_height * last_width if flat else 1), spec.num_classes)
        if fan_out:
            _draw_by_fan_out(self)

    def block_outputs(self, x: Tensor) -> list[Tensor]:
        outputs = [torch.relu(self.norm(self.conv(x)))]
        for stage in self.stages:
            outputs.append(stage(outputs[-1]))
        return outputs

    def views(self, x: Tensor) -> tuple[list[Tensor], Tensor]:
        outputs = self.block_outputs(x)
        last = outputs[-1]
        return outputs, (last if self.flat else functional.adaptive_avg_pool2d(last, 1)).flatten(1)


def _stage(channels: int, width: int, blocks: int, *, norm: str, halving: Halving) -> nn.Sequential:
    return nn.Sequential(
        *(
            BasicBlock(
                width if block else channels,
                width,
                stride=1 if block or channels == width else 2,
                norm=norm,
                halving=halving,
            )
            for block in range(blocks)
        )
    )


def _last_side(side: int, halving: Halving) -> int:
    """Pixels of the last stage's maps along one side."""
    return side // 8 if halving == "pool" else -(-side // 8)


def _draw_by_fan_out(network: nn.Module) -> None:
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
