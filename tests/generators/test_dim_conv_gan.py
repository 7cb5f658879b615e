from __future__ import annotations

import pytest
import torch

from gendata.errors import RecipeError, SpecError
from gendata.generators.dim_conv_gan import DimConvGan
from gendata.registry import GENERATORS
from gendata.spec import SampleSpec


def spec(channels: int, side: int, num_classes: int = 10) -> SampleSpec:
    return SampleSpec(channels=channels, height=side, width=side, classes=tuple(map(str, range(num_classes))))


def build(channels: int = 3, side: int = 32, *, width: int = 6, latent_dim: int = 100) -> DimConvGan:
    return DimConvGan(DimConvGan.Config(width=width), spec=spec(channels, side), latent_dim=latent_dim).eval()


def test_it_has_the_published_number_of_parameters() -> None:
    with torch.device("meta"):
        generator = build(width=DimConvGan.Config().width)
    assert sum(parameter.numel() for parameter in generator.parameters()) == 3_559_363


@pytest.mark.parametrize(("channels", "side"), [(3, 32), (1, 28), (1, 8), (3, 64)])
def test_images_have_the_size_of_the_spec_and_values_from_0_to_1(channels: int, side: int) -> None:
    generator = build(channels, side)
    for parameter in generator.parameters():
        parameter.data.mul_(3)
    x = generator(torch.randn(4, 100), torch.arange(4))
    assert x.shape == (4, channels, side, side)
    assert 0 <= x.min() < x.max() <= 1


def test_the_label_takes_the_place_of_the_first_latents() -> None:
    generator, z = build(), torch.randn(2, 100)
    other = z.clone()
    other[:, :10] += 5
    y = torch.tensor([1, 7])
    assert torch.equal(generator(z, y), generator(other, y))
    assert not torch.equal(generator(z, y), generator(z, y.flip(0)))


def test_no_sample_depends_on_its_neighbours() -> None:
    generator, z, y = build(), torch.randn(3, 100), torch.tensor([0, 1, 2])
    assert torch.allclose(generator(z, y)[:1], generator(z[[0, 0, 0]], y[[0, 0, 0]])[:1], atol=1e-6)


def test_training_stores_the_statistics_that_sampling_normalises_by() -> None:
    generator, z, y = build().train(), torch.randn(64, 100), torch.arange(64) % 10
    by_batch = [generator(z, y) for _ in range(80)][-1]
    assert torch.allclose(generator.eval()(z, y), by_batch, atol=0.05)
    assert not torch.equal(generator.norms[0].var, torch.ones(()))


def test_stored_statistics_normalise() -> None:
    torch.manual_seed(0)
    generator, z, y = build(), torch.randn(2, 100), torch.tensor([0, 1])
    before = generator(z, y)
    for norm in generator.norms:
        norm.var.fill_(9.0)
    assert not torch.equal(generator(z, y), before)
    assert {name for name, _ in generator.named_buffers()} == {
        f"norms.{i}.{k}" for i in range(8) for k in ("mean", "var")
    }


@pytest.mark.parametrize("side", [28, 16])
def test_work_is_counted_as_the_layers_do_it(side: int) -> None:
    generator, counted = build(1, side), 0

    def count(module: torch.nn.Module, args: tuple[torch.Tensor, ...], out: torch.Tensor) -> None:
        nonlocal counted
        pixels = args[0][0, 0].numel() if isinstance(module, torch.nn.ConvTranspose2d) else out[0, 0].numel()
        counted += module.weight.numel() * (pixels if out.dim() == 4 else 1)  # type: ignore[union-attr, operator]

    for module in generator.modules():
        if isinstance(module, (torch.nn.Linear, torch.nn.Conv2d, torch.nn.ConvTranspose2d)):
            module.register_forward_hook(count)
    generator(torch.randn(1, 100), torch.tensor([0]))
    assert generator.macs_per_image() == counted


def test_other_sizes_too_few_latents_and_absurd_widths_are_refused() -> None:
    with pytest.raises(SpecError, match="28 x 28, or multiples of 8"):
        DimConvGan(DimConvGan.Config(), spec=spec(3, 30), latent_dim=100)
    with pytest.raises(SpecError, match="the number of classes, 10"):
        build(latent_dim=9)
    with pytest.raises(RecipeError, match="width must be 1 to 4096"):
        GENERATORS.config("dim-conv-gan", {"width": 2**20}, where="generator")
