"""Real images and samples in the plane of a network that was trained on real ones."""

from __future__ import annotations

import torch

from gendata.artifact.artifact import CondensedArtifact
from gendata.evaluation import onlooker
from gendata.evaluation.page.features import FeatureMap, feature_map
from gendata.evaluation.preparation import BankSpace, Normaliser
from gendata.sources.source import Source, balanced_indices

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
    network = onlooker.train_onlooker((x, y), source=source, normalise=normalise, seed=seed)
    per_class = max(2, min(_MOST_PER_CLASS, _MOST_IMAGES // source.spec.num_classes, int(torch.bincount(y).min())))
    chosen = torch.from_numpy(balanced_indices(y, per_class=per_class, seed=seed, purpose="features"))
    x_syn, y_syn = onlooker.samples_of(artifact, per_class, seed=seed)
    lesson = onlooker.LESSON
    trained = f"({lesson.network}) trained on the real training images for {lesson.epochs} steps"
    return feature_map(network, x[chosen], y[chosen], x_syn, y_syn, normalise=normalise, trained=trained)
