"""Which samples each step of an epoch takes: a function of where the epoch stands, and of nothing that came before."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from gendata.dataset.indices import Integers, Rows
from gendata.dataset.order import shuffled
from gendata.dataset.ranks import Rank
from gendata.errors import SpecError

_ORDERED_AHEAD = 8192  # samples whose place is computed at once


class Step(NamedTuple):
    """One batch of one rank."""

    rows: Rows
    stop: int  # samples of the epoch that all ranks together have taken after it


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Steps of every epoch over `length` samples.

    A step takes the next batch_size samples of every rank, so where an epoch stands is one number, whatever the batch
    size and number of ranks were so far. The last step of an epoch takes what is left, shared out so that ranks differ
    by at most one sample; where fewer than one per rank would be left, the step before it takes less.
    """

    length: int
    batch_size: int
    shuffle: bool
    seed: int
    drop_last: bool
    rank: Rank

    @property
    def whole(self) -> int:
        """Samples in a full step of all ranks."""
        return self.batch_size * self.rank.world_size

    @property
    def num_steps(self) -> int:
        """Steps of an epoch from its start."""
        return self.length // self.whole if self.drop_last else -(-self.length // self.whole)

    def check(self, start: int) -> None:
        """Raises SpecError unless every step from `start` on has a sample for every rank."""
        world = self.rank.world_size
        if self.drop_last or not any(stop - first < world for first, stop in self._spans(start, ends_only=True)):
            return
        left = self.length - start
        raise SpecError(
            f"the last step would have fewer samples than ranks: {left} samples in batches of {self.batch_size} "
            f"on {world} ranks",
            expected="a sample for every rank, as a rank without any would wait or average over nothing",
            remedy="Use drop_last=True, another batch_size, or fewer ranks.",
        )

    def steps(self, epoch: int, start: int = 0) -> Iterator[Step]:
        """Steps of this rank in `epoch` after the first `start` samples."""
        spans = self._spans(start)
        while due := list(itertools.islice(spans, -(-_ORDERED_AHEAD // self.batch_size))):
            own = [self._own(first, stop) for first, stop in due]
            order = self._ordered(epoch, own)
            begin = 0
            for (low, high), (_, stop) in zip(own, due, strict=True):
                yield Step(Rows(order[begin : begin + high - low], epoch), stop)
                begin += high - low

    def _spans(self, start: int, *, ends_only: bool = False) -> Iterator[tuple[int, int]]:
        """(first, stop) of every step of all ranks; with `ends_only`, full steps that only repeat are passed over."""
        world = self.rank.world_size
        if ends_only:
            start += max(0, (self.length - start) // self.whole - 1) * self.whole
        while (left := self.length - start) > 0 and (left >= self.whole or not self.drop_last):
            taken = min(left, self.whole)
            short = world - (left - taken)  # samples that the last step would lack
            if 0 < short < world and taken - short >= world and not self.drop_last:
                taken -= short
            yield start, start + taken
            start += taken

    def _own(self, first: int, stop: int) -> tuple[int, int]:
        """The share of this rank of a step."""
        number, world_size = self.rank
        length = stop - first
        return first + length * number // world_size, first + length * (number + 1) // world_size

    def _ordered(self, epoch: int, own: list[tuple[int, int]]) -> Integers:
        """Samples at all places of these shares."""
        if self.rank.world_size == 1:
            places = np.arange(own[0][0], own[-1][1], dtype=np.int64)
        else:
            places = np.concatenate([np.arange(low, high, dtype=np.int64) for low, high in own])
        return shuffled(places, length=self.length, seed=self.seed, epoch=epoch) if self.shuffle else places
