"""A stored set is moved until networks would learn from it what they learn from real images."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gendata.augmentation.dsa import Dsa
from gendata.methods.bounds import check_positive, check_within
from gendata.methods.draws import ClassDraws, keyed_generator
from gendata.methods.gradient_distance import distance_in_class, refuse_once_differentiable
from gendata.methods.method import RealData
from gendata.methods.sgd import sgd_step
from gendata.methods.surrogate import surrogate
from gendata.methods.vector_network import refuse_unfit
from gendata.networks import build_network

_MOMENTUM = 0.9
_MOST = {
    "steps": 10**8, "age": 10**6, "training": 1000, "network_batch": 65536, "real_per_class": 65536,
    "set_per_class": 65536, "ipc": 4096,
}  # fmt: skip


class GradientConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of moving a stored set until its gradients point where real ones do."""

    steps: int = 1000
    ipc: int | None = None  # images per class of that set; None: of the frozen set
    lr: float = 0.02
    network: str | None = None  # architecture; None: the method's
    age: int = 100  # steps after which the network is drawn anew
    training: int = 2  # steps that the network trains on real images between two of them
    network_lr: float = 0.01  # of SGD with momentum 0.9
    network_batch: int = 128
    real_per_class: int = 256  # images whose gradient is met: with 64 it is noise that a set is moved by
    set_per_class: int = 50  # images of the set in each step, the same places of every class; fewer are taken whole

    def __post_init__(self) -> None:
        check_within(self, _MOST)
        check_positive(self, "lr", "network_lr")


class SetGradients(nn.Module):
    """A network in training, and how far gradients of a set of images are from those of real ones, class by class.

    Source: DC (Zhao et al. 2021, arXiv:2006.05929, eq. 10) with the Siamese augmentation of DSA (arXiv:2102.08259).
    The network trains on real images, as in IDC (Kim et al. 2022, arXiv:2205.14959). Differs from them: images change
    through the codes that make them, under Adam; one network step of a few images stands for an epoch.

    Args:
        config: see there.
        network: its architecture.
        real: what the set stands for.
        augment: of the images it trains on, and of those that are compared.
        seed: of its first weights and of everything that is drawn.

    Raises:
        SpecError: the architecture is more than its weights, see `refuse_unfit`, or has no second derivatives.
    """

    def __init__(self, config: GradientConfig, *, network: str, real: RealData, augment: Dsa, seed: int) -> None:
        super().__init__()
        self.config, self._real, self._augment, self._seed, self._name = config, real, augment, seed, network
        self.network = build_network(network, spec=real.spec, seed=seed)
        where = "method generative: gradients"
        refuse_unfit(self.network, network, where=where)
        refuse_once_differentiable(self.network, network, spec=real.spec, where=where)
        for number, weight in enumerate(self.network.parameters()):
            self.register_buffer(f"momentum_{number}", torch.zeros_like(weight))
        self._draws = ClassDraws(real.y, real.spec.num_classes)

    def loss(self, images: Tensor, y: Tensor, i: int, *, rank: int = 0) -> Tensor:
        """Sum over classes of the distance of gradients, of the network as old as it is at step i.

        Args:
            images: (N, C, H, W) in [0, 1], the whole set, class-major, equally many of each class.
            y: (N,) their classes.
            rank: ranks see the same network, and other real images.
        """
        # What touches the network is drawn without the rank: it has to be the same on all of them.
        self._age(i, keyed_generator(self._seed, "gradient network", i))
        rng = keyed_generator(self._seed, "gradient", i, rank)
        with torch.autocast(images.device.type, enabled=False):
            sets = images.detach().float().unflatten(0, (self._real.spec.num_classes, -1))
            slots = torch.randperm(sets.shape[1], generator=rng)[: self.config.set_per_class].to(sets.device)
            distances, gradient = [], torch.zeros_like(sets)
            for label, x in enumerate(sets):  # a graph at a time: those of 200 classes would fill a GPU
                taken = x[slots].requires_grad_()
                distance = self._distance(self._real.normalised(taken), label, rng)
                (gradient[label, slots],) = torch.autograd.grad(distance, taken)  # the network is not moved
                distances.append(distance.detach())
        return surrogate(torch.stack(distances).sum(), (images, gradient.flatten(0, 1)))

    def _distance(self, x: Tensor, label: int, rng: torch.Generator) -> Tensor:
        rows = self._draws.indices(torch.tensor([label]), self.config.real_per_class, rng).to(self._real.y.device)
        x_real = self._real.normalised(self._real.x_u8[rows].float() / 255)
        augment = self._augment.draw(rng, 1, shared=True)
        return distance_in_class(self.network, augment(x), augment(x_real), label)

    def _age(self, i: int, rng: torch.Generator) -> None:
        if i % self.config.age == 0:
            self._draw(rng)
            return
        weights: list[Tensor] = list(self.network.parameters())
        momenta = self._momenta()
        for _ in range(self.config.training):
            x, y = self._real.batch(self.config.network_batch, rng)
            augment: Callable[[Tensor], Tensor] = self._augment.draw(rng, len(x))
            with torch.autocast(x.device.type, enabled=False):
                error = F.cross_entropy(self.network(augment(self._real.normalised(x))), y)
            gradients = torch.autograd.grad(error, weights)
            sgd_step(weights, gradients, lr=self.config.network_lr, velocities=momenta, momentum=_MOMENTUM)

    @torch.no_grad()
    def _draw(self, rng: torch.Generator) -> None:
        """A network without any training."""
        seed = int(torch.randint(2**31, (), generator=rng))
        self.network.load_state_dict(build_network(self._name, spec=self._real.spec, seed=seed).state_dict())
        torch._foreach_zero_(self._momenta())

    def _momenta(self) -> list[Tensor]:
        """Of the network's parameters, in their order."""
        return [self.get_buffer(f"momentum_{number}") for number, _ in enumerate(self.network.parameters())]
