"""What all rows of one evaluation share: the data, the protocol, the normalisation, the device."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from uuid import uuid4

import torch
from torch import Tensor

from gendata.errors import SpecError
from gendata.evaluation.batching import batching_of
from gendata.evaluation.drawing import drawing_of, drawn_at_random
from gendata.evaluation.preparation import Normaliser
from gendata.evaluation.progress import Progress, Silence
from gendata.evaluation.protocol import Protocol
from gendata.evaluation.split_digest import split_digest
from gendata.evaluation.teacher_view import TeacherView
from gendata.evaluation.training import Feed, Images
from gendata.sources.source import Source, Split, hold_out
from gendata.spec import SampleSpec

if TYPE_CHECKING:
    from gendata.artifact.artifact import CondensedArtifact
    from gendata.labels.teacher import Teacher


TestedOn = Literal["test", "validation"]  # whose images score a network; choices are made on "validation"
LabelChoice = Literal["own", "hard"]  # what students of an artifact learn: its soft labels if it has any, or classes


@dataclass(frozen=True, kw_only=True)
class Bench:
    """Everything a row needs. Baselines see only `pool`: train without the images on which choices are made."""

    protocol: Protocol
    source: Source
    spec: SampleSpec
    ipc: int  # images per class that a pass of the frozen row sees
    artifact: CondensedArtifact | None  # None: baselines alone are measured
    artifact_bytes: int  # what equal-bytes-real may cost
    normalise: Callable[[Tensor], Tensor]  # images of the set, and real ones in training -> the student's space
    test_normalise: Callable[[Tensor], Tensor] | None = None  # test images; None: the same
    space: str = "image"  # what `normalise` does, in words that two equal benches share
    teacher: Teacher | None = None
    learned_lr: float | None = None  # that the artifact carries
    hard_labels: bool = False  # whether the artifact's rows leave its soft labels aside
    corruptions: tuple[str, ...] = ()  # of test images, on which every network is tested as well
    tested_on: TestedOn = "test"
    seed: int = 0
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    threads: int = field(default_factory=torch.get_num_threads)  # of each process that trains
    unfinished: Path | None = None  # folder where networks in training are kept; None: nowhere
    progress: Progress = field(default_factory=Silence)
    decided: dict[str, Any] = field(default_factory=dict)  # choices that rows make once, for every process
    token: str = field(default_factory=lambda: uuid4().hex)  # tells benches apart, across processes too

    def __getstate__(self) -> dict[str, Any]:
        """Small, for a process that trains: it reads the real images again, and its caller tells the progress."""
        kept = {name: value for name, value in self.__dict__.items() if name not in ("_parts", "teacher_answers")}
        return {**kept, "progress": Silence()}

    @property
    def num_images(self) -> int:
        """Images in a pass of the frozen row."""
        return drawing_of(self.protocol.drawing).num_images(self.ipc, self.spec.num_classes, self.protocol.batch)

    @property
    def is_drawn_whole(self) -> bool:
        """Whether a pass shows every image of a stored set once; otherwise images are drawn at random."""
        return drawing_of(self.protocol.drawing).is_whole

    @property
    def teacher_bytes(self) -> int:
        """What labels from a teacher cost."""
        return self.teacher.num_bytes if self.teacher and self.protocol.teacher else 0

    @cached_property
    def teacher_answers(self) -> Callable[[Tensor], Tensor] | None:
        """Images of the student's space -> the teacher's logits; None: there is no teacher.

        Raises:
            SpecError: the student's images are whitened, which a teacher of plain images cannot read.
        """
        if self.teacher is None:
            return None
        if not isinstance(self.normalise, Normaliser):
            raise SpecError("a teacher reads plain images", expected="an artifact whose samples are images")
        return TeacherView(self.teacher, self.normalise, device=self.device)

    def bytes_of(self, x: Tensor) -> Tensor:
        """Images as the rows have them, to uint8: a bank's floats as pictures, bytes as they are.

        Raises:
            SpecError: the floats are whitened, and no picture.
        """
        if not x.is_floating_point():
            return x
        if self.artifact is None or self.artifact.space == "zca":
            raise SpecError(
                f"{self.protocol.name} augments bytes, the samples are whitened",
                expected="a protocol that augments floats, such as dsa/v1",
            )
        return self.artifact.to_pictures(x)

    def passes_over(self, images: Images, *, seed: int) -> Callable[[int], Images]:
        """The passes of the run `seed` over a stored set."""
        if self.is_drawn_whole:
            return lambda index: images
        x, y = images

        def drawn(index: int) -> Images:
            positions = drawn_at_random(len(y), count=self.num_images, seed=seed, index=index)
            return x[positions], y[positions]

        return drawn

    def count_distinct(self, num_images: int, *, seed: int) -> int:
        """Different images, of a stored set of so many, in the passes of the run `seed`."""
        if self.is_drawn_whole:
            return num_images
        seen = torch.zeros(num_images, dtype=torch.bool)
        for index in range(self.protocol.passes):
            seen[drawn_at_random(num_images, count=self.num_images, seed=seed, index=index)] = True
        return int(seen.sum())

    @property
    def steps_per_pass(self) -> int:
        """Optimiser steps in a pass of the frozen row."""
        return self.steps_for(self.num_images)

    def steps_for(self, num_images: int) -> int:
        """Optimiser steps in a pass over so many images."""
        return len(batching_of(self.protocol.batching)(num_images, self.protocol.batch, torch.Generator()))

    @property
    def train(self) -> Split:
        """All that a network may be trained on: without the images that score it."""
        return self.source.split("train") if self.tested_on == "test" else self.pool

    @property
    def test(self) -> Split:
        """The images that score a network."""
        return self.source.split("test") if self.tested_on == "test" else self.validation

    @cached_property
    def test_digest(self) -> str:
        """sha256 over the images and labels that score."""
        return split_digest(self.test)

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
        return hold_out(self.source.split("train"), classes=self.source.spec.classes)


@dataclass(frozen=True, kw_only=True)
class RowPlan:
    """A row before it is measured."""

    name: str  # "artifact", "random-real"
    mode: str  # "frozen(100)", "fresh-matched", "real"
    feed: Callable[[int], Feed]  # seed of a run -> what that run's network trains on
    follows_from: Literal["artifact", "bytes", "ipc", "data"]  # besides data and protocol: what decides the result
    labels: Literal["hard", "soft"] = "hard"  # of the set itself; a protocol's teacher overrides them
    protocol: Protocol | None = None  # with a budget of the row's own, as fresh@ has; None: the bench's
    least_runs: int = 1  # networks, whatever the caller says
    row: str = ""  # the name by which it is asked for
    note: str = ""  # what a reader must know to read the number
