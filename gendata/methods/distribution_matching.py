"""`dm`: pixels by distribution matching (Zhao and Bilen 2023, arXiv:2110.04181), the cheap rival of every condenser."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from gendata.generators.generator import Generator
from gendata.latents.law import LatentLaw
from gendata.methods.bounds import check_positive
from gendata.methods.draws import keyed_generator
from gendata.methods.method import RealData, Stage
from gendata.methods.pixel_images import MATCH, PixelConfig, PixelImages, check_counts, siamese
from gendata.networks import build_network

_EMBED_BATCH = 64  # real images at once: what they make stays near the processor


class DmConfig(PixelConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of `dm`; defaults are the published numbers."""

    steps: int = 20_000
    lr: float = 1.0
    final_lr_share: float = 1.0  # of `lr`, reached along a cosine; below 1 it makes up for smaller real batches
    momentum: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        check_counts(self, "steps")
        check_positive(self, "lr")
        if not 0 <= self.final_lr_share <= 1:
            raise ValueError(f"final_lr_share must be 0 to 1, got {self.final_lr_share}")
        if not 0 <= self.momentum < 1:
            raise ValueError(f"momentum must be 0 to below 1, got {self.momentum}")


class DistributionMatching(PixelImages):
    """Matches the mean embedding of every class under a network drawn anew at every step (eq. 4, algorithm 1).

    Differs from the published code: real images are drawn with replacement; an embedder with batch norm sees real
    images in groups, not all classes at once.
    """

    Config = DmConfig
    config: DmConfig
    name = "dm"

    def __init__(self, config: DmConfig, *, generator: Generator, law: LatentLaw, real: RealData, seed: int) -> None:
        super().__init__(config, generator=generator, law=law, real=real, seed=seed)
        self._dsa = siamese(config.augmentation)

    def stages(self) -> tuple[Stage, ...]:
        c = self.config
        return (
            Stage(
                name=MATCH,
                num_steps=c.steps,
                lr=c.lr,
                final_lr_share=c.final_lr_share,
                optimiser="sgd",
                momentum=c.momentum,
                averaged=False,
            ),
        )

    def step(self, stage: Stage, i: int, *, rank: int = 0) -> Mapping[str, Tensor]:
        """Sum over classes and features of the squared difference of mean embeddings."""
        self.project()
        rng = keyed_generator(self.seed, MATCH, i, rank)
        seed = int(torch.randint(2**31, (), generator=rng))
        network = build_network(self.config.network, spec=self.real.spec, seed=seed).requires_grad_(False)
        network = network.to(self.pixels.device).train()
        x_syn, means = [], []
        for c, x in enumerate(self.samples().split(self.samples_per_class)):
            # One operation with one set of parameters per class, the same on both sides.
            augment = self._dsa.draw(rng, 1, shared=True) if self._dsa else torch.nn.Identity()
            x_syn.append(augment(x))
            with torch.no_grad():
                batches = augment(self.real_batch(c, rng)).split(_EMBED_BATCH)
                means.append(torch.cat([network.embed(batch).float() for batch in batches]).mean(0))
        embedded = network.embed(torch.cat(x_syn)).float()
        means_syn = embedded.unflatten(0, (-1, self.samples_per_class)).mean(1)
        return {"mean": (means_syn - torch.stack(means)).square().sum()}
