"""The norms that network names end in: "in", "bn", "none"."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from gendata.errors import SpecError
from gendata.spec import SampleSpec

_NORMS: dict[str, Callable[[int], nn.Module]] = {
    # "Instance norm" is everywhere in the field a GroupNorm with one group per channel and affine parameters.
    "in": lambda width: nn.GroupNorm(width, width, affine=True),
    "bn": lambda width: nn.BatchNorm2d(width, affine=True),
    "none": lambda width: nn.Identity(),
}


def norm_layer(name: str, width: int) -> nn.Module:
    """The norm of `width` channels: "in", "bn" or "none"."""
    return _NORMS[name](width)


def check_normed_map(norm: str, height: int, width: int, *, spec: SampleSpec, instead: str) -> None:
    """Refuses instance norm over maps of one pixel, whose output is constant whatever the image.

    Args:
        height, width: of the smallest map that is normed, in pixels.
        instead: a network that can be had.

    Raises:
        SpecError: naming `instead`.
    """
    if norm == "in" and height * width < 2:
        raise SpecError(
            f"instance norm would see maps of one pixel from a {spec.height} x {spec.width} image: no image would "
            "differ from another",
            expected="a larger image, or another norm",
            remedy=f"Choose {instead}.",
        )
