"""One row: several networks, trained and tested by the row's plan."""

from __future__ import annotations

import time
from statistics import fmean, pstdev

from gendata.evaluation.augmentations import augmentation_of
from gendata.evaluation.bench import Bench, RowPlan
from gendata.evaluation.progress import Progress
from gendata.evaluation.report import Row
from gendata.evaluation.seeds import derive
from gendata.evaluation.selection import selection_of
from gendata.evaluation.training import Feed, accuracy, train
from gendata.networks import build_network

_REPORT_EVERY_SEC = 0.2


def measure(bench: Bench, plan: RowPlan, *, runs: int) -> Row:
    """Trains and tests `runs` networks by one row's plan."""
    started, seeds = time.monotonic(), tuple(derive(bench.seed, "run", run) for run in range(runs))
    results = []
    for run, seed in enumerate(seeds):
        feed = plan.feed(seed)
        if run == 0:
            bench.progress.begin(plan.name, plan.mode, steps=runs * feed.steps)
        results.append((feed, *_one_network(bench, feed, seed=seed)))
    feeds, last, images_seen = zip(*results, strict=True)
    row = Row(
        name=plan.name,
        mode=plan.mode,
        mean=fmean(last),
        std=pstdev(last),
        n=runs,
        bytes=max((feed.num_bytes for feed in feeds if feed.num_bytes is not None), default=None),
        images_seen=max(images_seen),
        distinct_images=max(feed.distinct_images for feed in feeds),
        steps=feeds[0].steps,
        passes=feeds[0].protocol.passes,
        network=bench.protocol.network,
        protocol=bench.protocol.name,
        seeds=seeds,
        last=last,
        note=plan.note,
        minutes=round((time.monotonic() - started) / 60, 3),
    )
    bench.progress.end(row)
    return row


def _one_network(bench: Bench, feed: Feed, *, seed: int) -> tuple[float, int]:
    """The accuracy that the protocol reports, and the images processed for it."""
    protocol, selection = feed.protocol, selection_of(feed.protocol.selection)
    network = build_network(protocol.network, spec=bench.spec, seed=derive(seed, "network")).to(bench.device)
    accuracies: list[float] = []
    ticker = _Ticker(bench.progress, feed.steps_per_pass)

    def after_pass(finished: int) -> None:
        ticker.tick(last=finished == protocol.passes - 1)
        if selection.tests_after(finished, protocol.passes):
            accuracies.append(accuracy(network, bench.test, normalise=bench.normalise))

    images_seen = train(
        network,
        feed,
        seed=seed,
        normalise=bench.normalise,
        augment=augmentation_of(protocol, source_name=bench.source.name),
        after_pass=after_pass,
    )
    return selection.chosen(accuracies), images_seen


class _Ticker:
    """Passes on steps a few times a second, however short a pass is."""

    def __init__(self, progress: Progress, steps_per_pass: int) -> None:
        self._progress, self._steps_per_pass = progress, steps_per_pass
        self._waiting, self._told = 0, time.monotonic()

    def tick(self, *, last: bool) -> None:
        self._waiting += self._steps_per_pass
        if last or time.monotonic() - self._told > _REPORT_EVERY_SEC:
            self._progress.advance(self._waiting)
            self._waiting, self._told = 0, time.monotonic()
