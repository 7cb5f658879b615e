"""Whether a dataset gives the same samples however it is read."""

from __future__ import annotations

import pickle
import random
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Subset

from gendata.testing.equality import same, samples_of

_TIMEOUT_SEC = 120  # of a worker's batch: whoever hangs fails


def assert_deterministic(
    dataset: Any,
    *,
    indices: Sequence[int] | None = None,
    batch_sizes: Iterable[int] = (1, 3, 16),
    num_workers: Iterable[int] = (0, 2),
    start_methods: Iterable[str | None] = (None,),
    collate_fn: Callable[[Any], Any] | None = None,
) -> None:
    """Checks that a map-style dataset gives the same samples, bit for bit, however it is read.

    Compared are single samples; batches of several sizes, in a shuffled order, through a Subset; workers of several
    start methods; a pickled copy; other states of Python's, numpy's and torch's global random generators, which must
    also be left as they were.

    Args:
        dataset: what to check. Its samples are tensors, arrays and numbers, in tuples, lists or dictionaries.
        indices: the samples to read. None: all of them.
        batch_sizes: of a DataLoader.
        num_workers: of a DataLoader; 0 is the process itself.
        start_methods: "fork", "spawn", "forkserver", or None for the platform's; for workers.
        collate_fn: of a DataLoader. None: torch's default.

    Raises:
        AssertionError: naming how it was read and the first sample that differs, or whose random state was changed.
    """
    chosen = list(range(len(dataset))) if indices is None else list(indices)
    expected = {index: _plain(dataset[index]) for index in chosen}
    _check("read again", expected, chosen, [_plain(dataset[index]) for index in chosen])
    order = np.random.default_rng(0).permutation(np.array(chosen, dtype=np.int64)).tolist()
    _check_random_states(dataset, expected, order)
    copy = pickle.loads(pickle.dumps(dataset))
    _check("read from a pickled copy", expected, order, [_plain(copy[index]) for index in order])
    for count in num_workers:
        for method in start_methods if count else (None,):
            for size in batch_sizes:
                loader: DataLoader[Any] = DataLoader(
                    Subset(dataset, order),
                    batch_size=size,
                    num_workers=count,
                    collate_fn=collate_fn,
                    multiprocessing_context=method,
                    timeout=_TIMEOUT_SEC if count else 0,
                    generator=torch.Generator(),
                )
                found = [sample for batch in loader for sample in samples_of(batch)]
                _check(f"in batches of {size} by {count} workers ({method or 'default'})", expected, order, found)


def _check_random_states(dataset: Any, expected: dict[int, Any], order: list[int]) -> None:
    kept = _states()
    try:
        for seed in (1, 2):
            random.seed(seed)
            np.random.seed(seed)
            torch.manual_seed(seed)
            before = _states()
            found = [_plain(dataset[index]) for index in order]
            if not same(before, _states()):
                raise AssertionError("reading a sample changed a global random state")
            _check(f"after seeding all global random generators with {seed}", expected, order, found)
    finally:
        random.setstate(kept[0])
        np.random.set_state(kept[1])
        torch.set_rng_state(kept[2])


def _states() -> tuple[Any, Any, Any]:
    return random.getstate(), np.random.get_state(), torch.get_rng_state()


def _plain(sample: Any) -> Any:
    """A sample as it looks inside a batch: numbers become tensors there."""
    if isinstance(sample, dict):
        return {key: _plain(value) for key, value in sample.items()}
    if isinstance(sample, list | tuple):
        return [_plain(value) for value in sample]
    return torch.as_tensor(sample) if isinstance(sample, bool | int | np.ndarray | np.generic) else sample


def _check(how: str, expected: dict[int, Any], order: Sequence[int], found: Sequence[Any]) -> None:
    if len(found) != len(order):
        raise AssertionError(f"{how}, there are {len(found)} samples, expected {len(order)}")
    for index, sample in zip(order, found, strict=True):
        if not same(_plain(sample), expected[index]):
            raise AssertionError(f"{how}, sample {index} is another than at first")
