"""What happens to the optimiser as passes end."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from torch.optim import Optimizer

from gendata.errors import unknown_name
from gendata.recipe import Choice


@dataclass(frozen=True)
class Clock:
    """Where a training stands, after a pass has ended."""

    finished: int  # index of that pass, from 0
    epochs: int  # E of the protocol
    lr: float  # at the start


# Makes a new optimiser over the same parameters with another learning rate; its momentum is empty.
Renew = Callable[[float], Optimizer]
# The optimiser to go on with.
Schedule = Callable[[Clock, Optimizer, Renew], Optimizer]


def schedule_of(choice: Choice) -> Schedule:
    """The schedule that a protocol names.

    Raises:
        UnknownNameError: there is no such schedule.
    """
    if choice.name not in _SCHEDULES:
        raise unknown_name("schedule", choice.name, _SCHEDULES)
    function = _SCHEDULES[choice.name]

    def schedule(clock: Clock, optimiser: Optimizer, renew: Renew) -> Optimizer:
        return function(clock, optimiser, renew, **choice.options)

    return schedule


def _constant(clock: Clock, optimiser: Optimizer, renew: Renew) -> Optimizer:
    return optimiser


def _drop(clock: Clock, optimiser: Optimizer, renew: Renew, *, after: str, factor: float) -> Optimizer:
    """Learning rate times `factor`, once; momentum stays."""
    if clock.finished == _MOMENTS[after](clock.epochs):
        return _with_rate(optimiser, clock.lr * factor)
    return optimiser


def _drop_renewed(clock: Clock, optimiser: Optimizer, renew: Renew, *, after: str, factor: float) -> Optimizer:
    """As `drop`, by building a new optimiser: momentum is lost, as in the published DC and DSA loops."""
    return renew(clock.lr * factor) if clock.finished == _MOMENTS[after](clock.epochs) else optimiser


def _multi_step(clock: Clock, optimiser: Optimizer, renew: Renew, *, at: Sequence[str], factor: float) -> Optimizer:
    """Learning rate times `factor` after each share `at` of all epochs ("2/3"), rounded down; momentum stays."""
    done = clock.finished + 1
    return _with_rate(optimiser, clock.lr * factor ** sum(done >= int(Fraction(share) * clock.epochs) for share in at))


def _cosine(clock: Clock, optimiser: Optimizer, renew: Renew) -> Optimizer:
    """Down to nothing along half a wave; set per pass."""
    return _with_rate(optimiser, clock.lr * 0.5 * (1 + math.cos(math.pi * (clock.finished + 1) / clock.epochs)))


def _half_cosine(clock: Clock, optimiser: Optimizer, renew: Renew) -> Optimizer:
    """Down to half the rate along a quarter of a wave (RDED's form); set per pass."""
    return _with_rate(optimiser, clock.lr * 0.5 * (1 + math.cos(math.pi * (clock.finished + 1) / (2 * clock.epochs))))


def _with_rate(optimiser: Optimizer, lr: float) -> Optimizer:
    for group in optimiser.param_groups:
        group["lr"] = lr
    return optimiser


# Name of a moment -> index of the pass after which it comes.
_MOMENTS: dict[str, Callable[[int], int]] = {
    "half": lambda epochs: epochs // 2 - 1,
    "half-plus-one": lambda epochs: epochs // 2 + 1,  # the published loops test `epoch == E // 2 + 1` after training it
    "two-thirds": lambda epochs: 2 * epochs // 3 - 1,
}
_SCHEDULES: dict[str, Callable[..., Optimizer]] = {
    "constant": _constant,
    "drop": _drop,
    "drop-renewed": _drop_renewed,
    "multi-step": _multi_step,
    "cosine": _cosine,
    "half-cosine": _half_cosine,
}
