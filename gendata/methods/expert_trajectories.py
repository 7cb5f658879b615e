"""Experts: networks trained on real images, and the weights that they had on the way."""

from __future__ import annotations

import msgspec
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gendata.augmentation.dsa import Dsa
from gendata.methods.bounds import check_kept, check_positive, check_within
from gendata.methods.draws import keyed_seed
from gendata.methods.method import RealData
from gendata.networks import build_network, count_parameters

_MOST = {"count": 1000, "points": 10**4, "apart": 10**6, "batch": 65536}
_MOST_POINTS = 10**4  # of all networks: every one is a copy of a network's weights


class ExpertConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of the networks whose training is to be imitated."""

    network: str | None = None  # architecture; None: the method's
    count: int = 3  # networks
    points: int = 24  # along each training whose weights are kept, beside those it began with
    apart: int = 100  # steps between two points
    batch: int = 256  # real images per step
    lr: float = 0.02  # of SGD without momentum: its steps are what a student's steps can follow

    def __post_init__(self) -> None:
        check_within(self, _MOST)
        check_positive(self, "lr")
        if self.count * self.points > _MOST_POINTS:
            raise ValueError(f"count times points must be at most {_MOST_POINTS}, got {self.count} times {self.points}")

    @property
    def steps_per_network(self) -> int:
        return self.points * self.apart

    @property
    def num_steps(self) -> int:
        """Of all of them."""
        return self.count * self.steps_per_network


class ExpertTrajectories(nn.Module):
    """Networks that train on real images one after the other, and what they were every `apart` steps.

    Source: the expert trajectories of MTT (Cazenavette et al. 2022, arXiv:2203.11932). Differs from it: few experts,
    and points closer than an epoch; batches are drawn with replacement.

    Args:
        config: see there.
        network: their architecture.
        real: what they learn.
        augment: of the images they see.
        seed: of the initial weights.
    """

    def __init__(self, config: ExpertConfig, *, network: str, real: RealData, augment: Dsa, seed: int) -> None:
        super().__init__()
        self.config, self._real, self._augment = config, real, augment
        size = count_parameters(network, spec=real.spec)
        check_kept(config.count * (config.points + 1), size, where="method generative: experts")
        self.networks = nn.ModuleList(
            build_network(network, spec=real.spec, seed=keyed_seed(seed, "expert", number))
            for number in range(config.count)
        )
        self.register_buffer("points", torch.zeros(config.count, config.points + 1, size))
        self.points: Tensor  # weights, one vector each

    def loss(self, i: int, rng: torch.Generator) -> Tensor:
        """Cross-entropy, in nats, of the network that step i trains."""
        x, y = self._real.batch(self.config.batch, rng)
        augment = self._augment.draw(rng, len(x))
        network = self.networks[i // self.config.steps_per_network]
        with torch.autocast(x.device.type, enabled=False):
            return F.cross_entropy(network(augment(self._real.normalised(x))), y)

    @torch.no_grad()
    def record(self, step: int) -> None:
        """Keeps the weights that are due once `step` steps are done; call before taking step `step`."""
        number, age = divmod(step, self.config.steps_per_network)
        if age == 0 and number:  # the last point of the one before
            self._keep(number - 1, self.config.points)
        if age % self.config.apart == 0 and number < self.config.count:
            self._keep(number, age // self.config.apart)

    def _keep(self, number: int, point: int) -> None:
        self.points[number, point] = nn.utils.parameters_to_vector(self.networks[number].parameters())
