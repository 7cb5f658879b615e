"""The seam of adversarial terms, which differ from other losses: they see images, and train a critic on the way."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, NamedTuple

import msgspec
import torch
from torch import Tensor, nn
from torch.func import functional_call

from gendata.spec import SampleSpec


class Judgement(NamedTuple):
    """What a critic makes of a batch; scalars, to be minimised."""

    generator: Tensor  # its gradient reaches the images alone, never the critic
    critic: Tensor  # its gradient reaches the critic alone, never the images
    penalty: Tensor  # likewise; the weighted gradient penalty


class Adversary(nn.Module, ABC):
    """A critic and the losses of both sides.

    Each side's loss has a gradient on its own side alone, so the sum of all three may be minimised over generator and
    critic together, by one optimiser: one critic step per generator step, both from the same weights. Nothing else has
    state, so whoever stores the critic's weights and that optimiser can stop after any step and go on.

    Differs from the papers: there the two sides move in turn, each against the other as just moved.

    Args:
        config: an instance of this class's `Config`.
        spec: what an image looks like.
    """

    Config: ClassVar[type[msgspec.Struct]]

    def __init__(self, config: Any, *, spec: SampleSpec) -> None:
        super().__init__()
        self.config, self.spec = config, spec

    @abstractmethod
    def judge(self, x_syn: Tensor, x_real: Tensor, y: Tensor, rng: torch.Generator) -> Judgement:
        """Losses on synthetic and real images (N, C, H, W), float32, the i-th of each of class y[i]."""

    def forward(self, x_syn: Tensor, x_real: Tensor, y: Tensor, rng: torch.Generator) -> Judgement:
        """The same for images of any float type, scaled as the critic shall see them.

        Args:
            x_syn, x_real: (N, C, H, W); a gradient flows to `x_syn`.
            y: (N,) int64, labels of both.
            rng: a CPU generator.
        """
        # Derivatives of derivatives drown in bfloat16's noise.
        with torch.autocast(x_syn.device.type, enabled=False):
            return self.judge(x_syn.float(), x_real.float(), y, rng)


def held(network: nn.Module, *inputs: Tensor) -> Any:
    """`network(*inputs)`, whose gradient reaches the inputs and not the network."""
    weights = {name: weight.detach() for name, weight in network.named_parameters()}
    return functional_call(network, weights, inputs)


def squared_slopes(scores: Tensor, x: Tensor) -> Tensor:
    """|d scores_i / d x_i|^2, (N,), itself differentiable; sample i's score may depend on x_i alone."""
    (slope,) = torch.autograd.grad(scores.sum(), x, create_graph=True)
    return slope.square().flatten(1).sum(1)
