"""Modules and optimisers in training as named tensors, and back."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def named_tensors(module: nn.Module, *, prefix: str) -> dict[str, Tensor]:
    """Parameters and all buffers, the non-persistent ones too: whatever a step may depend on."""
    tensors = dict(module.named_parameters()) | dict(module.named_buffers())
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}


@torch.no_grad()
def restore(module: nn.Module, tensors: dict[str, Tensor], *, prefix: str) -> None:
    """Copies what `named_tensors` gave back into `module`."""
    for name, tensor in named_tensors(module, prefix=prefix).items():
        tensor.copy_(tensors[name])


def optimiser_tensors(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimiser's state by its name and parameter number; a parameter that had no gradient yet has none."""
    state, prefix = optimiser.state_dict()["state"], _state_prefix(optimiser)
    return {
        f"{prefix}{number}.{name}": torch.as_tensor(value)
        for number, part in state.items()
        for name, value in part.items()
        if value is not None  # SGD without momentum
    }


def restore_optimiser(optimiser: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Gives `optimiser_tensors` back to a new optimiser over the same parameters."""
    state: dict[int, dict[str, Tensor]] = {}
    prefix = _state_prefix(optimiser)
    for key, tensor in tensors.items():
        if key.startswith(prefix):
            number, name = key.removeprefix(prefix).split(".", 1)
            state.setdefault(int(number), {})[name] = tensor
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})


def _state_prefix(optimiser: torch.optim.Optimizer) -> str:
    return f"{type(optimiser).__name__.lower()}."
