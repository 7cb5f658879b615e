"""Moving a stored set until networks would learn from it what they would from real images."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gendata.augmentation.dsa import Dsa
from gendata.errors import SpecError
from gendata.methods.gradient_distance import distance_in_class
from gendata.methods.method import RealData
from gendata.methods.set_gradients import GradientConfig, SetGradients
from gendata.networks import build_network

from .conftest import FirstOfEachClass


def judge(real: RealData, *, network: str = "convnet2-w8-in", **options: int) -> SetGradients:
    augment = Dsa(strategy="color_crop_cutout_scale_rotate")
    return SetGradients(GradientConfig(**options), network=network, real=real, augment=augment, seed=0)


def weights_of(judged: SetGradients) -> Tensor:
    return torch.cat([weight.detach().flatten() for weight in judged.network.parameters()]).clone()


def test_moved_images_give_unseen_networks_the_gradients_of_real_ones(
    real: RealData, first_of_each_class: FirstOfEachClass
) -> None:
    images, y = first_of_each_class(1)
    network = build_network("convnet2-w8-in", spec=real.spec, seed=1000)

    def distance(x: Tensor) -> float:
        total = 0.0
        for c in range(10):
            of_class = real.normalised(real.x_u8[real.y == c].float() / 255)
            total += float(distance_in_class(network, real.normalised(x)[y == c], of_class, c).detach())
        return total

    judged = judge(real, age=10, real_per_class=32)
    values = images.clamp(0.02, 0.98).logit().requires_grad_()
    optimiser = torch.optim.Adam([values], lr=0.05)
    for i in range(60):
        optimiser.zero_grad()
        judged.loss(values.sigmoid(), y, i).backward()
        optimiser.step()
    assert distance(values.detach().sigmoid()) < 0.8 * distance(images)


def test_its_network_learns_the_real_images_and_is_drawn_anew_when_it_is_old(
    real: RealData, first_of_each_class: FirstOfEachClass
) -> None:
    images, y = first_of_each_class(1)
    judged = judge(real, age=30, training=4, real_per_class=8)

    def accuracy() -> float:
        with torch.no_grad():
            return float((judged.network(real.normalised(real.x_u8.float() / 255)).argmax(1) == real.y).float().mean())

    told = []
    for i in range(31):
        judged.loss(images, y, i)
        told.append(accuracy())
    assert told[0] < 0.4 < 0.7 < told[29]
    assert told[30] < 0.4


def test_nothing_but_the_images_is_given_a_gradient(real: RealData, first_of_each_class: FirstOfEachClass) -> None:
    images, y = first_of_each_class(1)
    judged = judge(real, real_per_class=8)
    judged.loss(images.requires_grad_(), y, 0).backward()
    assert images.grad is not None
    assert float(images.grad.abs().min(0).values.max()) > 0
    assert all(weight.grad is None for weight in judged.network.parameters())


def test_a_step_takes_no_more_of_a_large_set_than_it_is_told(
    real: RealData, first_of_each_class: FirstOfEachClass
) -> None:
    images, y = first_of_each_class(5)
    judge(real, real_per_class=8, set_per_class=2).loss(images.requires_grad_(), y, 0).backward()
    assert images.grad is not None
    moved = images.grad.flatten(1).abs().sum(1).view(10, 5) > 0
    assert moved.sum(1).tolist() == [2] * 10
    assert bool((moved == moved[0]).all())


def test_ranks_see_one_network_and_different_real_images(real: RealData, first_of_each_class: FirstOfEachClass) -> None:
    images, y = first_of_each_class(1)
    one, two = judge(real, real_per_class=8), judge(real, real_per_class=8)
    losses = [[float(ranked.loss(images, y, i, rank=rank)) for i in range(3)] for rank, ranked in enumerate((one, two))]
    assert torch.equal(weights_of(one), weights_of(two))
    assert losses[0] != losses[1]


@pytest.mark.parametrize(
    ("network", "match"), [("convnet2-w8-bn", "running statistics"), ("vit-p4-d16-l1-h2", "drops out at random")]
)
def test_a_network_that_is_more_than_its_weights_is_refused(real: RealData, network: str, match: str) -> None:
    with pytest.raises(SpecError, match=match):
        judge(real, network=network)


@pytest.mark.parametrize(("option", "value"), [("training", 0), ("age", 10**7), ("lr", 0.0)])
def test_an_option_out_of_bounds_is_refused(option: str, value: int) -> None:
    with pytest.raises(ValueError, match=f"{option} must be"):
        GradientConfig(**{option: value})
