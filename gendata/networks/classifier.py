"""What every network here offers."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn


class Classifier(nn.Module, ABC):
    """Images (N, C, H, W) to logits, with the views between that methods match.

    Inputs are as the caller normalised them; nothing here scales.
    """

    classifier: nn.Linear  # the last layer: (N, F) -> logits (N, num_classes)

    @abstractmethod
    def block_outputs(self, x: Tensor) -> list[Tensor]:
        """Output of every block, first to last: (N, channels, h, w), after activation and pooling."""

    def views(self, x: Tensor) -> tuple[list[Tensor], Tensor]:
        """Outputs of the blocks, and the features (N, F) that the linear layer reads, of one pass."""
        outputs = self.block_outputs(x)
        return outputs, outputs[-1].flatten(1)

    def embed(self, x: Tensor) -> Tensor:
        """Features (N, F) that the linear layer reads."""
        return self.views(x)[1]

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, num_classes)."""
        logits: Tensor = self.classifier(self.embed(x))
        return logits
