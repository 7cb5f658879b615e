"""Banks of stored images, as methods fill them: with the law that numbers their images, and no other."""

from __future__ import annotations

from typing import TypeAlias

from gendata.errors import SpecError
from gendata.generators.generator import Generator
from gendata.generators.multi_formation_bank import MultiFormationBank
from gendata.generators.pixel_bank import PixelBank
from gendata.latents.law import LatentLaw
from gendata.latents.slot import Slot

Bank: TypeAlias = PixelBank | MultiFormationBank
_KINDS: tuple[type[Bank], ...] = (PixelBank, MultiFormationBank)


def checked_bank(
    generator: Generator, law: LatentLaw, *, kinds: tuple[type[Bank], ...] = _KINDS, where: str
) -> PixelBank | MultiFormationBank:
    """The generator, if it is a bank of one of these kinds.

    Raises:
        SpecError: it is none, or `law` does not number what it holds.
    """
    if not isinstance(generator, kinds):
        raise SpecError(
            f"generator is {type(generator).__name__}", where=where,
            expected=" or ".join(kind.__name__ for kind in kinds),
            remedy="Set generator.name to pixel-bank and latent.name to slot.",
        )  # fmt: skip
    wanted = generator.config.slots * tiles_per_side(generator) ** 2
    if not isinstance(law, Slot) or law.num_slots != wanted:
        numbered = f" of {law.num_slots} slots" if isinstance(law, Slot) else ""
        raise SpecError(
            f"latent law is {type(law).__name__}{numbered}", where=where,
            expected=f"Slot of {wanted}, as the bank holds",
            remedy=f"Set latent.name to slot and latent.options.slots to {wanted}.",
        )  # fmt: skip
    return generator


def tiles_per_side(bank: Bank) -> int:
    """Into which a stored image is cut; 1: it is one sample."""
    return int(bank.config.factor) if isinstance(bank, MultiFormationBank) else 1
