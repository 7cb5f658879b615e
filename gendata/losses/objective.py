"""A weighted sum of terms, as a recipe lists them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import msgspec
import torch
from torch import Tensor, nn

from gendata.errors import SpecError
from gendata.losses.embedded import Embedded
from gendata.losses.loss import Loss
from gendata.registry import LOSSES


class Term(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One loss of the sum."""

    name: str  # registered
    weight: float = 1.0  # 0 switches the term off
    options: dict[str, Any] = {}  # of the loss; completed with its defaults

    def __post_init__(self) -> None:
        if not math.isfinite(self.weight):
            raise ValueError(f"weight of {self.name!r} must be finite, got {self.weight}")
        config = LOSSES.config(self.name, self.options, where=f"loss {self.name!r}")
        msgspec.structs.force_setattr(self, "options", msgspec.to_builtins(config))

    @property
    def needs_trained(self) -> bool:
        """Whether the term is left out under a fresh network."""
        needs: bool = LOSSES.load(self.name).needs_trained
        return needs


class Objective(nn.Module):
    """The terms with their weights; those of weight 0 are left out.

    Args:
        terms: in the order in which they draw and are summed.
        num_features: of the embedding networks' last block, flattened.
    """

    def __init__(self, terms: Iterable[Term], *, num_features: int) -> None:
        super().__init__()
        self.terms = tuple(term for term in terms if term.weight)
        self.losses = nn.ModuleList(_loss(term, num_features) for term in self.terms)

    def check_samples(self, count: int, *, where: str) -> None:
        """Raises SpecError if a term needs more synthetic samples of a class than `count`."""
        for term, loss in zip(self.terms, self.losses, strict=True):
            assert isinstance(loss, Loss)
            if (least := loss.least_samples) > count:
                raise SpecError(
                    f"{term.name!r} of {count} sample{'' if count == 1 else 's'} per class", where=where,
                    expected=f"{least} or more", remedy="Take `estimator: plain`, another form of it, or a larger IPC.",
                )  # fmt: skip

    @property
    def learned(self) -> nn.Module | None:
        """What is to be trained to maximise the sum; None: nothing."""
        return self if any(True for _ in self.parameters()) else None

    def forward(self, syn: Embedded, real: Embedded, rng: torch.Generator, *, trained: bool) -> dict[str, Tensor]:
        """Weighted terms by name; a name that comes up again gets its number.

        Args:
            syn, real, rng: see `Loss`.
            trained: whether the network is; terms that need that are left out under a fresh one.
        """
        weighted: dict[str, Tensor] = {}
        for number, (term, loss) in enumerate(zip(self.terms, self.losses, strict=True)):
            if trained or not loss.needs_trained:
                name = term.name if term.name not in weighted else f"{term.name} {number}"
                weighted[name] = term.weight * loss(syn, real, rng)
        return weighted


def _loss(term: Term, num_features: int) -> Loss:
    config = LOSSES.config(term.name, term.options, where=f"loss {term.name!r}")
    loss: Loss = LOSSES.load(term.name)(config, num_features=num_features)
    return loss
