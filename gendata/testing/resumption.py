"""Whether a loader goes on exactly where its state was taken."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

from gendata.testing.equality import same, samples_of

Loaders: TypeAlias = "Any | Sequence[Any]"  # one loader, or those of all ranks


def assert_resumable(
    make: Callable[[], Loaders], *, resume_with: Sequence[Callable[[], Loaders]] = (), epochs: int = 2
) -> None:
    """Checks that a loader resumes exactly, after every batch of every epoch, the last one of an epoch included.

    The samples that were left must come, in the same order, and then the whole next epoch; also after being interrupted
    a second time in the same epoch. The work grows with the square of the number of batches: use a few.

    Args:
        make: gives a new loader with `state_dict` and `load_state_dict` whose every `for` loop is an epoch; or a list
            of them, one for each rank, whose steps are read together.
        resume_with: how else loaders may be set up that go on: with other workers, batch sizes or ranks. Batches may
            then end elsewhere; samples and their order may not change.
        epochs: how many to go through.

    Raises:
        AssertionError: naming the epoch, the batch and the set-up, and what came instead.
    """
    whole = [_all_samples(step) for step in _epochs(_ranks(make()), epochs + 1)]
    for number, resume in enumerate([make, *resume_with]):
        loaders = _ranks(make())
        for epoch in range(epochs):
            taken = 0
            for batch, step in enumerate(_steps(loaders)):
                taken += len(step)
                where = f"set-up {number} resumed after batch {batch} of epoch {epoch}"
                _check_rest(resume, _state(loaders), whole[epoch][taken:], whole[epoch + 1], where, again=True)


def _check_rest(
    resume: Callable[[], Loaders], state: Any, rest: list[Any], following: list[Any], where: str, *, again: bool
) -> None:
    loaders = _resumed(resume, state)
    taken = 0
    for step in _steps(loaders):
        _compare(step, rest[taken : taken + len(step)], where)
        taken += len(step)
        if again:  # only after the first batch: once is enough to be interrupted twice
            _check_rest(resume, _state(loaders), rest[taken:], following, f"{where}, and again", again=False)
            again = False
    if taken != len(rest):
        raise AssertionError(f"{where}: {taken} samples came, {len(rest)} were left")
    _compare(_all_samples(_steps(loaders)), following, f"{where}, in the next epoch")


def _resumed(resume: Callable[[], Loaders], state: Any) -> Sequence[Any]:
    loaders = _ranks(resume())
    for loader in loaders:
        loader.load_state_dict(copy.deepcopy(state))
    return loaders


def _state(loaders: Sequence[Any]) -> Any:
    """The state of one rank, which has to be that of all."""
    states = [copy.deepcopy(loader.state_dict()) for loader in loaders]
    if not all(same(states[0], state) for state in states):
        raise AssertionError(f"ranks have different states: {states}")
    return states[0]


def _ranks(loaders: Loaders) -> Sequence[Any]:
    return loaders if isinstance(loaders, list | tuple) else [loaders]


def _epochs(loaders: Sequence[Any], count: int) -> Iterator[Iterator[list[Any]]]:
    for _ in range(count):
        yield _steps(loaders)


def _steps(loaders: Sequence[Any]) -> Iterator[list[Any]]:
    """Samples of each step of an epoch, rank after rank."""
    for batches in zip(*loaders, strict=True):
        yield [sample for batch in batches for sample in samples_of(batch)]


def _all_samples(steps: Iterator[list[Any]]) -> list[Any]:
    return [sample for step in steps for sample in step]


def _compare(found: list[Any], expected: list[Any], where: str) -> None:
    for place, (one, other) in enumerate(zip(found, expected, strict=False)):
        if not same(one, other):
            raise AssertionError(f"{where}: the sample at place {place} of what was left is another one")
    if len(found) != len(expected):
        raise AssertionError(f"{where}: {len(found)} samples came, expected {len(expected)}")
