"""The seam every latent law implements."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import msgspec
from torch import Tensor, nn


class LatentLaw(nn.Module, ABC):
    """From counter-based random numbers to latents: the distribution a generator is sampled with.

    The numbers come from the host (`gendata.latents.philox`), keyed by (seed, epoch, index); the law turns them into
    `z` with elementwise float32 arithmetic alone (no exp, no log, no matmul), which is bit-equal on every CPU. A law
    may hold learned tensors; they are stored, and their bytes counted, with the weights.
    """

    Config: ClassVar[type[msgspec.Struct]]
    revision: ClassVar[int] = 1  # raised when the same config and weights would give other latents; part of artifact_id
    dim: int  # length of z
    num_noise: int = 0  # of these, the last ones: drawn anew for every sample, learned by nobody
    num_uniforms: int  # uniforms in [0, 1) used per sample
    num_normals: int  # standard normals used per sample
    num_stored_per_class: int = 0  # slots of one class, from 0, whose latents are stored and nothing is drawn for
    num_distinct_per_class: int | None = None  # different latents at most, of one class; None: no such bound
    num_slots: int | None = None  # slots of one class, from 0, that there is anything for; None: for every one

    def __init__(self, config: Any, *, num_classes: int) -> None:
        super().__init__()
        self.config, self.num_classes = config, num_classes

    @abstractmethod
    def forward(self, uniforms: Tensor, normals: Tensor, y: Tensor, slot: Tensor) -> Tensor:
        """Latents (N, dim) float32.

        Args:
            uniforms: (N, num_uniforms) float32 in [0, 1).
            normals: (N, num_normals) float32.
            y: labels (N,) int64.
            slot: (N,) int64, position inside the class in the frozen set; -1 for a fresh sample.
        """

    def prepare(self) -> None:
        """Derives what follows from the learned tensors; called after they are loaded or fitted.

        What moves them leaves it as it is until the next call.
        """

    def __call__(self, uniforms: Tensor, normals: Tensor, y: Tensor, slot: Tensor) -> Tensor:
        z: Tensor = super().__call__(uniforms, normals, y, slot)
        return z
