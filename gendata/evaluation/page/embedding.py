"""A small network, trained on real images, through whose eyes real and synthetic ones are compared."""

from __future__ import annotations

import msgspec
import numpy as np
import torch
from torch import Tensor

from gendata.artifact.artifact import CondensedArtifact
from gendata.evaluation.page.features import FeatureMap, feature_map
from gendata.evaluation.preparation import BankSpace, Normaliser, preparation_of
from gendata.evaluation.protocols import get_protocol
from gendata.evaluation.training import Feed, train
from gendata.networks import build_network
from gendata.recipe import Choice
from gendata.sources.source import Source, balanced_indices

_LESSON = msgspec.structs.replace(
    get_protocol("quick/v1"),
    name="report-features",
    epochs=300,  # steps: one stands for a pass
    batch=128,
    augmentation=(),  # the features of the images as they are
    schedule=Choice(name="drop", options={"after": "two-thirds", "factor": 0.1}),
)
_MOST_IMAGES = 1000  # of each kind: more dots than that are a blot
_MOST_PER_CLASS = 100


def learned_features(artifact: CondensedArtifact, source: Source, *, seed: int = 0) -> FeatureMap:
    """Up to 1,000 training images and as many samples in the plane of a ConvNet trained for 300 steps, on the CPU.

    Newly drawn samples; of a pixel bank, whose images are few, those of its stored set.
    """
    x, y = source.split("train")
    statistics = artifact.manifest.normalisation
    normalise: Normaliser | BankSpace = Normaliser(tuple(statistics.mean), tuple(statistics.std))
    if artifact.space != "image":
        normalise = BankSpace(artifact.space_transform(x))
    network = build_network(_LESSON.network, spec=source.spec, seed=seed)
    feed = Feed(images=lambda index: (x, y), protocol=_LESSON, steps_per_pass=1, distinct_images=len(y), num_bytes=None)
    train(network, feed, seed=seed, prepare=preparation_of(_LESSON, source_name=source.name, normalise=normalise))
    per_class = max(2, min(_MOST_PER_CLASS, _MOST_IMAGES // source.spec.num_classes, int(torch.bincount(y).min())))
    chosen = torch.from_numpy(balanced_indices(y, per_class=per_class, seed=seed, purpose="features"))
    x_syn, y_syn = _samples(artifact, per_class, seed=seed)
    trained = f"({_LESSON.network}) trained on the real training images for {_LESSON.epochs} steps"
    return feature_map(network, x[chosen], y[chosen], x_syn, y_syn, normalise=normalise, trained=trained)


def _samples(artifact: CondensedArtifact, per_class: int, *, seed: int) -> tuple[Tensor, Tensor]:
    """(N, C, H, W) and labels (N,)."""
    num_classes, ipc = artifact.spec.num_classes, artifact.ipc
    if artifact.law.num_distinct_per_class is None:
        return artifact.fresh_images(
            np.arange(per_class * num_classes), samples_per_class=per_class, seed=seed, epoch=0
        )
    index = np.arange(num_classes)[:, None] * ipc + np.arange(min(per_class, ipc))
    return artifact.frozen_images(index.reshape(-1))
