"""Networks of one row in several processes."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from multiprocessing.connection import Connection
from typing import TypeVar

import torch

from gendata._memory import keep_freed_memory
from gendata.errors import GendataError
from gendata.evaluation.bench import Bench, RowPlan
from gendata.evaluation.measurement import Runner, one_after_the_other, train_network
from gendata.evaluation.result import NetworkResult

Result = TypeVar("Result")
Planner = Callable[[str], Callable[[Bench], RowPlan]]

_held: dict[str, Bench] = {}  # of a worker: the bench it works for, whose data are read once
_planned: dict[tuple[str, str], RowPlan] = {}  # and the row of it


def threads_per_job(jobs: int) -> int:
    """Torch threads of each process; one process keeps what its user set."""
    return torch.get_num_threads() if jobs == 1 else max(1, (os.cpu_count() or 1) // jobs)


@contextmanager
def runner(jobs: int, *, planner_of: Planner) -> Iterator[Runner]:
    """A Runner over `jobs` processes, which end with the context.

    Args:
        jobs: 1: this process alone.
        planner_of: from a row's name to its planner; importable, for the workers make their own plans.
    """
    if jobs == 1:
        yield one_after_the_other
        return
    with worker_pool(jobs, threads=threads_per_job(jobs)) as pool:
        yield partial(_spread, pool, planner_of)


@contextmanager
def worker_pool(jobs: int, *, threads: int) -> Iterator[ProcessPoolExecutor]:
    """Processes that end with the context, and with this process however it ends.

    Args:
        threads: of torch, in each.
    """
    start = multiprocessing.get_context("spawn")  # a forked child hangs once the parent has run torch's threads
    told, life = start.Pipe(duplex=False)  # `life` is open in this process alone: closed when it ends, however it does
    with (
        told,
        life,
        ProcessPoolExecutor(jobs, start, initializer=_begin, initargs=(threads, told)) as pool,
    ):
        try:
            yield pool
        except BaseException:
            life.close()  # what is under way may have hours to go, and nobody would get its results
            raise
        finally:
            pool.shutdown(cancel_futures=True)


def _begin(threads: int, told: Connection) -> None:
    """In a worker, before its first task. It ends with its caller, which alone is told of an interruption."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(threads)
    keep_freed_memory()
    threading.Thread(target=_end_with, args=(told,), daemon=True).start()


def _end_with(told: Connection) -> None:
    try:
        told.recv_bytes()
    except (EOFError, OSError):
        os._exit(1)


def _spread(
    pool: ProcessPoolExecutor,
    planner_of: Planner,
    bench: Bench,
    plan: RowPlan,
    seeds: Sequence[int],
    keep: Callable[[int, NetworkResult], None],
) -> None:
    bench.progress.begin(plan.name, plan.mode, steps=len(seeds) * plan.feed(seeds[0]).steps)
    try:
        futures = {pool.submit(_work, planner_of, bench, plan.row, seed): seed for seed in seeds}
    except BrokenProcessPool:
        raise _ended() from None
    for future in as_completed(futures):
        result = result_of(future)
        bench.progress.advance(result.steps)
        keep(futures[future], result)


def result_of(future: Future[Result]) -> Result:
    """What a worker of `worker_pool` returned.

    Raises:
        GendataError: a worker died.
    """
    try:
        return future.result()
    except BrokenProcessPool:
        raise _ended() from None


def _ended() -> GendataError:
    return GendataError(
        "a working process was ended from outside, or ran out of memory",
        remedy="Give the same command again: what was finished is kept. With fewer --jobs, which take less memory, "
        "networks are trained anew.",
    )


def _work(planner_of: Planner, bench: Bench, row: str, seed: int) -> NetworkResult:
    """Rows and benches come one after the other: what the last one read or made is let go."""
    if bench.token not in _held:
        _held.clear()
        _held[bench.token] = bench
    held = _held[bench.token]
    held.decided.update(bench.decided)
    if (key := (bench.token, row)) not in _planned:
        _planned.clear()
        _planned[key] = planner_of(row)(held)
    plan = _planned[key]
    return train_network(held, plan, plan.feed(seed), seed=seed)
