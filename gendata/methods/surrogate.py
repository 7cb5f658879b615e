"""A loss whose gradients were computed apart from it."""

from __future__ import annotations

import torch
from torch import Tensor


def surrogate(value: Tensor, *gradients: tuple[Tensor, Tensor]) -> Tensor:
    """`value`, a scalar, with the gradient given beside each tensor: for a method's step, which backward runs through.

    Args:
        value: what is told.
        gradients: a tensor, and what the gradient to it is to be, of the same shape.
    """
    along = torch.stack([(tensor * gradient).sum() for tensor, gradient in gradients]).sum()
    return value.detach() + along - along.detach()
