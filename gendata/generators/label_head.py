"""A label head: soft labels out of the latent that makes the image, so that new images have them too."""

from __future__ import annotations

from typing import ClassVar

import msgspec
import torch
from torch import Tensor, nn
from torch.nn import functional as F


class LabelHeadConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of a label head."""

    width: int = 16  # of the hidden layer; below the number of classes it bounds how many mistakes differ
    class_dim: int = 8  # length of the class embedding

    def __post_init__(self) -> None:
        for name in ("width", "class_dim"):
            if not 1 <= getattr(self, name) <= 4096:
                raise ValueError(f"{name} must be 1 to 4096, got {getattr(self, name)}")


class LabelHead(nn.Module):
    """`(z, y) -> logits` over all classes: z and a class embedding through one hidden layer.

    What it says of an image follows from the numbers that made it, noise apart: the same teacher's answers would else
    need the teacher, or a stored row per image, which new images do not have.

    Source: ours. The field stores soft labels (KIP, Nguyen et al. 2021; TESLA, Cui et al. 2023) or asks a teacher at
    every step (SRe2L, Yin et al. 2023; RDED, Sun et al. 2024).

    Args:
        config: its sizes.
        num_classes: K.
        code_dim: values of z that are not noise.
    """

    revision: ClassVar[int] = 1  # raised when the same weights would give other labels; part of artifact_id

    def __init__(self, config: LabelHeadConfig, *, num_classes: int, code_dim: int) -> None:
        super().__init__()
        self.config, self.code_dim = config, code_dim
        self.classes = nn.Embedding(num_classes, config.class_dim)
        self.hidden = nn.Linear(code_dim + config.class_dim, config.width)
        self.out = nn.Linear(config.width, num_classes)

    def macs_per_label(self) -> int:
        """Multiply-accumulates that one label costs."""
        return self.hidden.weight.numel() + self.out.weight.numel()

    def values_per_label(self) -> int:
        """Numbers that one label holds at once."""
        return self.hidden.in_features + 2 * self.hidden.out_features + 3 * self.out.out_features

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        """Logits (N, K) of latents (N, at least code_dim), whose noise is not looked at, and labels (N,) int64."""
        seen = torch.cat([z[:, : self.code_dim].to(self.classes.weight.dtype), self.classes(y)], dim=1)
        out: Tensor = self.out(F.relu(self.hidden(seen)))
        return out


@torch.inference_mode()
def head_probabilities(head: LabelHead, z: Tensor, y: Tensor, *, micro_batch: int) -> Tensor:
    """Soft labels (N, K) float32 on the host; rows sum to 1.

    `head` is a float64 one, called with padded batches of one size: a row depends on no other, and machines differ at
    most in a last bit, and hardly ever in that.
    """
    rows = z.new_empty(len(z), head.out.out_features)
    for start in range(0, len(z), micro_batch):
        part = slice(start, start + micro_batch)
        missing = micro_batch - len(y[part])
        logits = head(F.pad(z[part], (0, 0, 0, missing)), F.pad(y[part], (0, missing)))
        rows[part] = logits.softmax(1)[: len(y[part])]
    return rows
