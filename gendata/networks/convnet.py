"""ConvNet-d: the student of the dataset-condensation papers.

d blocks of [3x3 convolution, norm, ReLU, 2x2 average pooling], flatten, linear (Zhao, Mopuri, Bilen 2021, their
`networks.py`). Other activations are those of the papers' ablations: ConvNetASwishBN is "convnet3-w128-bn-swish".
"""

from __future__ import annotations

from torch import Tensor, nn

from gendata.errors import SpecError
from gendata.networks.activations import ACTIVATIONS
from gendata.networks.classifier import Classifier
from gendata.networks.fused_block import fits_fused, fused_block
from gendata.networks.norms import norm_layer
from gendata.spec import SampleSpec


class ConvBlock(nn.Module):
    """Convolution, norm, activation, average pooling: (N, C, h, w) -> (N, width, h // 2, w // 2) of the padded size."""

    def __init__(self, channels: int, width: int, *, padding: int, norm: str, activation: str = "relu") -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, width, 3, padding=padding)
        self.norm = norm_layer(norm, width)
        self.activation = ACTIVATIONS[activation]()
        self.pool = nn.AvgPool2d(2)

    def forward(self, x: Tensor) -> Tensor:
        if isinstance(self.norm, nn.GroupNorm) and isinstance(self.activation, nn.ReLU) and fits_fused(x, self.conv):
            return fused_block(x, self.conv, self.norm)
        return self.plain(x)

    def plain(self, x: Tensor) -> Tensor:
        """The block, module by module: what `forward` computes, by any route."""
        out: Tensor = self.pool(self.activation(self.norm(self.conv(x))))
        return out


class ConvNet(Classifier):
    """ConvNet of `depth` blocks; the first pads a 1-channel image by 3 (28 x 28 becomes 32 x 32), all else by 1."""

    def __init__(self, *, spec: SampleSpec, depth: int, width: int, norm: str, activation: str = "relu") -> None:
        super().__init__()
        first_padding = 3 if spec.channels == 1 else 1
        height, width_px = _final_size(spec, depth, first_padding)
        self.blocks = nn.ModuleList(
            ConvBlock(
                width if i else spec.channels,
                width,
                padding=1 if i else first_padding,
                norm=norm,
                activation=activation,
            )
            for i in range(depth)
        )
        self.classifier = nn.Linear(width * height * width_px, spec.num_classes)

    def block_outputs(self, x: Tensor) -> list[Tensor]:
        outputs = []
        for block in self.blocks:
            x = block(x)
            outputs.append(x)
        return outputs


def _final_size(spec: SampleSpec, depth: int, first_padding: int) -> tuple[int, int]:
    """Height and width after `depth` blocks, in pixels."""
    growth = 2 * first_padding - 2
    height, width = spec.height + growth, spec.width + growth
    for block in range(depth):
        if min(height, width) < 2:
            raise SpecError(
                f"a ConvNet of depth {depth} does not fit a {spec.height} x {spec.width} image",
                expected=f"depth at most {block}",
                remedy=f"Choose a shallower network, such as convnet{max(block, 1)}-w128-in.",
            )
        height, width = height // 2, width // 2
    return height, width
