"""The loss of one step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from gendata.errors import SpecError, unknown_name
from gendata.recipe import Choice

if TYPE_CHECKING:
    from gendata.augmentation.mixing import Mix


@dataclass(frozen=True, kw_only=True)
class Batch:
    """What a student sees in one forward pass."""

    x: Tensor  # (B, C, H, W) normalised, augmented and, where this step mixes, mixed
    y: Tensor  # (B,) int64, or (B, classes) probabilities
    mix: Mix | None = None  # how `x` was mixed; None: it was not
    teacher: Callable[[Tensor], Tensor] | None = None  # images like `x` -> logits (B, classes)


Step = Callable[[nn.Module, Batch], Tensor]  # -> scalar loss


def step_of(choice: Choice) -> Step:
    """The step that a protocol names.

    Raises:
        UnknownNameError: there is no such step.
    """
    if choice.name not in _STEPS:
        raise unknown_name("step", choice.name, _STEPS)
    function = _STEPS[choice.name]
    return lambda network, batch: function(network, batch, **choice.options)


def _cross_entropy(network: nn.Module, batch: Batch) -> Tensor:
    """Mean cross entropy with hard labels or probabilities; of a mixed image, of both its labels by their shares."""
    logits = network(batch.x)
    loss = functional.cross_entropy(logits, batch.y)
    if batch.mix is None:
        return loss
    share = batch.mix.share(*batch.x.shape[2:])
    return loss * share + functional.cross_entropy(logits, batch.y[batch.mix.other.to(batch.y.device)]) * (1 - share)


def _teacher_divergence(network: nn.Module, batch: Batch, *, temperature: float, extra_forward: bool = False) -> Tensor:
    """Divergence from the teacher's answer to the student's, both softened, summed over classes, mean over images.

    Not multiplied by temperature ** 2 (SRe2L train_FKD.py:248-251, RDED main.py:215-226). With `extra_forward` the
    student first sees the same images without gradient, so that its batch norms take every batch twice (RDED
    main.py:213, whose images CutMix has changed in place by then: utils.py:143).
    """
    if batch.teacher is None:
        raise SpecError(
            "this protocol's labels come from a teacher", remedy="Give one: gendata evaluate --teacher DIR."
        )
    if extra_forward:
        with torch.no_grad():
            network(batch.x)
    with torch.no_grad():
        wanted = functional.softmax(batch.teacher(batch.x) / temperature, dim=1)
    given = functional.log_softmax(network(batch.x) / temperature, dim=1)
    return functional.kl_div(given, wanted, reduction="batchmean")


_STEPS: dict[str, Callable[..., Tensor]] = {
    "cross-entropy": _cross_entropy,
    "teacher-divergence": _teacher_divergence,
}
