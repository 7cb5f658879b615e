"""A stored set is moved until training on it leads where training on real images does."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gendata.augmentation.dsa import Dsa, DsaDraw
from gendata.methods.bounds import check_positive, check_within
from gendata.methods.draws import keyed_generator
from gendata.methods.expert_trajectories import ExpertTrajectories
from gendata.methods.method import RealData
from gendata.methods.surrogate import surrogate
from gendata.methods.vector_network import VectorNetwork

_MOST = {
    "steps": 10**8, "span": 10**4, "student_steps": 1000, "differentiated": 1000, "student_batch": 65536, "ipc": 4096,
}  # fmt: skip
_WHERE = "method generative: trajectories"


class TrajectoryConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of moving a stored set until students that train on it follow experts."""

    steps: int = 500
    ipc: int | None = None  # images per class of that set; None: of the frozen set
    lr: float = 0.02
    latest: int = 12  # point of an expert's training that students start from at most
    span: int = 4  # points from there to the one they are to reach
    student_steps: int = 20
    differentiated: int = 6  # of these steps, another choice each time
    student_batch: int = 100  # images of the set per step; smaller sets are taken whole
    student_lr: float = 0.03  # of SGD, at first: it is learned
    rounded_share: float = 0.1  # of the steps, the last, with codes as stored: those that may only jump hardly move

    def __post_init__(self) -> None:
        check_within(self, _MOST)
        check_positive(self, "lr", "student_lr")
        if self.differentiated > self.student_steps:
            raise ValueError(
                f"differentiated must be 1 to student_steps {self.student_steps}, got {self.differentiated}"
            )
        if not 0 <= self.rounded_share <= 1:
            raise ValueError(f"rounded_share must be 0 to 1, got {self.rounded_share}")
        if self.latest < 0:
            raise ValueError(f"latest must not be negative, got {self.latest}")


class SetTrajectories(nn.Module):
    """Students that train on a set from where an expert was, and how far they end from where it went on to.

    The distance is |student - expert's later point|^2 / |expert's earlier point - its later one|^2, over all weights.

    Source: MTT (Cazenavette et al. 2022, arXiv:2203.11932, eq. 2), whose learned rate of the student is taken too. Its
    gradient as in TESLA (Cui et al. 2023, arXiv:2211.10586): of each step's images through that step alone, in the
    weights as they were, so that memory grows by two vectors of weights per step and by no graph. Differs from them:
    only some of the steps are differentiated, drawn anew each time and weighed for all; images change through the codes
    that make them.

    Args:
        config: see there.
        network: the experts' architecture.
        experts: what is imitated.
        real: what the set stands for.
        augment: of the images students train on.
        seed: of everything that is drawn.
    """

    def __init__(
        self,
        config: TrajectoryConfig,
        *,
        network: str,
        experts: ExpertTrajectories,
        real: RealData,
        augment: Dsa,
        seed: int,
    ) -> None:
        super().__init__()
        self.config, self._real, self._augment, self._seed = config, real, augment, seed
        self.log_lr = nn.Parameter(torch.tensor(math.log(config.student_lr)))
        self._network = VectorNetwork(network, spec=real.spec, where=_WHERE)
        self._points: Callable[[], Tensor] = lambda: experts.points  # no module of this one

    def loss(self, images: Tensor, y: Tensor, i: int, *, rank: int = 0) -> Tensor:
        """The distance at step i, differentiable with respect to the images and to the students' rate.

        Args:
            images: (N, C, H, W) in [0, 1], the whole set.
            y: (N,) their classes.
            rank: each trains students of its own.
        """
        rng = keyed_generator(self._seed, "trajectory", i, rank)
        with torch.autocast(images.device.type, enabled=False):
            x = self._real.normalised(images.detach().float())
            start, goal = self._ends(rng)
            student = self._trained(start, x, y, rng)
            missed, way = student.weights - goal, (start - goal).square().sum()
            distance = missed.square().sum() / way
            by_image, by_lr = self._gradients(student, 2 * missed / way, x, y, rng)
        return surrogate(distance, (self._real.normalised(images.float()), by_image), (self.log_lr, by_lr))

    def _ends(self, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Two points of an expert's training, weights (P,) each."""
        points = self._points()
        expert = int(torch.randint(len(points), (), generator=rng))
        start = int(torch.randint(self.config.latest + 1, (), generator=rng))
        return points[expert, start], points[expert, start + self.config.span]

    def _trained(self, weights: Tensor, x: Tensor, y: Tensor, rng: torch.Generator) -> _Student:
        steps, lr = [], self.log_lr.detach().exp()
        for _ in range(self.config.student_steps):
            rows = torch.randperm(len(y), generator=rng)[: self.config.student_batch].to(y.device)
            augment = self._augment.draw(rng, len(rows))
            weights = weights.detach().requires_grad_()
            error = F.cross_entropy(self._network(weights, augment(x[rows])), y[rows])
            (gradient,) = torch.autograd.grad(error, weights)
            steps.append(_Step(weights, gradient, rows, augment))
            weights = weights.detach() - lr * gradient
        return _Student(weights, steps)

    def _gradients(
        self, student: _Student, outer: Tensor, x: Tensor, y: Tensor, rng: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """What `outer`, the gradient at the student's last weights, is at the normalised images and at log_lr."""
        c, lr = self.config, self.log_lr.detach().exp()
        by_lr = -lr * torch.stack([outer @ step.gradient for step in student.steps]).sum()
        by_image = torch.zeros_like(x)
        for k in torch.randperm(c.student_steps, generator=rng)[: c.differentiated].tolist():
            step = student.steps[k]
            taken = x[step.rows].requires_grad_()
            error = F.cross_entropy(self._network(step.weights, step.augment(taken)), y[step.rows])
            (gradient,) = torch.autograd.grad(error, step.weights, create_graph=True)
            (by_taken,) = torch.autograd.grad(outer @ gradient, taken)
            by_image.index_add_(0, step.rows, by_taken, alpha=-float(lr) * c.student_steps / c.differentiated)
        return by_image, by_lr


@dataclass(frozen=True)
class _Step:
    weights: Tensor  # (P,) before it
    gradient: Tensor  # (P,) that it followed
    rows: Tensor  # of the set
    augment: DsaDraw


@dataclass(frozen=True)
class _Student:
    weights: Tensor  # (P,) in the end
    steps: list[_Step]
