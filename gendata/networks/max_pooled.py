"""VGG-11 and the field's small AlexNet: stages of convolutions, each ended by 2x2 max pooling; flatten; linear.

Both as in the condensation papers (Zhao, Mopuri, Bilen 2021, their `networks.py`): one linear layer at the end where
the networks they are named after (Simonyan, Zisserman 2015; Krizhevsky, Sutskever, Hinton 2012) have three.
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from gendata.errors import SpecError
from gendata.networks.classifier import Classifier
from gendata.networks.norms import check_normed_map, norm_layer
from gendata.spec import SampleSpec

Stage = tuple[tuple[int, int], ...]  # (width, kernel side) of each convolution

VGG11: tuple[Stage, ...] = (
    ((64, 3),),
    ((128, 3),),
    ((256, 3), (256, 3)),
    ((512, 3), (512, 3)),
    ((512, 3), (512, 3)),
)
ALEXNET_SMALL: tuple[Stage, ...] = (((128, 5),), ((192, 5),), ((256, 3), (192, 3), (192, 3)))

_GREY_PADDING = 2  # a 1-channel image gets so many pixels more on each side: 28 x 28 becomes 32 x 32


class MaxPooledNet(Classifier):
    """Stages of [convolution, norm, ReLU], then max pooling.

    Args:
        name: as users know it, for messages.
        norm: "in", "bn" or "none".

    Raises:
        SpecError: the image is too small for so many poolings, or for instance norm.

    Differs from the papers' code: the linear layer has the size that the image asks for, so that images other than
    28 x 28 and 32 x 32 fit.
    """

    def __init__(self, *, spec: SampleSpec, name: str, stages: tuple[Stage, ...], norm: str) -> None:
        super().__init__()
        more = _GREY_PADDING if spec.channels == 1 else 0
        height, width = spec.height + 2 * more, spec.width + 2 * more
        check_normed_map(
            norm, height >> (len(stages) - 1), width >> (len(stages) - 1), spec=spec, instead="convnet3-w128-in"
        )
        if min(height, width) >> len(stages) < 1:
            least = (1 << len(stages)) - 2 * more
            raise SpecError(
                f"{name} does not fit a {spec.height} x {spec.width} image",
                expected=f"at least {least} x {least} pixels",
                remedy="Choose convnet3-w128-in.",
            )
        widths = [spec.channels, *(stage[-1][0] for stage in stages)]
        self.stages = nn.ModuleList(
            _stage(stage, channels=before, norm=norm, more_padding=0 if number else more)
            for number, (stage, (before, _)) in enumerate(zip(stages, pairwise(widths), strict=True))
        )
        pixels = (height >> len(stages)) * (width >> len(stages))
        self.classifier = nn.Linear(widths[-1] * pixels, spec.num_classes)

    def block_outputs(self, x: Tensor) -> list[Tensor]:
        outputs = []
        for stage in self.stages:
            x = stage(x)
            outputs.append(x)
        return outputs


def _stage(stage: Stage, *, channels: int, norm: str, more_padding: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for width, side in stage:
        layers += [
            nn.Conv2d(channels, width, side, padding=side // 2 + more_padding),
            norm_layer(norm, width),
            nn.ReLU(),
        ]
        channels, more_padding = width, 0
    return nn.Sequential(*layers, nn.MaxPool2d(2))
