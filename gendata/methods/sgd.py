"""A step of SGD on tensors that a method keeps itself, beside the optimiser of its stage."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


@torch.no_grad()
def sgd_step(
    weights: Sequence[Tensor],
    gradients: Sequence[Tensor],
    *,
    lr: float,
    velocities: Sequence[Tensor] = (),
    momentum: float = 0.0,
    weight_decay: float = 0.0,
) -> None:
    """Moves `weights` in place, as `torch.optim.SGD` does.

    Args:
        weights: of one network.
        gradients: in the same order; where nothing else takes it up, weight decay is added to them in place.
        velocities: of each weight, moved in place too; empty: no momentum.
    """
    moves = list(gradients)
    if velocities:
        torch._foreach_mul_(list(velocities), momentum)
        torch._foreach_add_(list(velocities), moves)
        moves = list(velocities)
    if weight_decay:
        torch._foreach_add_(moves, list(weights), alpha=weight_decay)
    torch._foreach_add_(list(weights), moves, alpha=-lr)
    torch.clear_autocast_cache()  # it would go on with the weights of before
