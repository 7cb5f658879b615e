"""The one training loop. Protocols drive it; whatever is peculiar to one of them is a function it names."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
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

    images: Callable[[int], Images]  # the set of pass i; called once per pass, in order
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


def batches(feed: Feed, *, seed: int) -> Iterator[Images]:
    """The steps of a feed, without end: pass after pass, each shuffled by (seed, pass)."""
    cut = batching_of(feed.protocol.batching)
    index = 0
    while True:
        x, y = feed.images(index)
        for positions in cut(len(y), feed.protocol.batch, generator(seed, "shuffle", index)):
            yield x[positions], y[positions]
        index += 1


def train(
    network: nn.Module,
    feed: Feed,
    *,
    seed: int,
    prepare: Preparation,
    lr: float | None = None,
    after_pass: Callable[[int, Tensor], None] = lambda finished, loss: None,
) -> int:
    """Trains `network` in place by the feed's protocol.

    Args:
        seed: of the run; shuffles are keyed by (seed, pass), augmentations by (seed, step).
        prepare: from the feed's images to batches.
        lr: at the start; None: the protocol's.
        after_pass: called with the index of each pass that ended and its mean loss.

    Returns:
        Images processed.
    """
    protocol, device = feed.protocol, next(network.parameters()).device
    loss_of, schedule = step_of(protocol.step), schedule_of(protocol.schedule)
    renew, rate = optimiser_of(protocol.optimiser, network), protocol.lr if lr is None else lr
    optimiser, images_seen = renew(rate), 0
    stream = batches(feed, seed=seed)
    for finished in range(protocol.passes):
        network.train()
        total = torch.zeros((), device=device)
        for step in range(finished * feed.steps_per_pass, (finished + 1) * feed.steps_per_pass):
            x, y = next(stream)
            optimiser.zero_grad()
            for part, (x_part, y_part, share) in enumerate(_parts(x, y, protocol.micro_batch)):
                batch = prepare(x_part.to(device), y_part.to(device), seed=seed, step=step, part=part)
                total += _backward(loss_of, network, batch, share)
            optimiser.step()
            images_seen += len(y)
        optimiser = schedule(Clock(finished, protocol.epochs, rate), optimiser, renew)
        after_pass(finished, total / feed.steps_per_pass)
    return images_seen


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
def tested(network: nn.Module, images: Images, *, prepare: Preparation, mode: str = "eval") -> Tested:
    """How many of `images` (labels int64) the network classifies rightly, in all and per class.

    Args:
        mode: "eval", or "train": batch norm then uses the statistics of each test batch.
    """
    network.train(mode == "train")
    device, y = next(network.parameters()).device, images[1]
    found = torch.cat([network(prepare.for_test(x.to(device))).argmax(1).cpu() for x in images[0].split(_TEST_BATCH)])
    right = found == y
    classes = int(y.max()) + 1
    hits = torch.bincount(y[right], minlength=classes)
    return Tested(
        accuracy=int(right.sum()) / len(y),
        per_class=tuple((hits / torch.bincount(y, minlength=classes).clamp(min=1)).tolist()),
    )
