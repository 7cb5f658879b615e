"""The loss of one step."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn
from torch.nn import functional

from gendata.errors import unknown_name

# (network, normalised and augmented images (B, C, H, W), labels (B,)) -> scalar loss
Step = Callable[[nn.Module, Tensor, Tensor], Tensor]


def step_of(name: str) -> Step:
    """The step that a protocol names.

    Raises:
        UnknownNameError: there is no such step.
    """
    if name not in _STEPS:
        raise unknown_name("step", name, _STEPS)
    return _STEPS[name]


def _cross_entropy(network: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """Mean cross entropy with hard labels."""
    return functional.cross_entropy(network(x), y)


_STEPS: dict[str, Step] = {"cross-entropy": _cross_entropy}
