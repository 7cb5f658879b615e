"""From a name, perhaps out of a stranger's manifest, to a network: matched against patterns, never imported."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch

from gendata.errors import SpecError, UnknownNameError, unknown_name
from gendata.networks.classifier import Classifier
from gendata.networks.convnet import ConvNet
from gendata.networks.mlp import Mlp
from gendata.spec import SampleSpec

_MAX_DEPTH, _MAX_WIDTH = 12, 4096  # a manifest must not be able to ask for all memory


def _convnet(match: re.Match[str], spec: SampleSpec) -> Classifier:
    return ConvNet(spec=spec, depth=int(match["depth"]), width=int(match["width"]), norm=match["norm"])


def _mlp(match: re.Match[str], spec: SampleSpec) -> Classifier:
    return Mlp(spec=spec, depth=int(match["depth"]), width=int(match["width"]))


_FAMILIES: tuple[tuple[re.Pattern[str], Callable[[re.Match[str], SampleSpec], Classifier]], ...] = (
    (re.compile(r"convnet(?P<depth>[1-9]\d?)-w(?P<width>[1-9]\d{0,4})-(?P<norm>in|bn|none)"), _convnet),
    (re.compile(r"mlp(?P<depth>[1-9]\d?)-w(?P<width>[1-9]\d{0,4})"), _mlp),
)
_EXAMPLES = ("convnet3-w128-in", "convnet3-w128-bn", "convnet3-w128-none", "convnet4-w128-in", "mlp2-w128")


def construct(name: str, *, spec: SampleSpec, seed: int | None) -> Classifier:
    """See `gendata.networks.build_network`."""
    if ":" in name or "/" in name:
        raise UnknownNameError(
            f"the network name {name!r} points outside",
            expected="a plain name such as 'convnet3-w128-in'",
            remedy="Networks are built here from their names; none is fetched.",
        )
    for pattern, build in _FAMILIES:
        if match := pattern.fullmatch(name):
            _check_size(name, int(match["depth"]), int(match["width"]))
            with _initialisation(seed):
                return build(match, spec)
    raise unknown_name("network", name, _EXAMPLES)


def _check_size(name: str, depth: int, width: int) -> None:
    if depth > _MAX_DEPTH or width > _MAX_WIDTH:
        raise SpecError(
            f"the network {name!r} is too large", expected=f"depth at most {_MAX_DEPTH}, width at most {_MAX_WIDTH}"
        )


def _initialisation(seed: int | None) -> AbstractContextManager[None]:
    return nullcontext() if seed is None else _seeded(seed)


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    # Networks are initialised on the CPU: one seed, one network, whatever device trains it.
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield
