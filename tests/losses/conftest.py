"""Batches of free features: what a term sees when the network is the identity."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gendata.losses.embedded import Embedded


@pytest.fixture
def batch():
    """Builds an `Embedded` from features (classes, samples, features), with one block and given or zero logits."""

    def build(*blocks: Tensor, logits: Tensor | None = None) -> Embedded:
        classes, samples = blocks[0].shape[:2]
        y = torch.arange(classes).repeat_interleave(samples)
        maps = tuple(h.flatten(0, 1) if h.dim() == 5 else h.flatten(0, 1)[..., None, None] for h in blocks)
        logits = torch.zeros(classes * samples, classes) if logits is None else logits
        return Embedded(y=y, maps=maps, logits=logits, num_classes=classes)

    return build


@pytest.fixture
def loss_of():
    """Builds a loss by its registered name and options."""
    from gendata.registry import LOSSES

    def build(name: str, num_features: int = 4, **options):
        return LOSSES.load(name)(LOSSES.config(name, options, where=name), num_features=num_features)

    return build
