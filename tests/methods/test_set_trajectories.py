"""Moving a stored set until students that train on it follow experts."""

from __future__ import annotations

import copy
import itertools

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.ops import StochasticDepth

from gendata.augmentation.dsa import Dsa
from gendata.errors import SpecError
from gendata.methods.draws import keyed_generator, keyed_seed
from gendata.methods.expert_trajectories import ExpertConfig, ExpertTrajectories
from gendata.methods.method import RealData
from gendata.methods.set_trajectories import SetTrajectories, TrajectoryConfig
from gendata.methods.vector_network import VectorNetwork, refuse_unfit

from .conftest import FirstOfEachClass

SMOOTH = "convnet2-w8-in-swish"  # finite differences of gradients need no kinks
AUGMENT = Dsa(strategy="color_crop_cutout_scale_rotate")


def trained_experts(real: RealData, *, count: int = 2) -> ExpertTrajectories:
    config = ExpertConfig(count=count, points=6, apart=10, batch=64, lr=0.05)
    experts = ExpertTrajectories(config, network=SMOOTH, real=real, augment=AUGMENT, seed=0)
    for i in range(config.num_steps):
        experts.record(i)
        loss = experts.loss(i, keyed_generator("experts", i))
        weights = list(experts.networks[i // config.steps_per_network].parameters())
        with torch.no_grad():
            for weight, gradient in zip(weights, torch.autograd.grad(loss, weights), strict=True):
                weight -= config.lr * gradient
    experts.record(config.num_steps)
    return experts


@pytest.fixture(scope="module")
def experts(real: RealData) -> ExpertTrajectories:
    return trained_experts(real)


def judge(real: RealData, experts: ExpertTrajectories, **options: float) -> SetTrajectories:
    given = {"latest": 3, "span": 2, "student_steps": 6, "differentiated": 3, "student_lr": 0.05} | options
    config = TrajectoryConfig(**given)  # type: ignore[arg-type]
    return SetTrajectories(config, network=SMOOTH, experts=experts, real=real, augment=AUGMENT, seed=0)


def accuracy(weights: Tensor, real: RealData) -> float:
    network = VectorNetwork(SMOOTH, spec=real.spec, where="test")
    with torch.no_grad():
        told = network(weights, real.normalised(real.x_u8.float() / 255)).argmax(1)
    return float((told == real.y).float().mean())


def test_every_expert_is_kept_from_its_first_weights_to_its_last(real: RealData, experts: ExpertTrajectories) -> None:
    network = VectorNetwork(SMOOTH, spec=real.spec, where="test")
    for number, points in enumerate(experts.points):
        assert torch.equal(points[0], network.drawn(keyed_seed(0, "expert", number)))
        last = torch.nn.utils.parameters_to_vector(experts.networks[number].parameters())
        assert torch.equal(points[-1], last)
        assert all(not torch.equal(one, other) for one, other in itertools.pairwise(points))
        assert accuracy(points[0], real) < 0.3 < 0.5 < accuracy(points[-1], real)


def test_of_a_single_step_the_gradients_are_those_of_the_distance(
    real: RealData, experts: ExpertTrajectories, first_of_each_class: FirstOfEachClass
) -> None:
    """Against differences of distances, in directions that share half with the gradient, and of the learned rate."""
    images, y = first_of_each_class(2)
    judged = judge(real, experts, student_steps=1, differentiated=1, student_lr=0.5)

    def distance(x: Tensor, log_lr: float = 0.0) -> float:
        other = copy.deepcopy(judged)
        other._points = judged._points
        with torch.no_grad():
            other.log_lr += log_lr
        return float(other.loss(x, y, 0).detach())

    moved = images.clone().requires_grad_()
    judged.loss(moved, y, 0).backward()
    assert moved.grad is not None
    assert judged.log_lr.grad is not None
    gradient = moved.grad
    for seed in range(3):
        noise = F.normalize(torch.randn(images.shape, generator=torch.Generator().manual_seed(seed)).flatten(), dim=0)
        direction = F.normalize(F.normalize(gradient.flatten(), dim=0) + noise, dim=0).view_as(images)
        slope = (distance(images + 0.05 * direction) - distance(images - 0.05 * direction)) / 0.1
        assert slope == pytest.approx(float((gradient * direction).sum()), rel=0.05)
    slope = (distance(images, 0.05) - distance(images, -0.05)) / 0.1
    assert slope == pytest.approx(float(judged.log_lr.grad), rel=0.05)


def test_moved_images_lead_students_nearer_to_experts_that_no_step_has_seen(
    real: RealData, experts: ExpertTrajectories, first_of_each_class: FirstOfEachClass
) -> None:
    images, y = first_of_each_class(1)
    judged = judge(real, experts)
    values = images.clone().clamp(0.02, 0.98).logit().requires_grad_()
    optimiser = torch.optim.Adam([values, judged.log_lr], lr=0.05)
    for i in range(80):
        optimiser.zero_grad()
        judged.loss(values.sigmoid(), y, i).backward()
        optimiser.step()
    unseen = ExpertTrajectories(experts.config, network=SMOOTH, real=real, augment=AUGMENT, seed=50)
    unseen.points = trained_experts(real, count=4).points[2:]
    asked = judge(real, unseen)

    def distance(x: Tensor) -> float:
        return sum(float(asked.loss(x, y, 1000 + i).detach()) for i in range(12)) / 12

    before = distance(images)
    with torch.no_grad():
        asked.log_lr.copy_(judged.log_lr)
    before = min(before, distance(images))  # with the rate at first, or the learned one
    assert distance(values.detach().sigmoid()) < before - 0.02


def test_a_step_takes_no_more_of_a_large_set_than_it_is_told(
    real: RealData, experts: ExpertTrajectories, first_of_each_class: FirstOfEachClass
) -> None:
    images, y = first_of_each_class(5)
    judged = judge(real, experts, student_steps=2, differentiated=1, student_batch=7)
    judged.loss(images.requires_grad_(), y, 0).backward()
    assert images.grad is not None
    assert int((images.grad.flatten(1).abs().sum(1) > 0).sum()) == 7


def test_ranks_train_different_students(
    real: RealData, experts: ExpertTrajectories, first_of_each_class: FirstOfEachClass
) -> None:
    images, y = first_of_each_class(1)
    judged = judge(real, experts)
    one, two = (float(judged.loss(images, y, 0, rank=rank).detach()) for rank in (0, 1))
    assert one != two


def test_layers_that_are_left_out_at_random_are_dropout() -> None:
    network = nn.Sequential(nn.Linear(2, 2), StochasticDepth(0.1, "row"))
    with pytest.raises(SpecError, match="drops out at random"):
        refuse_unfit(network, "of torchvision", where="here")


@pytest.mark.parametrize(
    ("network", "match"), [("convnet2-w8-bn", "running statistics"), ("vit-p4-d16-l1-h2", "drops out at random")]
)
def test_a_network_that_is_more_than_its_weights_is_refused(
    real: RealData, network: str, match: str, experts: ExpertTrajectories
) -> None:
    with pytest.raises(SpecError, match=match):
        SetTrajectories(TrajectoryConfig(), network=network, experts=experts, real=real, augment=AUGMENT, seed=0)


@pytest.mark.parametrize(
    ("option", "value"),
    [("span", 0), ("student_steps", 1001), ("lr", 0.0), ("latest", -1), ("differentiated", 21), ("rounded_share", 2.0)],
)
def test_an_option_out_of_bounds_is_refused(option: str, value: int) -> None:
    with pytest.raises(ValueError, match=f"{option} (must|21 is more)"):
        TrajectoryConfig(**{option: value})


@pytest.mark.parametrize(("option", "value"), [("count", 0), ("points", 10**5), ("lr", -1.0)])
def test_an_experts_option_out_of_bounds_is_refused(option: str, value: int) -> None:
    with pytest.raises(ValueError, match=f"{option} must be"):
        ExpertConfig(**{option: value})


def test_more_points_than_a_machine_would_hold_are_refused() -> None:
    with pytest.raises(ValueError, match="count times points must be at most 10000, got 101 times 100"):
        ExpertConfig(count=101, points=100)
    assert ExpertConfig(count=100, points=100).num_steps == 100 * 100 * 100
