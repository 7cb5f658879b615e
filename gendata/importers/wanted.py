"""What the user says about files that do not say it themselves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from gendata.artifact.space import SpaceName
from gendata.errors import SpecError

Say = Callable[[str], None]

_CHOICES: dict[str, tuple[str, ...]] = {
    "space": ("image", "normalised", "zca"),
    "label_values": ("probabilities", "logits", "targets"),
    "storage": ("f32", "f16", "uint8"),
}


def _silent(note: str) -> None:
    pass


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Every field None: not said."""

    source: str | None = None  # the real data set, by the name of a source
    data_root: Path | None = None  # where its local copy is; then it is opened, and its fingerprint noted
    classes: tuple[str, ...] | None = None  # names in label order
    ipc: int | None = None  # stored images per class; of a generator, images of the frozen set
    space: SpaceName | None = None
    statistics: str | None = None  # a code base whose published mean and deviation are meant, or "imagenet"
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    store_whitening: bool = False  # fit it now, to the source's train split, and store it
    lr: float | None = None
    factor: int | None = None  # tiles per side of a stored image (multi-formation)
    set_index: int | None = None  # of several sets in one file; None: the last
    soft_labels: Path | None = None  # a file of one row per image, in the order of the images
    label_values: Literal["probabilities", "logits", "targets"] | None = None
    storage: Literal["f32", "f16", "uint8"] = "f32"  # of images that are floats; uint8 rounds pixels
    resize: int | None = None  # pixels: makes files N x N
    license: str | None = None
    citation: str | None = None
    say: Say = field(default=_silent)  # told what was guessed or left out

    def __post_init__(self) -> None:
        for name, known in _CHOICES.items():
            value = getattr(self, name)
            if value is not None and value not in known:
                raise SpecError(f"{name} is {value!r}", expected=f"one of {', '.join(known)}")
        for name in ("ipc", "factor", "resize", "lr"):
            value = getattr(self, name)
            if value is not None and not 0 < value < 2**31:
                raise SpecError(f"{name} is {value!r}", expected="above 0")
