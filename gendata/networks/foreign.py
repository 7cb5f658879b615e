"""Classifiers of torchvision and timm by their own names, never with weights from elsewhere.

The only file of networks that knows these packages, and only when a name is theirs.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn

from gendata.errors import MissingExtraError, SpecError, UnknownNameError
from gendata.networks.classifier import Classifier
from gendata.spec import SampleSpec

Builder = Callable[[SampleSpec], Classifier]

_TIMM_NAME = re.compile(r"[a-z0-9]+(_[a-z0-9]+)*")  # without the ".tag" that names weights


class ForeignClassifier(Classifier):
    """Somebody else's classifier; features are what its last linear layer reads, where it ends in one."""

    def __init__(self, network: nn.Module, *, name: str, num_classes: int) -> None:
        super().__init__()
        self.network = network
        self.name = name
        last = _last_linear(network, num_classes)
        if last is not None:
            # Not as a submodule, which would list its parameters twice in the state dict.
            self.__dict__["classifier"] = last

    def block_outputs(self, x: Tensor) -> list[Tensor]:
        raise SpecError(
            f"the blocks of {self.name!r} are not known here", expected="one of gendata's own networks for matching"
        )

    def embed(self, x: Tensor) -> Tensor:
        if "classifier" not in self.__dict__:
            raise SpecError(f"{self.name!r} does not end in a linear layer", expected="a network with features")
        seen: list[Tensor] = []
        hook = self.classifier.register_forward_pre_hook(lambda layer, inputs: seen.append(inputs[0]))
        try:
            self.network(x)
        finally:
            hook.remove()
        return seen[-1].flatten(1)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.network(x)
        return logits


@cache
def torchvision_names() -> frozenset[str]:
    """Image classifiers of the installed torchvision; its detectors and quantised networks are left out."""
    import torchvision

    return frozenset(torchvision.models.list_models(module=torchvision.models))


def foreign_builder(name: str) -> Builder | None:
    """What builds the classifier called `name`; None: neither package knows it.

    Raises:
        MissingExtraError: it may be timm's, which is not installed.
    """
    if name in torchvision_names():
        return lambda spec: _checked(_torchvision, name, spec)
    if not _TIMM_NAME.fullmatch(name):
        return None
    if find_spec("timm") is None:
        raise MissingExtraError(
            f"no network of gendata or torchvision is called {name!r}, and timm is not installed",
            expected="a name such as 'convnet3-w128-in', or timm for its names",
            remedy="pip install 'gendata[timm]'",
        )
    import timm

    return (lambda spec: _checked(_timm, name, spec)) if timm.is_model(name) else None


def _checked(build: Callable[[str, SampleSpec], nn.Module], name: str, spec: SampleSpec) -> Classifier:
    """The classifier, if it takes the image; what refuses one there is an error of any kind.

    Raises:
        SpecError: with the package's own words.
    """
    try:
        network = build(name, spec)
        if next(network.parameters()).is_meta:
            _check_fit(network, spec)
    except (UnknownNameError, SpecError):
        raise
    except Exception as error:
        raise SpecError(
            f"the network {name!r} does not take {spec.channels} x {spec.height} x {spec.width} images "
            f"({type(error).__name__}: {str(error)[:160]})",
            expected="an image size that it was made for",
        ) from None
    return ForeignClassifier(network, name=name, num_classes=spec.num_classes)


@torch.no_grad()
def _check_fit(network: nn.Module, spec: SampleSpec) -> None:
    """Runs two images without contents through a network without weights, which costs neither time nor memory."""
    was_training = network.training
    logits = network.eval()(torch.empty(2, *spec.shape, device="meta"))
    network.train(was_training)
    if not isinstance(logits, Tensor) or logits.shape != (2, spec.num_classes):
        raise SpecError("the network does not return one row of logits per image")


def _torchvision(name: str, spec: SampleSpec) -> nn.Module:
    import torchvision

    options: dict[str, Any] = {}
    if name in ("googlenet", "inception_v3"):
        options = {"aux_logits": False, "init_weights": True}
    elif name.startswith("vit_"):
        _check_square(name, spec)
        options = {"image_size": spec.height}
    elif name.startswith("maxvit_"):
        options = {"input_size": (spec.height, spec.width)}
    network: nn.Module = torchvision.models.get_model(name, weights=None, num_classes=spec.num_classes, **options)
    if spec.channels != 3:
        _replace_first_conv(network, spec.channels)
    return network


def _timm(name: str, spec: SampleSpec) -> nn.Module:
    import timm

    facts = timm.get_pretrained_cfg(name, allow_unregistered=True)
    options: dict[str, Any] = {}
    if facts is not None and facts.fixed_input_size:
        options = {"img_size": (spec.height, spec.width)}
    network: nn.Module = timm.create_model(
        name, pretrained=False, in_chans=spec.channels, num_classes=spec.num_classes, **options
    )
    return network


def _check_square(name: str, spec: SampleSpec) -> None:
    if spec.height != spec.width:
        raise SpecError(f"{name!r} takes square images", expected=f"{spec.height} x {spec.height}")


def _replace_first_conv(network: nn.Module, channels: int) -> None:
    """Gives the first convolution `channels` inputs, drawn by torchvision's usual rule (normal, fan out).

    Raises:
        SpecError: the network does not begin with a plain convolution of three channels.
    """
    found = next(((n, m) for n, m in network.named_modules() if isinstance(m, nn.Conv2d)), None)
    if found is None or found[1].in_channels != 3 or found[1].groups != 1:
        raise SpecError("the network does not begin with a convolution of three channels", expected="RGB images")
    path, old = found
    same: dict[str, Any] = {
        name: getattr(old, name) for name in ("kernel_size", "stride", "padding", "dilation", "padding_mode")
    }
    new = nn.Conv2d(channels, old.out_channels, bias=old.bias is not None, **same)
    nn.init.kaiming_normal_(new.weight, mode="fan_out", nonlinearity="relu")
    parent, _, attribute = path.rpartition(".")
    setattr(network.get_submodule(parent), attribute, new)


def _last_linear(network: nn.Module, num_classes: int) -> nn.Linear | None:
    linear = [m for m in network.modules() if isinstance(m, nn.Linear) and m.out_features == num_classes]
    return linear[-1] if linear else None
