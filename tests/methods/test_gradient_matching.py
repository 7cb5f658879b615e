"""DC and DSA."""

from __future__ import annotations

import pytest
import torch

from gendata.errors import RecipeError, SpecError
from gendata.generators.pixel_bank import PixelBank
from gendata.latents.slot import Slot
from gendata.methods.gradient_distance import distance_in_class, gradient_distance
from gendata.methods.gradient_matching import GradientMatching, GradientMatchingConfig
from gendata.methods.method import RealData
from gendata.registry import METHODS
from gendata.spec import SampleSpec

SPEC = SampleSpec(channels=1, height=8, width=8, classes=("a", "b"))


def method_with(*, slots: int = 2, **options: object) -> GradientMatching:
    x = torch.randint(0, 256, (40, 1, 8, 8), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    real = RealData(x_u8=x, y=torch.arange(40) % 2, spec=SPEC, mean=(0.4,), std=(0.3,))
    bank = PixelBank(PixelBank.Config(slots=slots, values="float32"), spec=SPEC, latent_dim=1)
    given = {"network": "convnet1-w4-in", "real_per_class": 4, "networks": 3, "outer": 2, "inner": 3} | options
    config = GradientMatchingConfig(**given)  # type: ignore[arg-type]
    law = Slot(Slot.Config(slots=slots), num_classes=2)
    method = GradientMatching(config, generator=bank, law=law, real=real, seed=0)
    method.begin(None)
    return method


def loss_of(method: GradientMatching, i: int) -> torch.Tensor:
    return method.step(method.stages()[0], i)["gradient"]


def weights_of(method: GradientMatching) -> torch.Tensor:
    return torch.cat([weight.detach().flatten() for weight in method.network.parameters()]).clone()


def test_distance_counts_output_units_by_their_angle_and_leaves_biases_out() -> None:
    syn = [torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.tensor([5.0, 5.0])]
    real = [torch.tensor([[3.0, 0.0], [4.0, 0.0]]), torch.tensor([-5.0, 5.0])]
    assert float(gradient_distance(syn, real)) == pytest.approx(1.0, abs=1e-5)  # 0 and 1
    turned = [-g for g in real]
    assert float(gradient_distance(turned, real)) == pytest.approx(4.0, abs=1e-5)


def test_a_convolution_counts_by_its_filters() -> None:
    g = torch.randn(6, 3, 3, 3, generator=torch.Generator().manual_seed(0))
    assert float(gradient_distance([g], [-g])) == pytest.approx(12.0, abs=1e-4)


def test_the_same_images_have_the_same_gradients() -> None:
    method = method_with()
    x = torch.cat([method.real_batch(c, torch.Generator().manual_seed(c)) for c in range(2)])
    with torch.no_grad():
        method.pixels.copy_(x.reshape(2, 4, 1, 8, 8)[:, :2])
    method.real_batch = lambda c, rng: method.pixels[c].detach()  # type: ignore[method-assign, assignment]
    assert float(loss_of(method, 0).detach()) < 1e-3


def test_the_gradient_reaches_every_image() -> None:
    method = method_with(initial="noise", augmentation="")
    loss_of(method, 0).backward()
    assert method.pixels.grad is not None
    assert bool((method.pixels.grad.flatten(2).abs().amax(2) > 0).all())


def test_a_network_trains_on_the_images_between_updates_and_is_then_drawn_anew() -> None:
    method = method_with()
    seen = []
    for i in range(4):
        loss_of(method, i)
        seen.append(weights_of(method))
    assert not torch.equal(seen[0], seen[1])  # trained on
    assert not torch.equal(seen[1], seen[2])  # drawn
    again = method_with()
    loss_of(again, 2)
    assert torch.equal(weights_of(again), seen[2])  # whatever came before


def test_training_the_network_lowers_its_loss_on_the_images() -> None:
    method = method_with(inner=40, network_lr=0.1, augmentation="")
    loss_of(method, 0)
    x, y = method.samples().detach(), method.labels()
    before = torch.nn.functional.cross_entropy(method.network(x), y)
    loss_of(method, 1)
    assert torch.nn.functional.cross_entropy(method.network(x), y) < 0.8 * before


def test_reduced_precision_trains_the_network_like_full_precision() -> None:
    """Autocast keeps copies of the weights it has seen: unless they are dropped, all steps start at the first."""
    moved = []
    for enabled in (False, True):
        method = method_with(inner=30, network_lr=0.1, augmentation="")
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            loss_of(method, 0)
            start = weights_of(method)
            loss_of(method, 1)
        moved.append(weights_of(method) - start)
    assert float((moved[1] - moved[0]).norm() / moved[0].norm()) < 0.2


def test_distances_of_gradients_are_of_full_precision_whatever_is_around_them() -> None:
    method = method_with()
    x = method.samples().detach()[:2]
    told = []
    for enabled in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            told.append(distance_in_class(method.network, x, x.flip(0) + 1, 0).item())
    assert told[0] == told[1] > 0


def test_a_network_without_second_derivatives_is_refused_before_its_training() -> None:
    with pytest.raises(SpecError, match="vit-p4-d16-l1-h2 cannot be differentiated"):
        method_with(network="vit-p4-d16-l1-h2")


def test_batch_norms_take_their_statistics_from_real_images_and_keep_them() -> None:
    method = method_with(network="convnet1-w4-bn")
    loss_of(method, 0)
    assert not method.network.training
    assert bool((method.network.blocks[0].norm.running_mean != 0).any())  # type: ignore[attr-defined,index]


def test_loops_are_the_published_ones_for_that_many_images() -> None:
    assert [stage.num_steps for stage in method_with(slots=10, outer=None, inner=None).stages()] == [30]
    method = method_with(slots=1, outer=None, inner=None)
    assert (method.outer, method.inner) == (1, 1)
    with pytest.raises(SpecError, match=r"no loops are published for 3 samples per class"):
        method_with(slots=3, outer=None, inner=None)


@pytest.mark.parametrize("options", [{"outer": 0}, {"networks": 0}, {"network_lr": -1.0}, {"momentum": 1.5}])
def test_options_that_make_no_sense_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(RecipeError):
        METHODS.config("dsa", options, where="method")
