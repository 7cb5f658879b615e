from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from gendata.augmentation.dsa import Dsa
from gendata.errors import SpecError
from gendata.methods.draws import keyed_generator
from gendata.methods.method import RealData
from gendata.methods.unrolled_students import UnrollConfig, UnrolledStudents
from gendata.networks import build_network

from .conftest import FirstOfEachClass


def students(real: RealData, *, network: str = "convnet2-w8-in", **options: int) -> UnrolledStudents:
    augment = Dsa(strategy="color_crop_cutout_scale_rotate")
    return UnrolledStudents(UnrollConfig(**options), network=network, real=real, augment=augment, seed=0)


def test_the_gradient_leads_to_images_from_which_the_same_student_learns_more(
    real: RealData, first_of_each_class: FirstOfEachClass
) -> None:
    """Measured by training the student anew, from the same first weights and draws, on images moved a little."""
    images, y = first_of_each_class(2)
    fresh = students(real, network="convnet2-w8-in-swish", students=1, window=4, real_batch=128)

    def error(x: Tensor) -> float:
        return float(copy.deepcopy(fresh).loss(x, y, 0).detach())

    def slope(direction: Tensor) -> float:
        return (error(images + 0.02 * direction) - error(images - 0.02 * direction)) / 0.04

    moved = images.clone().requires_grad_()
    copy.deepcopy(fresh).loss(moved, y, 0).backward()
    gradient = moved.grad
    assert gradient is not None
    assert float(gradient.norm()) == pytest.approx(1.0, abs=1e-4)
    steepest = slope(gradient)
    assert steepest > 0
    for seed in range(3):
        noise = F.normalize(torch.randn(images.shape, generator=torch.Generator().manual_seed(seed)).flatten(), dim=0)
        direction = F.normalize(gradient.flatten() + noise, dim=0).view_as(images)
        expected = steepest * float((gradient * direction).sum())
        assert slope(direction) == pytest.approx(expected, rel=0.1)


def test_students_are_of_different_ages_and_are_drawn_anew_when_they_are_old(
    real: RealData, first_of_each_class: FirstOfEachClass
) -> None:
    images, y = first_of_each_class(1)
    group = students(real, students=2, window=3, age=6, real_batch=8)
    left = []
    for i in range(8):
        group.loss(images, y, i)
        left.append(group.steps_left.tolist())
    assert left == [[0, 0], [0, 3], [3, 3], [3, 0], [0, 0], [0, 3], [3, 3], [3, 0]]


def test_training_on_the_moved_images_gives_better_students(
    real: RealData, first_of_each_class: FirstOfEachClass
) -> None:
    images, y = first_of_each_class(1)
    group = students(real, students=4, window=10, age=80, real_batch=128)
    values = images.clone().clamp(0.02, 0.98).logit().requires_grad_()
    optimiser = torch.optim.Adam([values], lr=0.05)
    for i in range(120):
        optimiser.zero_grad()
        group.loss(values.sigmoid(), y, i).backward()
        optimiser.step()
    assert accuracy(values.detach().sigmoid(), y, real) > accuracy(images, y, real) + 0.05


def accuracy(x: Tensor, y: Tensor, real: RealData) -> float:
    """Mean of three networks that no step has seen, trained for 100 steps."""
    correct = []
    for seed in range(3):
        network = build_network("convnet2-w8-in", spec=real.spec, seed=1000 + seed)
        optimiser = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9)
        rng, augment = keyed_generator("students", seed), Dsa(strategy="color_crop_cutout_scale_rotate")
        for _ in range(100):
            optimiser.zero_grad()
            F.cross_entropy(network(augment.draw(rng, len(y))(real.normalised(x))), y).backward()
            optimiser.step()
        with torch.no_grad():
            told = network(real.normalised(real.x_u8.float() / 255)).argmax(1)
        correct.append(float((told == real.y).float().mean()))
    return sum(correct) / len(correct)


@pytest.mark.parametrize(
    ("network", "match"), [("convnet2-w8-bn", "running statistics"), ("vit-p4-d16-l1-h2", "drops out at random")]
)
def test_a_network_that_is_more_than_its_weights_is_refused(real: RealData, network: str, match: str) -> None:
    with pytest.raises(SpecError, match=match):
        students(real, network=network)


@pytest.mark.parametrize(("option", "value"), [("window", 0), ("students", 1001), ("steps", 0)])
def test_an_option_out_of_bounds_is_refused(option: str, value: int) -> None:
    with pytest.raises(ValueError, match=rf"{option} must be \d+ to \d+"):
        UnrollConfig(**{option: value})
