"""Networks that come, learn for a while beside the generator, and go."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gendata.methods.draws import keyed_generator
from gendata.methods.sgd import sgd_step
from gendata.networks import build_network
from gendata.networks.classifier import Classifier
from gendata.spec import SampleSpec


class PassingNetworks(nn.Module):
    """One network at a time, its architecture drawn from `names`, its weights drawn anew when its turn begins.

    It is trained by SGD with momentum whose state is kept here, beside the weights: a run that is resumed from this
    module's tensors goes on exactly. All architectures are held at once, for that.
    """

    def __init__(
        self, names: tuple[str, ...], *, spec: SampleSpec, seed: int, lr: float, momentum: float, weight_decay: float
    ) -> None:
        super().__init__()
        self.names, self.spec, self.seed = names, spec, seed
        self.lr, self.momentum, self.weight_decay = lr, momentum, weight_decay
        self.networks = nn.ModuleList(build_network(name, spec=spec, seed=seed) for name in names)
        self.velocities = copy.deepcopy(self.networks).requires_grad_(False)  # of each weight

    def of_turn(self, turn: int) -> Classifier:
        """The network of turn `turn`, in train mode."""
        network: Classifier = self.networks[self._drawn(turn)[0]].train()  # type: ignore[assignment]
        return network

    @torch.no_grad()
    def begin(self, turn: int) -> None:
        """Draws the weights of turn `turn`'s network, and stops what is left of its last turn's motion."""
        number, seed = self._drawn(turn)
        fresh = build_network(self.names[number], spec=self.spec, seed=seed)
        self.networks[number].load_state_dict(fresh.state_dict())
        for velocity in self.velocities[number].parameters():
            velocity.zero_()

    def train_step(self, turn: int, x: Tensor, y: Tensor) -> None:
        """One step of turn `turn`'s network on images (N, C, H, W), normalised and augmented, and labels (N,)."""
        network = self.of_turn(turn)
        weights: list[Tensor] = list(network.parameters())
        velocities: list[Tensor] = list(self.velocities[self._drawn(turn)[0]].parameters())
        gradients = torch.autograd.grad(F.cross_entropy(network(x).float(), y), weights)
        sgd_step(
            weights,
            gradients,
            lr=self.lr,
            velocities=velocities,
            momentum=self.momentum,
            weight_decay=self.weight_decay,
        )

    def _drawn(self, turn: int) -> tuple[int, int]:
        """Which architecture, and the seed of its weights."""
        rng = keyed_generator(self.seed, "passing network", turn)
        number, seed = (int(torch.randint(high, (), generator=rng)) for high in (len(self.names), 2**31))
        return number, seed
