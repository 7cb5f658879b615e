"""The rows of real images that stand beside an artifact."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray

from gendata.evaluation.bench import Bench, RowPlan
from gendata.evaluation.seeds import derive
from gendata.evaluation.training import Feed, Images
from gendata.sources.balance import balanced_indices


def random_real(bench: Bench) -> RowPlan:
    """IPC random real images per class, another draw for every network; bytes are those of the raw pixels."""

    def feed(seed: int) -> Feed:
        chosen = balanced_indices(bench.pool.y, per_class=bench.ipc, seed=derive(seed, "random-real"))
        images = bench.pool.x[torch.from_numpy(chosen)], bench.pool.y[torch.from_numpy(chosen)]
        return Feed(
            images=bench.passes_over(images, seed=seed),
            protocol=bench.protocol,
            steps_per_pass=bench.steps_per_pass,
            distinct_images=bench.count_distinct(len(chosen), seed=seed),
            num_bytes=len(chosen) * bench.spec.num_pixels,
        )

    return RowPlan(name="random-real", mode="real", feed=feed, follows_from="ipc")


def real_stream(bench: Bench) -> RowPlan:
    """New real images in every pass, at the frozen row's budget: what a true copy of the data would reach."""

    def feed(seed: int) -> Feed:
        images: Callable[[int], Images]
        if bench.is_drawn_whole:
            stream = _RealStream(bench, seed=derive(seed, "real-stream"))
            images, distinct = stream, stream.count_distinct(bench.protocol.passes)
        else:
            images = bench.passes_over(bench.pool, seed=seed)
            distinct = bench.count_distinct(len(bench.pool.y), seed=seed)
        return Feed(
            images=images,
            protocol=bench.protocol,
            steps_per_pass=bench.steps_per_pass,
            distinct_images=distinct,
            num_bytes=len(bench.pool.y) * bench.spec.num_pixels,
        )

    return RowPlan(name="real-stream", mode="real", feed=feed, follows_from="ipc")


def real_full(bench: Bench) -> RowPlan:
    """All of train, less the images that score, in passes of its own: what the data itself gives."""
    protocol = msgspec.structs.replace(
        bench.protocol, epochs=bench.protocol.full_epochs, drawing="whole-set", batching="shuffled-keep-last"
    )
    feed = Feed(
        images=lambda index: bench.train,
        protocol=protocol,
        steps_per_pass=bench.steps_for(len(bench.train.y)),
        distinct_images=len(bench.train.y),
        num_bytes=len(bench.train.y) * bench.spec.num_pixels,
    )
    note = _FULL if bench.tested_on == "test" else ""
    ours = msgspec.structs.replace(bench.protocol, status="implemented")  # no published loop has these passes
    return RowPlan(name="real-full", mode="real", feed=lambda seed: feed, follows_from="data", protocol=ours, note=note)


_FULL = "trained on all of train, also on what is held out for choices elsewhere"


class _RealStream:
    """Class-balanced passes over the pool; an image returns only after all of its class had their turn."""

    def __init__(self, bench: Bench, *, seed: int) -> None:
        self._pool, self._ipc, self._seed = bench.pool, bench.ipc, seed
        self._num_classes = bench.spec.num_classes
        self._per_class = int(torch.bincount(self._pool.y, minlength=self._num_classes).min())
        self._passes_per_cycle = max(1, self._per_class // self._ipc)

    def __call__(self, index: int) -> Images:
        chosen = torch.from_numpy(self._positions(index))
        return self._pool.x[chosen], self._pool.y[chosen]

    def count_distinct(self, passes: int) -> int:
        """Different images in the first `passes` passes."""
        seen = np.zeros(len(self._pool.y), dtype=bool)
        for index in range(passes):
            seen[self._positions(index)] = True
        return int(seen.sum())

    def _positions(self, index: int) -> NDArray[np.int64]:
        cycle, turn = divmod(index, self._passes_per_cycle)
        return self._order(cycle)[:, turn * self._ipc : (turn + 1) * self._ipc].ravel()

    @lru_cache(maxsize=1)  # noqa: B019 - lives as long as one run
    def _order(self, cycle: int) -> NDArray[np.int64]:
        """(num_classes, images): a new order of every class."""
        per_class = max(self._per_class, self._ipc)
        chosen = balanced_indices(
            self._pool.y, per_class=per_class, seed=derive(self._seed, cycle), purpose="real-stream"
        )
        return chosen.reshape(self._num_classes, per_class)
