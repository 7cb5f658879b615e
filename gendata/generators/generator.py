"""The seam every generator implements."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import msgspec
from torch import Tensor, nn

from gendata.spec import SampleSpec


class Generator(nn.Module, ABC):
    """`(z, y) -> x`: a latent and a label to an image.

    A subclass promises:
        - sample i of the output depends on row i of the input alone (no batch statistics), so that padding a
          micro-batch changes nothing;
        - building it costs little and works on the meta device, where shapes are checked before memory is taken;
        - its state dict holds floating-point tensors, or uint8 tensors that are stored as they are.

    Args:
        config: an instance of this class's `Config`.
        spec: what a sample looks like.
        latent_dim: length of `z`.
    """

    Config: ClassVar[type[msgspec.Struct]]
    revision: ClassVar[int] = 1  # raised when the same config and weights would give other images; part of artifact_id

    pixel_weights: ClassVar[tuple[str, ...]] = ()  # that write pixels; an int4 or int6 artifact stores them as int8

    def __init__(self, config: Any, *, spec: SampleSpec, latent_dim: int) -> None:
        super().__init__()
        self.config, self.spec, self.latent_dim = config, spec, latent_dim
        self.num_noise = 0  # last values of z that the law has to draw as noise

    @abstractmethod
    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        """Images (N, C, H, W) from latents (N, latent_dim) and labels (N,) int64.

        Float in [0, 1]; only a bank of stored floats gives what it holds, in whatever space the artifact declares.
        """

    @abstractmethod
    def macs_per_image(self) -> int:
        """Multiply-accumulates that one image costs."""

    def activation_values_per_image(self) -> int:
        """Largest number of float32 values that one image holds at once inside `forward`; an upper estimate."""
        return 4 * self.spec.num_pixels

    def __call__(self, z: Tensor, y: Tensor) -> Tensor:
        images: Tensor = super().__call__(z, y)
        return images
