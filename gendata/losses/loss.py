"""The seam every term implements."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import msgspec
import torch
from torch import Tensor, nn

from gendata.losses.embedded import Embedded


class Loss(nn.Module, ABC):
    """A term: how far a synthetic batch is from a real one under one embedding network.

    A term may hold a module of its own (`learned`: the frequency sampler of `characteristic`). It is trained to
    MAXIMISE the term: a method gives it to its stage as the opponent.

    Args:
        config: an instance of this class's `Config`.
        num_features: of the embedding networks' last block, flattened.
    """

    Config: ClassVar[type[msgspec.Struct]]
    needs_trained: ClassVar[bool] = False  # reads logits, which mean nothing under a fresh network

    def __init__(self, config: Any, *, num_features: int) -> None:
        super().__init__()
        self.config, self.num_features = config, num_features
        self.learned: nn.Module | None = None

    @property
    def least_samples(self) -> int:
        """Synthetic ones of a class that it needs."""
        return 2 if getattr(self.config, "estimator", "plain") == "unbiased" else 1

    @abstractmethod
    def forward(self, syn: Embedded, real: Embedded, rng: torch.Generator) -> Tensor:
        """The term, a scalar.

        Args:
            syn: carries the gradient.
            real: without gradient; the same classes in the same order, any number of samples.
            rng: of everything the term draws, on the CPU.
        """
