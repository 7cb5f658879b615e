"""Choices of real images by the features of a trained network."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping

from torch import Tensor, nn

from gendata.generators.generator import Generator
from gendata.latents.law import LatentLaw
from gendata.methods.feature_network import STREAM, FeatureConfig, feature_loss, real_features
from gendata.methods.method import RealData, Stage
from gendata.methods.real_subset import RealSubset
from gendata.networks import build_network


class FeatureSubset(RealSubset):
    """Trains a feature network, then chooses class by class.

    Two stages: "features" trains; "select", of no steps, chooses and fills the bank.
    """

    Config = FeatureConfig
    config: FeatureConfig

    def __init__(
        self, config: FeatureConfig, *, generator: Generator, law: LatentLaw, real: RealData, seed: int
    ) -> None:
        super().__init__(config, generator=generator, law=law, real=real, seed=seed)
        self.network = build_network(config.network, spec=real.spec, seed=seed)
        self._features: Tensor | None = None

    @staticmethod
    @abstractmethod
    def select(features: Tensor, count: int) -> Tensor:
        """Positions (count,) int64 of the chosen ones among (N, F) features of one class, in order of choice."""

    def stages(self) -> tuple[Stage, ...]:
        c = self.config
        training = Stage(name=STREAM, num_steps=c.steps, lr=c.lr, averaged=False)
        selecting = Stage(name="select", num_steps=0, lr=c.lr, averaged=False)
        return (training, selecting) if c.steps else (selecting,)

    def begin(self, stage: Stage | None) -> None:
        """Fills the bank at the end."""
        if stage is not None and stage.name == "select":
            self._features = real_features(self.network, self.real)
            self.fill()
            self._features = None

    def trainable(self, stage: Stage) -> nn.Module:
        return self.network

    def step(self, stage: Stage, i: int, *, rank: int = 0) -> Mapping[str, Tensor]:
        return {"cross entropy": feature_loss(self.network, self.real, self.config, seed=self.seed, step=i, rank=rank)}

    def choose(self, c: int, members: Tensor, count: int) -> Tensor:
        """By the features of the trained network."""
        assert self._features is not None
        return members[self.select(self._features[members.cpu()], count).to(members.device)]
