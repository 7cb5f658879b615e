"""`dsa`: pixels by gradient matching with Siamese augmentation (Zhao and Bilen 2021, arXiv:2102.08259).

Without augmentation it is DC (Zhao, Mopuri and Bilen 2021, arXiv:2006.05929), which begins with noise.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gendata.errors import SpecError
from gendata.generators.generator import Generator
from gendata.latents.law import LatentLaw
from gendata.methods.bounds import check_positive
from gendata.methods.draws import keyed_generator
from gendata.methods.gradient_distance import distance_in_class, refuse_once_differentiable
from gendata.methods.method import RealData, Stage
from gendata.methods.pixel_images import MATCH, PixelConfig, PixelImages, check_counts, siamese
from gendata.methods.sgd import sgd_step
from gendata.networks import build_network

_NORM_IMAGES = 16  # real images per class that batch norms take their statistics from

# Samples per class -> image updates per network, and epochs of the network between two of them.
PUBLISHED_LOOPS = {1: (1, 1), 10: (10, 50), 20: (20, 25), 30: (30, 20), 40: (40, 15), 50: (50, 10)}


class GradientMatchingConfig(PixelConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of `dsa`; defaults are the published numbers. DC is `augmentation: ""` and `initial: noise`."""

    networks: int = 1000  # drawn one after the other
    outer: int | None = None  # image updates per network; None: as published for this number of samples per class
    inner: int | None = None  # epochs that the network trains on the images between two updates; None: as published
    lr: float = 0.1
    momentum: float = 0.5
    network_lr: float = 0.01
    network_batch: int = 256  # images per step of the network

    def __post_init__(self) -> None:
        super().__post_init__()
        check_counts(self, "networks", "network_batch")
        check_positive(self, "lr", "network_lr")
        for name in ("outer", "inner"):
            value = getattr(self, name)
            if value is not None and not 1 <= value <= 10**6:
                raise ValueError(f"{name} must be 1 to {10**6} or null, got {value}")
        if not 0 <= self.momentum < 1:
            raise ValueError(f"momentum must be 0 to below 1, got {self.momentum}")


class GradientMatching(PixelImages):
    """Images whose gradients on a network's weights point where those of real images do, along the network's training.

    A step updates the images once. The network is drawn anew every `outer` steps and in between trains on the images
    (DSA, algorithm 1; DC, algorithm 1, distance of eq. 10).

    Differs from the published code: real images are drawn with replacement, and its last, 1001st, network is not drawn.

    Raises:
        SpecError: `outer` or `inner` is left out, and nothing is published for so many samples per class; the network
            has no second derivatives.
    """

    Config = GradientMatchingConfig
    config: GradientMatchingConfig
    name = "dsa"

    def __init__(
        self, config: GradientMatchingConfig, *, generator: Generator, law: LatentLaw, real: RealData, seed: int
    ) -> None:
        super().__init__(config, generator=generator, law=law, real=real, seed=seed)
        self.outer, self.inner = _loops(config, self.samples_per_class)
        self._dsa = siamese(config.augmentation)
        self.network = build_network(config.network, spec=real.spec, seed=seed)
        refuse_once_differentiable(self.network, config.network, spec=real.spec, where="method dsa: network")

    def stages(self) -> tuple[Stage, ...]:
        c = self.config
        return (
            Stage(
                name=MATCH,
                num_steps=c.networks * self.outer,
                lr=c.lr,
                final_lr_share=1.0,
                optimiser="sgd",
                momentum=c.momentum,
                averaged=False,
            ),
        )

    def step(self, stage: Stage, i: int, *, rank: int = 0) -> Mapping[str, Tensor]:
        """Sum over classes of the distance of gradients."""
        self.project()
        # The network has to be the same on every rank: what touches it is drawn without the rank.
        shared = keyed_generator(self.seed, "network", i)
        if i % self.outer == 0:
            self._draw_network(shared)
        else:
            self._train_network(shared)
        self._freeze_norms(shared)
        rng = keyed_generator(self.seed, MATCH, i, rank)
        total = self.pixels.new_zeros(())
        for c, x_syn in enumerate(self.samples().split(self.samples_per_class)):
            augment = self._dsa.draw(rng, 1, shared=True) if self._dsa else nn.Identity()
            x_real = augment(self.real_batch(c, rng))
            total = total + distance_in_class(self.network, augment(x_syn), x_real, c)
        return {"gradient": total}

    @torch.no_grad()
    def _draw_network(self, rng: torch.Generator) -> None:
        seed = int(torch.randint(2**31, (), generator=rng))
        drawn = build_network(self.config.network, spec=self.real.spec, seed=seed)
        self.network.load_state_dict(drawn.state_dict())

    def _train_network(self, rng: torch.Generator) -> None:
        """`inner` epochs of plain SGD on the images as they are now."""
        self.network.train()
        x, y = self.samples().detach(), self.labels()
        weights: list[Tensor] = list(self.network.parameters())
        for _ in range(self.inner):
            order = torch.randperm(len(x), generator=rng).to(x.device)
            for rows in order.split(self.config.network_batch):
                batch = self._dsa.draw(rng, len(rows))(x[rows]) if self._dsa else x[rows]
                loss = F.cross_entropy(self.network(batch).float(), y[rows])
                sgd_step(weights, torch.autograd.grad(loss, weights), lr=self.config.network_lr)

    @torch.no_grad()
    def _freeze_norms(self, rng: torch.Generator) -> None:
        """Batch norms of a few images per class would be noise: theirs are those of real ones, and stay."""
        if any(isinstance(module, nn.BatchNorm2d) for module in self.network.modules()):
            self.network.train()
            every = torch.arange(self.real.spec.num_classes)
            rows = self._draws.indices(every, _NORM_IMAGES, rng).to(self.real.x_u8.device)
            self.network(self.real.normalised(self.real.x_u8[rows].float() / 255))
        self.network.eval()


def _loops(config: GradientMatchingConfig, samples_per_class: int) -> tuple[int, int]:
    outer, inner = PUBLISHED_LOOPS.get(samples_per_class, (None, None))
    outer, inner = config.outer or outer, config.inner or inner
    if outer is None or inner is None:
        raise SpecError(
            f"no loops are published for {samples_per_class} samples per class",
            where="method dsa",
            expected=f"one of {', '.join(map(str, PUBLISHED_LOOPS))}",
            remedy="Set method.options.outer and method.options.inner.",
        )
    return outer, inner
