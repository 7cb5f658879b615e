"""`cross-entropy`: synthetic samples are what trained networks call them."""

from __future__ import annotations

from typing import Literal

import msgspec
import torch
from torch import Tensor
from torch.nn import functional

from gendata.losses.embedded import Embedded
from gendata.losses.loss import Loss


class CrossEntropyConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of `cross-entropy`."""

    form: Literal["excess", "plain", "weighted"] = "excess"  # weighted: by the network's accuracy on the real batch


class CrossEntropy(Loss):
    """Cross entropy of synthetic samples under a trained network.

    `excess`: max(0, CE_syn - CE_real), ours: as certain as real samples, never more (`plain` goes on, to caricatures).
    `weighted`: acc CE_syn. Source: IDM (Zhao et al. 2023, CVPR, arXiv:2307.09742) and its code, where acc is the
    network's running training accuracy in percent and the weight 0.5, or 0.1 at 50 images per class.

    Differs from the paper: acc is the network's accuracy on this real batch, a fraction, so that the published weights
    are 50 and 10 here, beside a matching term that is a sum over classes.
    """

    Config = CrossEntropyConfig
    config: CrossEntropyConfig
    needs_trained = True

    def forward(self, syn: Embedded, real: Embedded, rng: torch.Generator) -> Tensor:
        """The term; see `Loss`."""
        loss = functional.cross_entropy(syn.logits, syn.y)
        if self.config.form == "excess":
            return (loss - functional.cross_entropy(real.logits, real.y)).clamp_min(0)
        if self.config.form == "weighted":
            return loss * (real.logits.argmax(1) == real.y).float().mean()
        return loss
