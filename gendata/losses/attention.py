"""`attention`: where in the image a network looks."""

from __future__ import annotations

from typing import Literal

import msgspec
import torch
from torch import Tensor
from torch.nn import functional

from gendata.errors import SpecError
from gendata.losses.embedded import Embedded
from gendata.losses.estimators import Estimator, squared_errors
from gendata.losses.loss import Loss


class AttentionConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of `attention`."""

    estimator: Estimator = "unbiased"
    power: float = 4.0  # of activations: the larger, the more the strongest count
    blocks: Literal["all", "all-but-last"] = "all-but-last"  # their terms are added

    def __post_init__(self) -> None:
        if not 1 <= self.power <= 16:
            raise ValueError(f"power must be 1 to 16, got {self.power}")


class Attention(Loss):
    """|mean a(syn) - mean a(real)|^2 of spatial attention maps a = vec(sum_channels |f|^power) / its norm, per class.

    Summed over positions and blocks, averaged over classes. Source: DataDAM (Sajedi et al. 2023, arXiv:2310.00093),
    its spatial attention matching with power 4. The paper adds DM's term on the last block with weight 0.01; here that
    is a term of its own: `{name: mean, options: {estimator: plain, blocks: last, scaled: false, summed: true}}`.

    Differs from the paper: mean over classes instead of their sum; by default the estimate is unbiased. Maps of one
    pixel, which are always 1, are left out. And from its code, which takes maps before they are pooled (main_DataDAM.py
    170-177), and power 1: here they are what a block gives, half as large.
    """

    Config = AttentionConfig
    config: AttentionConfig

    def forward(self, syn: Embedded, real: Embedded, rng: torch.Generator) -> Tensor:
        """The term; see `Loss`. A network of one block has that block's attention matched.

        Raises:
            SpecError: no block has maps of more than one pixel.
        """
        c = self.config
        last = len(syn.maps) - (c.blocks == "all-but-last" and len(syn.maps) > 1)
        looking = [block for block in range(last) if syn.maps[block][0, 0].numel() > 1]
        if not looking:
            raise SpecError(
                "maps of one pixel, which have no attention", where="loss 'attention'",
                expected="a network of convolutions with larger ones",
            )  # fmt: skip
        parts = []
        for block in looking:
            a_syn, a_real = (batch.by_class(attention_maps(batch.maps[block], c.power)) for batch in (syn, real))
            parts.append(squared_errors(a_syn, a_real, c.estimator).sum(1).mean())
        return torch.stack(parts).sum()


def attention_maps(f: Tensor, power: float) -> Tensor:
    """(N, H * W), each of norm 1, from a block's output (N, C, H, W)."""
    # Brought to 1 at most, or a high power of small activations would be nothing at all in float32.
    f = f / f.detach().abs().amax((1, 2, 3), keepdim=True).clamp_min(1e-6)
    return functional.normalize(f.abs().pow(power).sum(1).flatten(1), dim=1, eps=1e-6)
