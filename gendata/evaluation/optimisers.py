"""The optimisers that protocols name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from gendata.errors import unknown_name
from gendata.evaluation.schedules import Renew
from gendata.recipe import Choice


def optimiser_of(choice: Choice, network: nn.Module) -> Renew:
    """From a learning rate to a new optimiser over the network's parameters.

    Raises:
        UnknownNameError: there is no such optimiser.
    """
    if choice.name not in _OPTIMISERS:
        raise unknown_name("optimiser", choice.name, _OPTIMISERS)
    make = _OPTIMISERS[choice.name]
    return lambda lr: make(network, lr=lr, **choice.options)


def _sgd(network: nn.Module, **options: Any) -> torch.optim.Optimizer:
    return torch.optim.SGD(network.parameters(), **options)


def _adamw(
    network: nn.Module, *, weight_decay: float, decay_vectors: bool = True, **options: Any
) -> torch.optim.Optimizer:
    """AdamW; without `decay_vectors` only matrices called weights decay: no biases, gains of norms, or positions.

    As SRe2L (validate/utils.py:63) and RDED (validation/utils.py:71) have it.
    """
    if decay_vectors:
        return torch.optim.AdamW(network.parameters(), weight_decay=weight_decay, **options)
    decays = {name: p.dim() > 1 and "weight" in name for name, p in network.named_parameters()}
    matrices = [parameter for name, parameter in network.named_parameters() if decays[name]]
    others = [parameter for name, parameter in network.named_parameters() if not decays[name]]
    groups = [{"params": matrices, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, **options)


_OPTIMISERS: dict[str, Callable[..., torch.optim.Optimizer]] = {"sgd": _sgd, "adamw": _adamw}
