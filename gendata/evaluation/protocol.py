"""The record of an evaluation protocol: every quirk of a published loop is a field.

A field that is a name, or a Choice of a name with options, selects a function from the table of that kind; a number is
a number. A published protocol never changes: a correction gets a new version.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from gendata.evaluation.selection import selection_of
from gendata.recipe import Choice


class Protocol(msgspec.Struct, frozen=True, kw_only=True):
    """How one student is trained and tested."""

    name: str  # "dsa/v1"
    status: Literal["exact", "implemented", "declared"]  # shown equal to the published loop, unchecked, refuses to run
    summary: str
    source: str = ""  # where the values were read
    network: str  # the student, see `gendata.networks`
    optimiser: Choice  # see `optimisers`
    lr: float  # at the start
    learned_lr: bool = False  # an artifact that carries a learned rate is trained with it
    lr_trials: tuple[float, ...] = ()  # rates tried for each network, the best by TEST accuracy reported; (): only `lr`
    epochs: int  # E of the papers
    extra_pass: bool  # the published loops count range(E + 1): one pass more than they say
    schedule: Choice  # what happens to the optimiser as passes end, see `schedules`
    batch: int  # images per step
    micro_batch: int | None = None  # images per forward pass, gradients summed over a step; None: the whole batch
    batching: str  # how a pass is cut into steps, see `batching`
    drawing: str = "whole-set"  # what a pass is made of, see `drawing`
    adaptation: str | None = None  # what depends on IPC, classes or student, see `adaptation`; None: nothing
    statistics: str = "artifact"  # the normalisation, see `statistics`
    augmentation: tuple[Choice, ...] = ()  # in this order, see `augmentations`
    mixing: Choice | None = None  # of two images and their labels, see `augmentations`; None: none
    no_flip_sources: tuple[str, ...]  # sources of which a mirrored image is another class: flip leaves the strategy
    step: Choice  # the loss, see `steps`
    teacher: bool = False  # labels come from a trained network, at every step
    test_mode: Literal["eval", "train"] = "eval"  # "train": batch norm uses the statistics of the test batch
    test_view: Choice | None = None  # what happens to test images, see `augmentations`; None: nothing
    selection: Choice  # which test counts, see `selection`
    test_picks_artifact: bool = False  # published sets were themselves picked by test accuracy; this loop cannot see it
    spread: Literal["population"]  # std over networks: divided by n
    runs: int  # networks per row when the caller does not say
    full_epochs: int  # E of the row real-full, which no published protocol fixes: ours

    @property
    def passes(self) -> int:
        """Passes over the set that a student really makes."""
        return self.epochs + self.extra_pass

    @property
    def test_batch(self) -> int | None:
        """Of how many test images batch norm takes the statistics: of as many as in a step; None: of none."""
        return self.batch if self.test_mode == "train" else None

    @property
    def selects_on_test(self) -> bool:
        """Whether what is reported was picked by looking at test data: the test, the rate, or the artifact itself."""
        return selection_of(self.selection).uses_test_data or bool(self.lr_trials) or self.test_picks_artifact


class Suite(msgspec.Struct, frozen=True, kw_only=True):
    """Protocols that are published as one: each is run and shown by itself, then summed up."""

    name: str  # "dc-bench/v1"
    summary: str
    members: tuple[str, ...]  # protocols by full name
