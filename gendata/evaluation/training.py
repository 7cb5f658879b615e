"""The one training loop. Protocols drive it; whatever is peculiar to one of them is a function it names."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gendata.evaluation.augmentations import Augment
from gendata.evaluation.batching import batching_of
from gendata.evaluation.optimisers import optimiser_of
from gendata.evaluation.protocols import Protocol
from gendata.evaluation.schedules import Clock, schedule_of
from gendata.evaluation.seeds import generator
from gendata.evaluation.steps import step_of

Images = tuple[Tensor, Tensor]  # (x uint8 (N, C, H, W), y int64 (N,))

_TEST_BATCH = 128  # two cores, ConvNet-3: larger batches leave the cache and are slower


@dataclass(frozen=True)
class Normaliser:
    """uint8 images to normalised floats, as torchvision's ToTensor and Normalize do it."""

    mean: tuple[float, ...]  # per channel, of values in [0, 1]
    std: tuple[float, ...]
    dtype: torch.dtype = torch.float32

    def __call__(self, x: Tensor) -> Tensor:
        """(N, C, H, W) uint8 -> (N, C, H, W) of `dtype`."""
        mean, std = (
            torch.tensor(value, dtype=self.dtype, device=x.device).view(-1, 1, 1) for value in (self.mean, self.std)
        )
        return x.to(self.dtype).div_(255).sub_(mean).div_(std)


@dataclass(frozen=True, kw_only=True)
class Feed:
    """What one network trains on, and for how long."""

    images: Callable[[int], Images]  # the set of pass i; called once per pass, in order
    protocol: Protocol  # with this feed's own budget, where its mode has one
    steps_per_pass: int  # by which the schedule counts passes, even where the set itself takes another number of steps
    distinct_images: int
    num_bytes: int | None  # what the images, or what makes them, cost; None: not stored

    @property
    def steps(self) -> int:
        """Optimiser steps in all."""
        return self.protocol.passes * self.steps_per_pass


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
    normalise: Normaliser,
    augment: Augment,
    after_pass: Callable[[int], None] = lambda finished: None,
) -> int:
    """Trains `network` in place by the feed's protocol.

    Args:
        seed: of the run; shuffles are keyed by (seed, pass), augmentations by (seed, step).
        after_pass: called with the index of each pass that ended.

    Returns:
        Images processed.
    """
    protocol, device = feed.protocol, next(network.parameters()).device
    loss_of, schedule = step_of(protocol.step), schedule_of(protocol.schedule)
    renew = optimiser_of(protocol.optimiser, network)
    optimiser, images_seen = renew(protocol.lr), 0
    stream = batches(feed, seed=seed)
    for finished in range(protocol.passes):
        network.train()
        for step in range(finished * feed.steps_per_pass, (finished + 1) * feed.steps_per_pass):
            x, y = next(stream)
            loss = loss_of(network, augment(normalise(x.to(device)), seed, step), y.to(device))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            images_seen += len(y)
        optimiser = schedule(Clock(finished, protocol.epochs, protocol.lr), optimiser, renew)
        after_pass(finished)
    return images_seen


@torch.inference_mode()
def accuracy(network: nn.Module, images: Images, *, normalise: Normaliser) -> float:
    """Share of `images` that the network, in eval mode, classifies rightly: a fraction."""
    network.eval()
    device = next(network.parameters()).device
    right = 0
    for x, y in zip(torch.split(images[0], _TEST_BATCH), torch.split(images[1], _TEST_BATCH), strict=True):
        right += int((network(normalise(x.to(device))).argmax(1) == y.to(device)).sum())
    return right / len(images[1])
