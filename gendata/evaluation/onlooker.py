"""A small network, trained on real images, through whose eyes real and synthetic ones are compared."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np
from torch import Tensor, nn

from gendata.artifact.artifact import CondensedArtifact
from gendata.evaluation.preparation import preparation_of
from gendata.evaluation.protocols import get_protocol
from gendata.evaluation.training import Feed, Images, train
from gendata.networks import build_network
from gendata.recipe import Choice
from gendata.sources.source import Source

LESSON = msgspec.structs.replace(
    get_protocol("quick/v1"),
    name="report-features",
    epochs=300,  # steps: one stands for a pass
    batch=128,
    augmentation=(),  # the features of the images as they are
    schedule=Choice(name="drop", options={"after": "two-thirds", "factor": 0.1}),
)


def train_onlooker(images: Images, *, source: Source, normalise: Callable[[Tensor], Tensor], seed: int) -> nn.Module:
    """A network with `embed(x) -> (N, F)`, on the CPU: half a minute on two cores for 28 x 28.

    Args:
        images: real ones of `source`, uint8 (N, C, H, W) and labels.
        normalise: from them to what the network sees.
        seed: of its first weights and batches.
    """
    network = build_network(LESSON.network, spec=source.spec, seed=seed)
    count = len(images[1])
    feed = Feed(images=lambda index: images, protocol=LESSON, steps_per_pass=1, distinct_images=count, num_bytes=None)
    train(network, feed, seed=seed, prepare=preparation_of(LESSON, source_name=source.name, normalise=normalise))
    return network


def samples_of(artifact: CondensedArtifact, per_class: int, *, seed: int) -> Images:
    """Newly drawn samples, `per_class` of each; of a pixel bank, whose images are few, those of its stored set."""
    num_classes, ipc = artifact.spec.num_classes, artifact.ipc
    if artifact.law.num_distinct_per_class is None:
        return artifact.fresh_images(
            np.arange(per_class * num_classes), samples_per_class=per_class, seed=seed, epoch=0
        )
    index = np.arange(num_classes)[:, None] * ipc + np.arange(min(per_class, ipc))
    return artifact.frozen_images(index.reshape(-1))
