"""What draws are made of: uniforms at first, whole numbers once the image's size is known."""

from __future__ import annotations

import torch
from torch import Tensor


def whole_numbers(u: Tensor, count: int | Tensor) -> Tensor:
    """0 .. count - 1, equally likely, int64, from uniforms in [0, 1).

    In float64, so that rounding never gives `count` itself.
    """
    return (u.double() * count).floor().long()


def drawn_seed(generator: torch.Generator) -> int:
    """A seed of 31 bits, for randomness that can only be drawn once an operation sees its images."""
    return int(torch.randint(2**31, (), generator=generator))
