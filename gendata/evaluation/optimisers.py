"""The optimisers that protocols name."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from gendata.errors import unknown_name
from gendata.evaluation.schedules import Renew
from gendata.recipe import Choice

_OPTIMISERS: dict[str, Callable[..., torch.optim.Optimizer]] = {"sgd": torch.optim.SGD}


def optimiser_of(choice: Choice, network: nn.Module) -> Renew:
    """From a learning rate to a new optimiser over the network's parameters.

    Raises:
        UnknownNameError: there is no such optimiser.
    """
    if choice.name not in _OPTIMISERS:
        raise unknown_name("optimiser", choice.name, _OPTIMISERS)
    make = _OPTIMISERS[choice.name]
    return lambda lr: make(network.parameters(), lr=lr, **choice.options)
