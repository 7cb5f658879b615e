"""Classifiers by exact name: embedders of methods, students of evaluation, teachers of soft labels.

A name says all that decides the architecture: "convnet3-w128-in" is three blocks of width 128 with instance norm. Of
the published code the counts below are those of (images, classes); "in" is a GroupNorm of one group per channel.

    name                           images      classes  parameters  as in
    convnet3-w128-{in,bn}          3 x 32 x 32      10     320,010  DC, DSA, DM, MTT, DC-BENCH, DiM, IDC; -bn: RDED
    convnet3-w128-{in,bn}          3 x 32 x 32     100     504,420
    convnet3-w128-{in,bn}          1 x 28 x 28      10     317,706
    convnet4-w128-{in,bn}          3 x 64 x 64     200     857,160
    convnet5-w128-{in,bn}        3 x 128 x 128      10     615,690
    convnet6-w128-{in,bn}        3 x 128 x 128     100     794,340
    convnet3-w128-bn-swish         3 x 32 x 32      10     320,010  DC's ConvNetASwishBN; also -leakyrelu, -sigmoid
    resnet18-3x3-{in,bn}-64w       3 x 32 x 32      10  11,173,962  DC, DC-BENCH
    resnet10-3x3-{in,bn}-64w       3 x 32 x 32      10   4,903,242
    resnet18-3x3-tv-bn             3 x 32 x 32      10  11,173,962  torchvision's with a 3x3 stem and no max pooling
    resnet18-3x3-ap-{in,bn}-64w    3 x 32 x 32      10  11,250,762  DC's ResNet18_AP
    resnet18-half-{in,bn}          3 x 32 x 32      10   2,797,610  IDC, DiM: "ResNet-18" on CIFAR
    resnet10-half-{in,bn}          3 x 32 x 32      10   1,228,970  IDC, DiM: "ResNet-10"
    resnet{10,18}-half-ap-{in,bn}  3 x 32 x 32      10  as without  IDC, DiM: "ResNet-AP"
    resnet18                     3 x 224 x 224   1,000  11,689,512  torchvision: SRe2L, RDED
    vgg11-{in,bn}                  3 x 32 x 32      10   9,231,114  DC; not torchvision's vgg11_bn of 133 million
    vgg11-none                     3 x 32 x 32      10   9,225,610
    alexnet-small-none             3 x 32 x 32      10   1,872,202  DC, DC-BENCH; not torchvision's alexnet
    alexnet-small-{in,bn}          3 x 32 x 32      10   1,874,122  -bn: DC's AlexNetBN
    lenet                          3 x 32 x 32      10      62,006  DC
    mlp2-w128                      3 x 32 x 32      10     411,146  DC, DC-BENCH
    vit-p4-d512-l6-h8              3 x 32 x 32      10   9,523,722  DC-BENCH

Any other name is looked for among torchvision's classifiers, then among timm's (`pip install 'gendata[timm]'`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gendata.spec import SampleSpec

if TYPE_CHECKING:
    from gendata.networks.classifier import Classifier

# The students of a cross-architecture table, the field's usual one first.
TRANSFER = (
    "convnet3-w128-in",
    "resnet18-3x3-in-64w",
    "vgg11-in",
    "alexnet-small-none",
    "mlp2-w128",
    "vit-p4-d512-l6-h8",
)


def build_network(name: str, *, spec: SampleSpec, seed: int | None = None) -> Classifier:
    """The classifier called `name` for samples like `spec`, freshly initialised, never pretrained.

    Args:
        name: see above; those of torchvision and timm are plain ("resnet18", "efficientnet_b0").
        spec: input shape and number of classes.
        seed: of the initialisation, leaving torch's global generator as it was; None: draws from the global generator.

    Raises:
        UnknownNameError: no such network, or a name that points outside (with ":" or "/").
        MissingExtraError: a name that only timm may know, which is not installed.
        SpecError: the network does not fit the image, or has more than 200 million parameters.
    """
    from gendata.networks.names import construct

    return construct(name, spec=spec, seed=seed)


def count_parameters(name: str, *, spec: SampleSpec) -> int:
    """Learned parameters of `build_network(name, spec=spec)`, which is not built for it.

    Raises:
        UnknownNameError, MissingExtraError, SpecError: as there, but for the size.
    """
    from gendata.networks.names import count

    return count(name, spec)
