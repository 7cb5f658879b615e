"""Methods whose condensed set is a choice of real images: baselines, in the format of everything else."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import torch
from torch import Tensor

from gendata.errors import SpecError
from gendata.generators.pixel_bank import PixelBank
from gendata.methods.method import Method


class RealSubset(Method):
    """Fills every slot of a pixel bank with another real image of its class."""

    name: ClassVar[str]  # as registered

    @abstractmethod
    def choose(self, c: int, members: Tensor, count: int) -> Tensor:
        """`count` different ones of `members`, the positions (int64) of class c's real images; order is kept."""

    def check(self) -> None:
        """Whether the bank can be filled.

        Raises:
            SpecError: the generator is no pixel bank, or a class has fewer real images than slots.
        """
        bank, spec = self.generator, self.real.spec
        if not isinstance(bank, PixelBank):
            raise SpecError(
                f"generator is {type(bank).__name__}",
                where=f"method {self.name}",
                expected="PixelBank",
                remedy="Set generator.name to pixel-bank and latent.name to slot.",
            )
        counts = torch.bincount(self.real.y, minlength=spec.num_classes).tolist()
        for label, count in zip(spec.classes, counts, strict=True):
            if count < bank.config.slots:
                raise SpecError(
                    f"class {label!r} has {count} images",
                    where=f"method {self.name}",
                    expected=f"at least generator.options.slots = {bank.config.slots}",
                )

    def fill(self) -> None:
        """Chooses for every class; `check` says whether that can be done."""
        bank = self.generator
        assert isinstance(bank, PixelBank)
        for c in range(self.real.spec.num_classes):
            members = (self.real.y == c).nonzero()[:, 0]
            x_u8 = self.real.x_u8[self.choose(c, members, bank.config.slots)]
            bank.images[c] = x_u8 if bank.images.dtype == torch.uint8 else x_u8.float() / 255
