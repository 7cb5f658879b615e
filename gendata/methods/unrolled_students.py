"""Students whose training is differentiated: how a small set has to change for them to learn the real data."""

from __future__ import annotations

import math

import msgspec
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gendata.augmentation.dsa import Dsa
from gendata.methods.bounds import check_kept, check_positive, check_within
from gendata.methods.draws import keyed_generator
from gendata.methods.method import RealData
from gendata.methods.surrogate import surrogate
from gendata.methods.vector_network import VectorNetwork

_MOMENTUM, _WEIGHT_DECAY = 0.9, 5e-4  # of students, as dsa/v1 trains them
_MOST = {
    "steps": 10**8, "students": 1000, "age": 10**6, "window": 1000, "student_batch": 65536, "real_batch": 65536,
    "ipc": 4096,
}  # fmt: skip
_TINY = 1e-30


class UnrollConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of moving a stored set by what students learn from it."""

    steps: int = 400
    ipc: int | None = None  # images per class of that set; None: of the frozen set
    lr: float = 0.02
    students: int = 10  # in training side by side, each at another age
    age: int = 400  # training steps after which a student is drawn anew
    window: int = 15  # training steps that are differentiated together; time and memory grow with it
    student_lr: float = 0.01  # of SGD; momentum 0.9, weight decay 5e-4
    student_batch: int = 256  # images of the set per training step; smaller sets are taken whole
    real_batch: int = 256  # real images on which a student is asked after its window

    def __post_init__(self) -> None:
        check_within(self, _MOST)
        check_positive(self, "lr", "student_lr")


class UnrolledStudents(nn.Module):
    """Students in training on a set, and their loss on real images as a function of that set.

    Each step one student trains on for a window of steps and is then asked about real images; the gradient of its
    error runs back through those steps into the images they took. Students live `age` steps and are of different
    ages, so that windows lie everywhere along a training.

    Source: gradients through training, Dataset Distillation (Wang et al. 2018, arXiv:1811.10959); truncated windows at
    random places, RaT-BPTT (Feng et al. 2023, arXiv:2311.07025). Differs from them: a student goes on where its last
    window ended, on a set that has moved a little since, in the place of training anew up to every window, so that no
    step is taken that is not differentiated; students train by SGD with momentum and Siamese augmentation drawn per
    image, as those of dsa/v1 do; images change through the codes that make them.

    Args:
        config: see there.
        network: their architecture.
        real: what they are to learn.
        augment: of the images they train on.
        seed: of their first weights and of everything they draw.

    Raises:
        SpecError: the architecture is more than its weights, which alone a window can be differentiated through; or the
            students take more memory than any use is worth.
    """

    def __init__(self, config: UnrollConfig, *, network: str, real: RealData, augment: Dsa, seed: int) -> None:
        super().__init__()
        self.config, self._real, self._augment, self._seed = config, real, augment, seed
        self._network = VectorNetwork(network, spec=real.spec, where="method generative: unroll")
        check_kept(2 * config.students, self._network.num_weights, where="method generative: unroll")
        self.register_buffer("weights", torch.zeros(config.students, self._network.num_weights))
        self.register_buffer("momenta", torch.zeros(config.students, self._network.num_weights))
        self.register_buffer("steps_left", torch.zeros(config.students, dtype=torch.int64))
        self.weights: Tensor
        self.momenta: Tensor
        self.steps_left: Tensor

    def loss(self, images: Tensor, y: Tensor, i: int, *, rank: int = 0) -> Tensor:
        """Cross-entropy on real images, in nats, of the student whose turn it is at step i, after its window.

        The gradient to `images` has norm 1: a late student's would else be twenty times an early one's.

        Args:
            images: (N, C, H, W) in [0, 1], the whole set.
            y: (N,) their classes.
            rank: ranks train the same students and ask them about different real images.
        """
        rng = keyed_generator(self._seed, "unroll", i)
        k = i % self.config.students
        if self.steps_left[k] <= 0:
            self._draw(k, rng, is_first=i < self.config.students)
        with torch.autocast(images.device.type, enabled=False):
            taken = images.detach().float().requires_grad_()
            x = self._real.normalised(taken)
            weights, momenta = self.weights[k].clone().requires_grad_(), self.momenta[k].clone()
            for _ in range(self.config.window):
                weights, momenta = self._trained(weights, momenta, x, y, rng)
            x_real, y_real = self._real.batch(self.config.real_batch, keyed_generator(self._seed, "asked", i, rank))
            error = F.cross_entropy(self._network(weights, self._real.normalised(x_real)), y_real)
            (gradient,) = torch.autograd.grad(error, taken)
        with torch.no_grad():
            self.weights[k], self.momenta[k] = weights, momenta
            self.steps_left[k] -= self.config.window
        return surrogate(error, (images, gradient / gradient.norm().clamp_min(_TINY)))

    def _trained(
        self, weights: Tensor, momenta: Tensor, x: Tensor, y: Tensor, rng: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Weights and momenta after one more step of SGD, differentiable."""
        rows = torch.randperm(len(y), generator=rng)[: self.config.student_batch].to(y.device)
        logits = self._network(weights, self._augment.draw(rng, len(rows))(x[rows]))
        (gradient,) = torch.autograd.grad(F.cross_entropy(logits, y[rows]), weights, create_graph=True)
        momenta = _MOMENTUM * momenta + gradient + _WEIGHT_DECAY * weights
        return weights - self.config.student_lr * momenta, momenta

    @torch.no_grad()
    def _draw(self, k: int, rng: torch.Generator, *, is_first: bool) -> None:
        """A student without any training; the first ones are given shorter lives, that all be of different ages."""
        self.weights[k] = self._network.drawn(int(torch.randint(2**31, (), generator=rng))).to(self.weights.device)
        self.momenta[k] = 0.0
        share = (k + 1) / self.config.students if is_first else 1.0
        self.steps_left[k] = math.ceil(share * self.config.age)
