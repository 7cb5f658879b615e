"""Methods whose condensed set is a choice of real images: baselines, in the format of everything else."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import torch
from torch import Tensor

from gendata.errors import SpecError
from gendata.generators.generator import Generator
from gendata.generators.pixel_bank import PixelBank
from gendata.latents.law import LatentLaw
from gendata.methods.banks import checked_bank
from gendata.methods.method import Method, RealData


class RealSubset(Method):
    """Fills every slot of a pixel bank with another real image of its class.

    Raises:
        SpecError: the generator is no pixel bank, the law does not number its images, or a class has fewer real images
            than slots.
    """

    name: ClassVar[str]  # as registered

    def __init__(self, config: Any, *, generator: Generator, law: LatentLaw, real: RealData, seed: int) -> None:
        super().__init__(config, generator=generator, law=law, real=real, seed=seed)
        bank = checked_bank(generator, law, kinds=(PixelBank,), where=f"method {self.name}")
        assert isinstance(bank, PixelBank)
        counts = torch.bincount(real.y, minlength=real.spec.num_classes).tolist()
        for label, count in zip(real.spec.classes, counts, strict=True):
            if count < bank.config.slots:
                raise SpecError(
                    f"class {label!r} has {count} images", where=f"method {self.name}",
                    expected=f"at least generator.options.slots = {bank.config.slots}",
                )  # fmt: skip
        self._bank = bank

    @abstractmethod
    def choose(self, c: int, members: Tensor, count: int) -> Tensor:
        """`count` different ones of `members`, the positions (int64) of class c's real images; order is kept."""

    def fill(self) -> None:
        """Chooses for every class."""
        bank = self._bank
        for c in range(self.real.spec.num_classes):
            members = (self.real.y == c).nonzero()[:, 0]
            x_u8 = self.real.x_u8[self.choose(c, members, bank.config.slots)]
            bank.images[c] = x_u8 if bank.images.dtype == torch.uint8 else x_u8.float() / 255
