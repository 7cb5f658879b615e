"""One row: several networks, trained and tested by the row's plan."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from statistics import fmean

import msgspec
from torch import Tensor

from gendata.evaluation.bench import Bench, RowPlan
from gendata.evaluation.corrupted_test import corrupted_accuracies
from gendata.evaluation.ledger import Ledger, key_of
from gendata.evaluation.preparation import Preparation, preparation_of
from gendata.evaluation.progress import Progress
from gendata.evaluation.report import Row
from gendata.evaluation.result import CurvePoint, NetworkResult
from gendata.evaluation.seeds import derive
from gendata.evaluation.selection import selection_of
from gendata.evaluation.spread import mean_and_std
from gendata.evaluation.training import Feed, Training, tested
from gendata.evaluation.unfinished import Unfinished, forget
from gendata.methods.draws import globally_seeded
from gendata.networks import build_network

_REPORT_EVERY_SEC = 0.2
_CURVE_POINTS = 60

# Results of the networks with these seeds, in their order; whoever runs them keeps each as soon as it is there.
Runner = Callable[[Bench, RowPlan, Sequence[int], Callable[[int, NetworkResult], None]], None]


def measure(bench: Bench, plan: RowPlan, *, runs: int, ledger: Ledger | None = None, run: Runner | None = None) -> Row:
    """Trains and tests `runs` networks by one row's plan.

    Args:
        ledger: results that are there already, and where new ones are kept; None: nowhere.
        run: trains the networks that are missing; None: here, one after the other.
    """
    ledger, seeds = ledger or Ledger(None), tuple(derive(bench.seed, "run", number) for number in range(runs))
    keys = {seed: key_of(bench, plan, seed=seed) for seed in seeds}
    results = {seed: found for seed in seeds if (found := ledger.get(keys[seed])) is not None}
    missing = [seed for seed in seeds if seed not in results]

    def keep(seed: int, result: NetworkResult) -> None:
        ledger.put(keys[seed], result)
        forget(bench.unfinished, keys[seed])
        results[seed] = result

    if missing:
        (run or one_after_the_other)(bench, plan, missing, keep)
    row = _row(bench, plan, seeds, [results[seed] for seed in seeds])
    bench.progress.end(row)
    return row


def one_after_the_other(
    bench: Bench, plan: RowPlan, seeds: Sequence[int], keep: Callable[[int, NetworkResult], None]
) -> None:
    """A Runner in this process."""
    for number, seed in enumerate(seeds):
        feed = plan.feed(seed)
        if number == 0:
            bench.progress.begin(plan.name, plan.mode, steps=len(seeds) * feed.steps * len(_rates(bench, plan, feed)))
        keep(seed, train_network(bench, plan, feed, seed=seed))


def train_network(bench: Bench, plan: RowPlan, feed: Feed, *, seed: int) -> NetworkResult:
    """One network's result; where the protocol tries several rates, that of the rate with the best test accuracy."""
    key = key_of(bench, plan, seed=seed)
    tried = [
        _trained(bench, feed, seed=seed, lr=lr, kept=Unfinished(bench.unfinished, key, trial=trial))
        for trial, lr in enumerate(_rates(bench, plan, feed))
    ]
    best = max(tried, key=lambda result: result.reported)
    return msgspec.structs.replace(best, minutes=round(sum(result.minutes for result in tried), 3))


def _rates(bench: Bench, plan: RowPlan, feed: Feed) -> tuple[float, ...]:
    learned = bench.learned_lr if plan.follows_from == "artifact" else None
    if learned is not None and feed.protocol.learned_lr:
        return (learned,)
    return feed.protocol.lr_trials or (feed.protocol.lr,)


