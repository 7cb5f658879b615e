"""LeNet as in the condensation papers: two 5x5 convolutions with ReLU and max pooling, then 120, 84 and the classes.

After LeCun, Bottou, Bengio, Haffner (1998); sizes of Zhao, Mopuri, Bilen (2021, their `networks.py`).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from gendata.errors import SpecError
from gendata.networks.classifier import Classifier
from gendata.spec import SampleSpec


class LeNet(Classifier):
    """The first convolution pads a 1-channel image by 2 and others not at all: 28 x 28 and 32 x 32 fit alike.

    Differs from the papers' code: the first linear layer has the size that the image asks for.
    """

    def __init__(self, *, spec: SampleSpec) -> None:
        super().__init__()
        padding = 2 if spec.channels == 1 else 0
        height, width = (_after_both(side + 2 * padding) for side in (spec.height, spec.width))
        if min(height, width) < 1:
            least = 12 if spec.channels == 1 else 16
            raise SpecError(
                f"LeNet does not fit a {spec.height} x {spec.width} image",
                expected=f"at least {least} x {least} pixels",
                remedy="Choose convnet3-w128-in.",
            )
        self.convs = nn.ModuleList((nn.Conv2d(spec.channels, 6, 5, padding=padding), nn.Conv2d(6, 16, 5)))
        self.hidden = nn.ModuleList((nn.Linear(16 * height * width, 120), nn.Linear(120, 84)))
        self.classifier = nn.Linear(84, spec.num_classes)

    def block_outputs(self, x: Tensor) -> list[Tensor]:
        outputs = []
        for conv in self.convs:
            x = functional.max_pool2d(torch.relu(conv(x)), 2)
            outputs.append(x)
        h = x.flatten(1)
        for layer in self.hidden:
            h = torch.relu(layer(h))
            outputs.append(h[:, :, None, None])
        return outputs


def _after_both(side: int) -> int:
    """Pixels left of `side` after two rounds of 5x5 convolution without padding and halving."""
    return ((side - 4) // 2 - 4) // 2
