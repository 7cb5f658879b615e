"""`random-real`: a pixel bank of random real images, the baseline that every condensed set has to beat."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import numpy as np
import torch
from torch import Tensor, nn

from gendata.latents import philox
from gendata.methods.method import Stage
from gendata.methods.real_subset import RealSubset


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`random-real` has no options: the generator's `slots` say how many images each class gets."""


class RandomReal(RealSubset):
    """Fills every slot with another real image of its class, drawn without replacement by the seed."""

    Config = Config
    name = "random-real"

    def stages(self) -> tuple[Stage, ...]:
        return ()

    def begin(self, stage: Stage | None) -> None:
        """Fills the bank."""
        self.fill()

    def trainable(self, stage: Stage) -> nn.Module:
        raise AssertionError("random-real has no stages")

    def step(self, stage: Stage, i: int, *, rank: int = 0) -> Mapping[str, Tensor]:
        raise AssertionError("random-real has no stages")

    def choose(self, c: int, members: Tensor, count: int) -> Tensor:
        """The first of an order that depends on (seed, c) alone: a larger bank begins with a smaller one's images."""
        keys = philox.uniforms(
            np.arange(len(members), dtype=np.int64), 1, seed=self.seed, epoch=c, stream="random-real"
        )
        order = torch.from_numpy(np.argsort(keys[:, 0], kind="stable"))
        return members[order.to(members.device)][:count]
