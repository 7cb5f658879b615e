"""The one training loop. Protocols drive it; whatever is peculiar to one of them is a function it names.

It can be left after any pass and gone on with in another process, to the last bit: every draw is keyed by pass or step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count, islice
from typing import NamedTuple

import torch
from torch import Tensor, nn

from gendata.evaluation.batching import batching_of
from gendata.evaluation.optimisers import optimiser_of
from gendata.evaluation.preparation import Preparation
from gendata.evaluation.protocol import Protocol
from gendata.evaluation.schedules import Clock, schedule_of
from gendata.evaluation.seeds import generator
from gendata.evaluation.steps import Batch, Step, step_of

# x uint8 (N, C, H, W), or float32 in the student's space; y int64 (N,), or probabilities (N, classes)
Images = tuple[Tensor, Tensor]

_TEST_BATCH = 128  # two cores, ConvNet-3: larger batches leave the cache and are slower


@dataclass(frozen=True, kw_only=True)
class Feed:
    """What one network trains on, and for how long."""

    images: Callable[[int], Images]  # the set of pass i, all of one length; it follows from i alone
    protocol: Protocol  # with this feed's own budget, where its mode has one
    steps_per_pass: int  # by which the schedule counts passes, even where the set itself takes another number of steps
    distinct_images: int
    num_bytes: int | None  # what the images, or what makes them, cost; None: not stored
    note: str = ""  # what a reader must know of it

    @property
    def steps(self) -> int:
        """Optimiser steps in all."""
        return self.protocol.passes * self.steps_per_pass


class Tested(NamedTuple):
    """What a test found; fractions."""

    accuracy: float
    per_class: tuple[float, ...]


def batches(feed: Feed, *, seed: int, first_step: int = 0) -> Iterator[Images]:
    """The steps of a feed from `first_step` on, without end: pass after pass, each shuffled by (seed, pass)."""
    cut = batching_of(feed.protocol.batching)

    def steps_of(index: int) -> Iterator[Images]:
        x, y = feed.images(index)
        for positions in cut(len(y), feed.protocol.batch, generator(seed, "shuffle", index)):
            yield x[positions], y[positions]

    def steps_per_set() -> int:
        return len(cut(len(feed.images(0)[1]), feed.protocol.batch, torch.Generator()))

    first, skipped = divmod(first_step, steps_per_set()) if first_step else (0, 0)
    yield from islice(steps_of(first), skipped, None)
    for index in count(first + 1):
        yield from steps_of(index)


class Training:
    """A network on its way through a feed, pass by pass; what it comes to follows from first weights, feed and seed.

    Args:
        network: is trained in place.
        seed: of the run; shuffles are keyed by (seed, pass), augmentations by (seed, step).
        prepare: from the feed's images to batches.
        lr: at the start; None: the protocol's.
    """

    def __init__(
        self, network: nn.Module, feed: Feed, *, seed: int, prepare: Preparation, lr: float | None = None
    ) -> None:
        self.network, self.finished, self.images_seen = network, 0, 0
        self.feed, self._seed, self._prepare = feed, seed, prepare
        self._rate = feed.protocol.lr if lr is None else lr
        self._loss_of, self._schedule = step_of(feed.protocol.step), schedule_of(feed.protocol.schedule)
        self._renew = optimiser_of(feed.protocol.optimiser, network)
        self.optimiser = self._renew(self._rate)
        self._stream = batches(feed, seed=seed)

    @property
    def is_done(self) -> bool:
        """Whether the feed's protocol has no further pass."""
        return self.finished >= self.feed.protocol.passes

    def go_on_after(self, finished: int, *, images_seen: int) -> None:
        """Stands where so many passes are done; network and optimiser are restored by the caller."""
        self.finished, self.images_seen = finished, images_seen
        self._stream = batches(self.feed, seed=self._seed, first_step=finished * self.feed.steps_per_pass)

    def run_pass(self) -> Tensor:
        """Trains by one more pass, as the schedule counts them; its mean loss."""
        protocol, steps = self.feed.protocol, self.feed.steps_per_pass
        self.network.train()
        total = torch.zeros((), device=self.device)
        for step in range(self.finished * steps, (self.finished + 1) * steps):
            total += self._step(step)
        self.optimiser = self._schedule(Clock(self.finished, protocol.epochs, self._rate), self.optimiser, self._renew)
        self.finished += 1
        return total / steps

    def _step(self, step: int) -> Tensor:
        x, y = next(self._stream)
        self.optimiser.zero_grad()
        total = torch.zeros((), device=self.device)
        for part, (x_part, y_part, share) in enumerate(_parts(x, y, self.feed.protocol.micro_batch)):
            batch = self._prepare(x_part.to(self.device), y_part.to(self.device), seed=self._seed, step=step, part=part)
            total += _backward(self._loss_of, self.network, batch, share)
        self.optimiser.step()
        self.images_seen += len(y)
        return total

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return next(self.network.parameters()).device


def train(network: nn.Module, feed: Feed, *, seed: int, prepare: Preparation) -> int:
    """Trains `network` in place by the feed's protocol, all of it; see `Training`.

    Returns:
        Images processed.
    """
    training = Training(network, feed, seed=seed, prepare=prepare)
    while not training.is_done:
        training.run_pass()
    return training.images_seen


def _parts(x: Tensor, y: Tensor, micro_batch: int | None) -> Iterator[tuple[Tensor, Tensor, float]]:
    """A step's images cut into forward passes, each with its share of the loss."""
    if micro_batch is None:
        yield x, y, 1.0
        return
    for x_part, y_part in zip(x.split(micro_batch), y.split(micro_batch), strict=True):
        yield x_part, y_part, len(y_part) / len(y)


def _backward(loss_of: Step, network: nn.Module, batch: Batch, share: float) -> Tensor:
    loss = loss_of(network, batch)
    if share != 1.0:
        loss = loss * share
    loss.backward()
    return loss.detach()


@torch.inference_mode()
def tested(network: nn.Module, images: Images, *, prepare: Preparation, statistics_of: int | None = None) -> Tested:
    """How many of `images` (labels int64) the network classifies rightly, in all and per class.

    Args:
        statistics_of: None: in eval mode. Else in train mode, with the statistics of so many test images at a time.
    """
    network.train(statistics_of is not None)
    device, y = next(network.parameters()).device, images[1]
    parts = images[0].split(statistics_of or _TEST_BATCH)
    found = torch.cat([network(prepare.for_test(x.to(device))).argmax(1).cpu() for x in parts])
    right = found == y
    classes = int(y.max()) + 1
    hits = torch.bincount(y[right], minlength=classes)
    return Tested(
        accuracy=int(right.sum()) / len(y),
        per_class=tuple((hits / torch.bincount(y, minlength=classes).clamp(min=1)).tolist()),
    )
