"""`random-real`: a pixel bank of random real images, the baseline that every condensed set has to beat."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import numpy as np
import torch
from torch import Tensor, nn

from gendata.errors import SpecError
from gendata.generators.pixel_bank import PixelBank
from gendata.latents import philox
from gendata.methods.method import Method, Stage


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`random-real` has no options: the generator's `slots` say how many images each class gets."""


class RandomReal(Method):
    """Fills every slot with another real image of its class, drawn without replacement by the seed."""

    Config = Config

    def stages(self) -> tuple[Stage, ...]:
        return ()

    def begin(self, stage: Stage | None) -> None:
        """Fills the bank.

        Raises:
            SpecError: the generator is no pixel bank, or a class has fewer real images than slots.
        """
        bank = self.generator
        if not isinstance(bank, PixelBank):
            raise SpecError(
                f"generator is {type(bank).__name__}",
                where="method random-real",
                expected="PixelBank",
                remedy="Set generator.name to pixel-bank and latent.name to slot.",
            )
        for c in range(self.real.spec.num_classes):
            members = self._shuffled_members(c)
            if len(members) < bank.config.slots:
                raise SpecError(
                    f"class {self.real.spec.classes[c]!r} has {len(members)} images",
                    where="method random-real",
                    expected=f"at least generator.options.slots = {bank.config.slots}",
                )
            bank.images[c] = self.real.x_u8[members[: bank.config.slots]]

    def trainable(self, stage: Stage) -> nn.Module:
        raise AssertionError("random-real has no stages")

    def step(self, stage: Stage, i: int, *, rank: int = 0) -> Mapping[str, Tensor]:
        raise AssertionError("random-real has no stages")

    def _shuffled_members(self, c: int) -> Tensor:
        """Positions of class c's real images, in an order that depends on (seed, c) alone."""
        members = (self.real.y == c).nonzero()[:, 0]
        keys = philox.uniforms(
            np.arange(len(members), dtype=np.int64), 1, seed=self.seed, epoch=c, stream="random-real"
        )
        return members[torch.from_numpy(np.argsort(keys[:, 0], kind="stable")).to(members.device)]
