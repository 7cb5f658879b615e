"""From a name, perhaps out of a stranger's manifest, to a network: matched against lists of names, never imported."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import torch

from gendata.errors import SpecError, UnknownNameError
from gendata.networks.activations import ACTIVATIONS
from gendata.networks.classifier import Classifier
from gendata.networks.convnet import ConvNet
from gendata.networks.foreign import Builder, foreign_builder, torchvision_names
from gendata.networks.lenet import LeNet
from gendata.networks.max_pooled import ALEXNET_SMALL, VGG11, MaxPooledNet
from gendata.networks.mlp import Mlp
from gendata.networks.outline import outline
from gendata.networks.resnet import Halving, ResNet
from gendata.networks.vit import VisionTransformer
from gendata.spec import SampleSpec

# A manifest must not be able to ask for all memory: 200 million are more than any student of the field has.
MAX_PARAMETERS = 200_000_000

_Match = re.Match[str]


def _convnet(match: _Match, spec: SampleSpec) -> Classifier:
    return ConvNet(spec=spec, activation=match["activation"] or "relu", norm=match["norm"], **_size(match))


def _mlp(match: _Match, spec: SampleSpec) -> Classifier:
    return Mlp(spec=spec, **_size(match))


def _lenet(match: _Match, spec: SampleSpec) -> Classifier:
    return LeNet(spec=spec)


def _alexnet_small(match: _Match, spec: SampleSpec) -> Classifier:
    return MaxPooledNet(spec=spec, name="the small AlexNet", stages=ALEXNET_SMALL, norm=match["norm"])


def _vgg11(match: _Match, spec: SampleSpec) -> Classifier:
    return MaxPooledNet(spec=spec, name="VGG-11", stages=VGG11, norm=match["norm"])


def _resnet(match: _Match, spec: SampleSpec) -> Classifier:
    """The DC code's; its "AP" form leaves the last map as it is."""
    halving = _halving(match)
    return ResNet(spec=spec, norm=match["norm"], halving=halving, flat=halving == "pool", **_size(match))


def _resnet_torchvision(match: _Match, spec: SampleSpec) -> Classifier:
    """Its 3x3 stem replaces torchvision's after that was drawn, and keeps torch's default."""
    network = ResNet(spec=spec, norm="bn", width=64, fan_out=True, **_size(match))
    network.conv.reset_parameters()
    return network


def _resnet_half(match: _Match, spec: SampleSpec) -> Classifier:
    """What IDC and DiM use for CIFAR."""
    return ResNet(spec=spec, norm=match["norm"], halving=_halving(match), width=32, fan_out=True, **_size(match))


def _halving(match: _Match) -> Halving:
    return "stride" if match["pools"] is None else "pool"


def _vit(match: _Match, spec: SampleSpec) -> Classifier:
    sizes = {key: int(match[key]) for key in ("patch", "dim", "heads")}
    return VisionTransformer(spec=spec, **sizes, **_size(match))


def _size(match: _Match) -> dict[str, Any]:
    """Depth and width where the name says them; the classes know the others."""
    return {key: int(match[key]) for key in ("depth", "width") if key in match.re.groupindex}


_WIDTH = r"(?P<width>[1-9]\d{0,4})"
_DEPTH = r"(?P<depth>[1-9]\d?)"
_ACTIVATION = "|".join(name for name in ACTIVATIONS if name != "relu")
_FAMILIES: tuple[tuple[re.Pattern[str], Callable[[_Match, SampleSpec], Classifier]], ...] = tuple(
    (re.compile(pattern), build)
    for pattern, build in (
        (rf"convnet{_DEPTH}-w{_WIDTH}-(?P<norm>in|bn|none)(-(?P<activation>{_ACTIVATION}))?", _convnet),
        (rf"mlp{_DEPTH}-w{_WIDTH}", _mlp),
        (r"lenet", _lenet),
        (r"alexnet-small-(?P<norm>in|bn|none)", _alexnet_small),
        (r"vgg11-(?P<norm>in|bn|none)", _vgg11),
        (rf"resnet(?P<depth>10|18|34)-3x3(?P<pools>-ap)?-(?P<norm>in|bn)-{_WIDTH}w", _resnet),
        (r"resnet(?P<depth>10|18|34)-3x3-tv-bn", _resnet_torchvision),
        (r"resnet(?P<depth>10|18)-half(?P<pools>-ap)?-(?P<norm>in|bn)", _resnet_half),
        (rf"vit-p(?P<patch>[1-9]\d?)-d(?P<dim>[1-9]\d{{0,3}})-l{_DEPTH}-h(?P<heads>[1-9]\d?)", _vit),
    )
)
EXAMPLES = (
    "convnet3-w128-in",
    "convnet3-w128-bn",
    "resnet18-3x3-in-64w",
    "resnet18-half-bn",
    "vgg11-in",
    "alexnet-small-none",
    "lenet",
    "mlp2-w128",
    "vit-p4-d512-l6-h8",
)


def construct(name: str, *, spec: SampleSpec, seed: int | None) -> Classifier:
    """See `gendata.networks.build_network`."""
    num_parameters = count(name, spec)
    if num_parameters > MAX_PARAMETERS:
        raise SpecError(
            f"the network {name!r} is too large: {num_parameters:,} parameters", expected=f"at most {MAX_PARAMETERS:,}"
        )
    build = _builder(name)
    if seed is None:
        return build(spec)
    with torch.random.fork_rng(devices=[]):
        # Networks are initialised on the CPU: one seed, one network, whatever device trains it.
        torch.default_generator.manual_seed(seed)
        return build(spec)


@lru_cache(maxsize=128)
def count(name: str, spec: SampleSpec) -> int:
    """Learned parameters of the network called `name`; takes no memory, for it is built without contents."""
    build = _builder(name)
    with outline():
        return sum(parameter.numel() for parameter in build(spec).parameters())


def _builder(name: str) -> Builder:
    if ":" in name or "/" in name:
        raise UnknownNameError(
            f"the network name {name!r} points outside",
            expected="a plain name such as 'convnet3-w128-in'",
            remedy="Networks are built here from their names; none is fetched.",
        )
    for pattern, build in _FAMILIES:
        if match := pattern.fullmatch(name):
            return partial(build, match)
    return foreign_builder(name) or _unknown(name)


def _unknown(name: str) -> Builder:
    near = difflib.get_close_matches(name, [*EXAMPLES, *torchvision_names()], n=3, cutoff=0.6)
    raise UnknownNameError(
        f"no network is called {name!r}",
        expected=f"a name such as {', '.join(EXAMPLES)}, or a classifier of torchvision or timm by its plain name",
        remedy=f"Did you mean {' or '.join(repr(n) for n in near)}?" if near else None,
    )