def _trained(bench: Bench, feed: Feed, *, seed: int, lr: float, kept: Unfinished) -> NetworkResult:
    protocol, selection = feed.protocol, selection_of(feed.protocol.selection)
    network = build_network(protocol.network, spec=bench.spec, seed=derive(seed, "network")).to(bench.device)
    prepare = prepared(bench)
    ticker = _Ticker(bench.progress, feed.steps_per_pass)
    every = -(-protocol.passes // _CURVE_POINTS)
    with globally_seeded(derive(seed, "dropout"), bench.device):
        training = Training(network, feed, seed=seed, prepare=prepare, lr=lr)
        so_far = kept.restore(training)
        ticker.tick(training.finished, last=training.is_done)
        started = time.monotonic() - 60 * so_far.minutes
        while not training.is_done:
            loss, accuracy = training.run_pass(), None
            ticker.tick(1, last=training.is_done)
            if training.is_done or selection.tests_after(training.finished - 1, protocol.passes):
                so_far.tests.append(tested(network, bench.test, prepare=prepare, statistics_of=protocol.test_batch))
                accuracy = so_far.tests[-1].accuracy
            if accuracy is not None or (training.finished - 1) % every == 0:
                so_far.curve.append(CurvePoint(passes=training.finished, loss=_finite(loss), accuracy=accuracy))
            so_far.minutes = (time.monotonic() - started) / 60
            kept.keep_now_and_then(training, so_far)
    accuracies = [test.accuracy for test in so_far.tests]
    return NetworkResult(
        reported=selection.chosen(accuracies),
        last=accuracies[-1],
        best=max(accuracies),
        per_class=so_far.tests[-1].per_class,
        lr=lr,
        images_seen=training.images_seen,
        distinct_images=feed.distinct_images,
        bytes=None if feed.num_bytes is None else feed.num_bytes + bench.teacher_bytes,
        steps=feed.steps,
        passes=protocol.passes,
        minutes=round(so_far.minutes, 3),
        curve=tuple(_thinned(so_far.curve)),
        note=feed.note,
        corrupted=corrupted_accuracies(bench, network, prepare),
    )


def _finite(loss: Tensor) -> float | None:
    return float(loss) if loss.isfinite() else None


def prepared(bench: Bench) -> Preparation:
    """What the bench's protocol does to images."""
    return preparation_of(
        bench.protocol,
        source_name=bench.source.name,
        normalise=bench.normalise,
        test_normalise=bench.test_normalise,
        teacher=bench.teacher_answers,
        to_bytes=bench.bytes_of,
    )


def _thinned(curve: Sequence[CurvePoint]) -> Sequence[CurvePoint]:
    """At most about `_CURVE_POINTS` points, the last among them."""
    step = -(-len(curve) // _CURVE_POINTS)
    return curve[(len(curve) - 1) % step :: step]


def _row(bench: Bench, plan: RowPlan, seeds: tuple[int, ...], results: Sequence[NetworkResult]) -> Row:
    protocol, reported = plan.protocol or bench.protocol, [result.reported for result in results]
    mean, std = mean_and_std(reported, protocol.spread)
    return Row(
        name=plan.name,
        mode=plan.mode,
        mean=mean,
        std=std,
        n=len(results),
        bytes=max((result.bytes for result in results if result.bytes is not None), default=None),
        images_seen=max(result.images_seen for result in results),
        distinct_images=max(min(result.distinct_images, result.images_seen) for result in results),
        steps=results[0].steps,
        passes=results[0].passes,
        network=protocol.network,
        protocol=protocol.name,
        status=protocol.status,
        split=bench.tested_on,
        selects_on_test=protocol.selects_on_test,
        labels="teacher" if protocol.teacher else plan.labels,
        seeds=seeds,
        reported=tuple(reported),
        last=tuple(result.last for result in results),
        best=tuple(result.best for result in results),
        lr=tuple(result.lr for result in results),
        per_class=tuple(map(fmean, zip(*(result.per_class for result in results), strict=True))),
        curve=results[0].curve,
        corrupted={name: fmean(result.corrupted[name] for result in results) for name in results[0].corrupted},
        note=plan.note or results[0].note,
        minutes=round(sum(result.minutes for result in results), 3),
    )


class _Ticker:
    """Passes on steps a few times a second, however short a pass is."""

    def __init__(self, progress: Progress, steps_per_pass: int) -> None:
        self._progress, self._steps_per_pass = progress, steps_per_pass
        self._waiting, self._told = 0, time.monotonic()

    def tick(self, passes: int, *, last: bool = False) -> None:
        self._waiting += passes * self._steps_per_pass
        if last or time.monotonic() - self._told > _REPORT_EVERY_SEC:
            self._progress.advance(self._waiting)
            self._waiting, self._told = 0, time.monotonic()
