"""The network in whose features real images are compared: small, and trained on the images it chooses from.

The condensation papers choose with the features of "a pre-trained network"; which one, they mostly leave open. Here it
is a ConvNet of a third of a student's cost, trained on the real data for some hundred steps, and its features are what
the last linear layer reads.
"""

from __future__ import annotations

import math

import msgspec
import torch
from torch import Tensor
from torch.nn import functional

from gendata.methods.draws import keyed_generator
from gendata.methods.method import RealData
from gendata.networks.classifier import Classifier

STREAM = "features"  # of the draws, and the stage's name
_EMBED_BATCH = 512


class FeatureConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of the feature network."""

    network: str = "convnet3-w32-in"
    steps: int = 400  # of Adam, its rate falling along a cosine; 0: an untrained network's features
    batch: int = 128  # real images per step, as they are
    lr: float = 2.0e-3

    def __post_init__(self) -> None:
        if not 0 <= self.steps <= 10**8:
            raise ValueError(f"steps must be 0 to {10**8}, got {self.steps}")
        if not 1 <= self.batch <= 65536:
            raise ValueError(f"batch must be 1 to 65536, got {self.batch}")
        if not 0 < self.lr < math.inf:
            raise ValueError(f"lr must be above 0, got {self.lr}")


def feature_loss(
    network: Classifier, real: RealData, config: FeatureConfig, *, seed: int, step: int, rank: int = 0
) -> Tensor:
    """Cross entropy of step `step`, on a batch that depends on (seed, step, rank) alone."""
    rng = keyed_generator(seed, STREAM, step, rank)
    x, y = real.batch(config.batch, rng)
    return functional.cross_entropy(network(real.normalised(x)).float(), y)


@torch.inference_mode()
def real_features(network: Classifier, real: RealData) -> Tensor:
    """Features of every real image, (N, F) float32 on the CPU, in evaluation mode."""
    network.eval()
    batches = real.x_u8.split(_EMBED_BATCH)
    return torch.cat([network.embed(real.normalised(x.float() / 255)).float().cpu() for x in batches])
