"""What all rows of one evaluation share: the data, the protocol, the normalisation, the device."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import torch

from gendata.evaluation.batching import batching_of
from gendata.evaluation.progress import Progress, Silence
from gendata.evaluation.protocols import Protocol
from gendata.evaluation.training import Feed, Normaliser
from gendata.sources.source import Source, Split, hold_out
from gendata.spec import SampleSpec

if TYPE_CHECKING:
    from gendata.artifact.artifact import CondensedArtifact


@dataclass(frozen=True, kw_only=True)
class Bench:
    """Everything a row needs. Baselines see only `pool`: train without the images on which choices are made."""

    protocol: Protocol
    source: Source
    spec: SampleSpec
    ipc: int  # images per class that a pass of the frozen row sees
    artifact: CondensedArtifact | None  # None: baselines alone are measured
    artifact_bytes: int  # what equal-bytes-real may cost
    normalise: Normaliser
    seed: int = 0
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    progress: Progress = field(default_factory=Silence)

    @property
    def num_images(self) -> int:
        """Images in a pass of the frozen row."""
        return self.ipc * self.spec.num_classes

    @property
    def steps_per_pass(self) -> int:
        """Optimiser steps in a pass of the frozen row."""
        return self.steps_for(self.num_images)

    def steps_for(self, num_images: int) -> int:
        """Optimiser steps in a pass over so many images."""
        return len(batching_of(self.protocol.batching)(num_images, self.protocol.batch, torch.Generator()))

    @property
    def train(self) -> Split:
        return self.source.split("train")

    @property
    def test(self) -> Split:
        return self.source.split("test")

    @property
    def pool(self) -> Split:
        """Real images that baselines may take."""
        return self._parts[0]

    @property
    def validation(self) -> Split:
        """Real images, held out of train, on which every choice is made."""
        return self._parts[1]

    @cached_property
    def _parts(self) -> tuple[Split, Split]:
        return hold_out(self.train)


@dataclass(frozen=True, kw_only=True)
class RowPlan:
    """A row before it is measured."""

    name: str  # "artifact", "random-real"
    mode: str  # "frozen(100)", "fresh-matched", "real"
    feed: Callable[[int], Feed]  # seed of a run -> what that run's network trains on
    note: str = ""  # what a reader must know to read the number
