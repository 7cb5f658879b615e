"""How a student sees an artifact: its stored set, or new images in every pass."""

from __future__ import annotations

from collections.abc import Callable
from math import gcd
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from numpy.typing import NDArray

from gendata.errors import SpecError
from gendata.evaluation.bench import Bench, RowPlan
from gendata.evaluation.drawing import drawn_at_random
from gendata.evaluation.protocol import Protocol
from gendata.evaluation.seeds import derive
from gendata.evaluation.training import Feed, Images
from gendata.recipe import Choice

if TYPE_CHECKING:
    from gendata.artifact.artifact import CondensedArtifact

_MANY = 2**20  # images per class of an epoch, where labels are drawn at random: so many that none is drawn twice
_FRESH_BATCH, _FRESH_LR = 256, 0.01  # of fresh@...: fixed, so that its rows compare across protocols of SGD


def frozen(bench: Bench) -> RowPlan:
    """The stored set, the same in every pass: what published IPC rows mean. Trained with its soft labels, if any.

    Raises:
        SpecError: fewer images per class are stored than the IPC asked for.
    """
    artifact = _artifact(bench)
    x, y = artifact.frozen_images(ipc=bench.ipc)
    soft = None if bench.hard_labels else artifact.label_probabilities(ipc=bench.ipc)
    images: Images = (x, y if soft is None else soft)

    def feed(seed: int) -> Feed:
        return Feed(
            images=bench.passes_over(images, seed=seed),
            protocol=bench.protocol,
            steps_per_pass=bench.steps_per_pass,
            distinct_images=bench.count_distinct(len(images[0]), seed=seed),
            num_bytes=artifact.artifact_bytes,
        )

    return _plan(bench, f"frozen({len(images[0])})", feed)


def fresh_matched(bench: Bench) -> RowPlan:
    """IPC x classes new images in every pass: batches, passes and schedule are the frozen row's."""
    artifact = _sampler(bench)

    def feed(seed: int) -> Feed:
        return Feed(
            images=fresh(seed),
            protocol=bench.protocol,
            steps_per_pass=bench.steps_per_pass,
            distinct_images=_distinct(artifact, bench.num_images * bench.protocol.passes),
            num_bytes=artifact.artifact_bytes,
        )

    def fresh(seed: int) -> Callable[[int], Images]:
        if bench.is_drawn_whole:
            return _Fresh(bench, per_class=bench.ipc, seed=seed)
        return _FreshLabels(bench, count=bench.num_images, seed=seed)

    return _plan(bench, "fresh-matched", feed)


def fresh_steps(bench: Bench, *, thousands: int) -> RowPlan:
    """fresh@<thousands>k: so many steps of 256 new images, SGD's lr 0.01, x0.1 after half. Not an IPC row."""
    artifact, steps = _sampler(bench), 1000 * thousands
    protocol = by_steps(bench.protocol, steps)
    # The smallest class-balanced set that whole batches divide.
    per_class = _FRESH_BATCH // gcd(bench.spec.num_classes, _FRESH_BATCH)

    def feed(seed: int) -> Feed:
        return Feed(
            images=_Fresh(bench, per_class=per_class, seed=seed),
            protocol=protocol,
            steps_per_pass=1,
            distinct_images=_distinct(artifact, steps * _FRESH_BATCH),
            num_bytes=artifact.artifact_bytes,
        )

    return _plan(bench, f"fresh@{thousands}k", feed, protocol=protocol)


def _plan(bench: Bench, mode: str, feed: Callable[[int], Feed], *, protocol: Protocol | None = None) -> RowPlan:
    return RowPlan(
        name="artifact",
        mode=mode,
        feed=feed,
        follows_from="artifact",
        labels="hard" if bench.hard_labels else _artifact(bench).manifest.labels.kind,
        protocol=protocol,
    )


def by_steps(protocol: Protocol, steps: int) -> Protocol:
    """`protocol` with the budget of fresh@: a pass, as the schedule counts, is one step; tested once, at one rate.

    That loop is ours, whatever the protocol's was shown equal to.
    """
    return msgspec.structs.replace(
        protocol,
        status="implemented",
        epochs=steps,
        extra_pass=False,
        batch=_FRESH_BATCH,
        batching="shuffled-keep-last",
        lr=_FRESH_LR if protocol.optimiser.name == "sgd" else protocol.lr,
        learned_lr=False,
        lr_trials=(),
        schedule=Choice(name="drop", options={"after": "half", "factor": 0.1}),
        selection=Choice(name="last-pass"),
    )


class _Fresh:
    """New class-balanced images of an artifact for every pass of one run."""

    def __init__(self, bench: Bench, *, per_class: int, seed: int) -> None:
        self._bench, self._per_class = bench, per_class
        self._seed = derive(seed, "fresh")
        self._index = np.arange(per_class * bench.spec.num_classes, dtype=np.int64)

    def __call__(self, index: int) -> Images:
        return _drawn(self._bench, self._index, samples_per_class=self._per_class, seed=self._seed, epoch=index)


class _FreshLabels:
    """New images of labels drawn at random, for every pass of one run."""

    def __init__(self, bench: Bench, *, count: int, seed: int) -> None:
        self._bench, self._count = bench, count
        self._seed = derive(seed, "fresh")

    def __call__(self, index: int) -> Images:
        total = _MANY * self._bench.spec.num_classes
        positions = drawn_at_random(total, count=self._count, seed=self._seed, index=index).numpy()
        return _drawn(self._bench, positions, samples_per_class=_MANY, seed=self._seed, epoch=index)


def _drawn(bench: Bench, index: NDArray[np.int64], *, samples_per_class: int, seed: int, epoch: int) -> Images:
    """New images and their labels, soft ones where a label head makes them."""
    artifact = _artifact(bench)
    x, y = artifact.fresh_images(index, samples_per_class=samples_per_class, seed=seed, epoch=epoch)
    if bench.hard_labels or not artifact.has_fresh_soft_labels:
        return x, y
    return x, artifact.fresh_soft_labels(index, samples_per_class=samples_per_class, seed=seed, epoch=epoch)


def _distinct(artifact: CondensedArtifact, drawn: int) -> int:
    """Different images, at most, among so many drawn ones: a pixel bank has no more than its slots."""
    bound = artifact.law.num_distinct_per_class
    return drawn if bound is None else min(drawn, bound * artifact.spec.num_classes)


def _artifact(bench: Bench) -> CondensedArtifact:
    if bench.artifact is None:
        raise SpecError("this row needs an artifact", expected="one of the rows of real images")
    return bench.artifact


def _sampler(bench: Bench) -> CondensedArtifact:
    """The artifact, if new images of it have labels."""
    artifact = _artifact(bench)
    stored_alone = artifact.manifest.labels.kind == "soft" and not artifact.has_fresh_soft_labels
    if stored_alone and not (bench.hard_labels or bench.protocol.teacher):
        raise SpecError(
            "new images have no stored soft labels",
            where=str(artifact.path),
            expected="the row frozen, hard labels, or a teacher",
        )
    return artifact
