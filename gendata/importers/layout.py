"""The seam of importers: `Layout.claims(files)`, `Layout.read(files, wanted)`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal

from torch import Tensor

from gendata.artifact.space import SpaceName, Whitening
from gendata.generators.generator import Generator
from gendata.importers.pickles import read_pickle
from gendata.importers.wanted import Wanted

PICKLES = (".pt", ".pth", ".tar", ".pkl")


class Files:
    """What the user pointed at. A pickle is read once, however many layouts look at it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @cached_property
    def tree(self) -> Any:
        """What the pickle holds; None: `path` is no such file."""
        return read_pickle(self.path) if self.path.is_file() and self.path.suffix.lower() in PICKLES else None


@dataclass(frozen=True, kw_only=True)
class ImageSet:
    """Images as they were found, in the order of the files."""

    images: Tensor  # (N, C, H, W) float or uint8
    labels: Tensor | None  # (N,) int64; None: class after class, equally many
    files: tuple[Path, ...]  # that were read
    soft: Tensor | None = None  # (N, classes)
    label_values: Literal["probabilities", "logits", "targets"] = "probabilities"
    space: SpaceName | None  # None: the files do not say
    whitening: Whitening | None = None  # how this code base whitens, if the space is "zca"
    statistics: str | None = None  # whose published mean and deviation these files mean
    classes: tuple[str, ...] | None = None
    source: str | None = None  # guessed from names
    factor: int | None = 1  # tiles per side of an image; None: the files do not say
    lr: float | None = None
    set_index: int | None = None
    num_sets: int = 1


@dataclass(frozen=True, kw_only=True)
class GeneratorFound:
    """A generator with its weights, and the law of its latents."""

    name: str  # as registered
    generator: Generator
    latent: str
    latent_options: dict[str, Any] = field(default_factory=dict)
    num_classes: int
    files: tuple[Path, ...]
    statistics: str | None = None
    source: str | None = None


class Layout(ABC):
    """One way in which files are laid out."""

    name: ClassVar[str]
    summary: ClassVar[str]  # one line, for people

    @abstractmethod
    def claims(self, files: Files) -> bool:
        """Whether these look like files of this layout. Layouts are asked in the order of the table."""

    @abstractmethod
    def read(self, files: Files, wanted: Wanted) -> ImageSet | GeneratorFound:
        """Everything the files say.

        Raises:
            SourceError: they are not of this layout, or damaged.
            SpecError: they lack something that `wanted` does not give either.
        """
