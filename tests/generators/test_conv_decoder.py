"""conv-decoder: shapes, size, cost and independence of samples."""

import msgspec
import pytest
import torch

from gendata.errors import RecipeError, SpecError
from gendata.generators.conv_decoder import ConvDecoder, ConvDecoderConfig
from gendata.registry import GENERATORS
from gendata.spec import SampleSpec


def spec_of(channels: int, height: int, width: int, num_classes: int) -> SampleSpec:
    return SampleSpec(channels=channels, height=height, width=width, classes=tuple(map(str, range(num_classes))))


def decoder_for(spec: SampleSpec, *, latent_dim: int = 6, **options: object) -> ConvDecoder:
    small = {"class_dim": 4, "rank": 8, "widths": (8,), "depths": (1,)}
    return ConvDecoder(ConvDecoderConfig(**{**small, **options}), spec=spec, latent_dim=latent_dim)


@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 32, 32), (3, 64, 64), (3, 7, 9), (1, 1, 1), (3, 20, 50)])
@pytest.mark.parametrize("shuffle", [2, 4, 8])
def test_images_have_the_shape_of_the_spec_and_lie_in_0_to_1(shape, shuffle):
    generator = decoder_for(spec_of(*shape, num_classes=3), shuffle=shuffle)
    x = generator(torch.randn(5, 6), torch.tensor([0, 1, 2, 0, 1]))
    assert x.shape == (5, *shape)
    assert 0 <= x.min() and x.max() <= 1


def test_the_image_depends_on_latent_and_label():
    generator = decoder_for(spec_of(1, 28, 28, 3))
    z = torch.randn(1, 6)
    of_label = [generator(z, torch.tensor([c])) for c in (0, 1)]
    assert not torch.allclose(of_label[0], of_label[1])
    assert not torch.allclose(of_label[0], generator(z + 1, torch.tensor([0])))


def test_a_sample_does_not_depend_on_its_neighbours():
    generator = decoder_for(spec_of(3, 32, 32, 4)).eval()
    z, y = torch.randn(8, 6), torch.arange(8) % 4
    together = generator(z, y)
    others = torch.randn(8, 6)
    others[3] = z[3]
    assert torch.equal(generator(others, y)[3], together[3])


def test_a_coarser_head_saves_more_than_half_of_the_arithmetic_at_64_pixels():
    spec = spec_of(3, 64, 64, 10)
    fine, coarse = (decoder_for(spec, widths=(32,), rank=32, shuffle=shuffle).macs_per_image() for shuffle in (2, 4))
    assert coarse < fine / 2


def test_a_thousand_classes_cost_only_their_embeddings():
    def count(num_classes):
        return sum(p.numel() for p in decoder_for(spec_of(3, 64, 64, num_classes)).parameters())

    assert count(1000) - count(10) == 990 * 4  # class_dim each


def test_eight_times_the_resolution_costs_less_than_half_as_many_weights_again():
    def count(side):
        generator = decoder_for(spec_of(3, side, side, 10), rank=32, widths=(32, 32, 16, 8), depths=(2, 1))
        return sum(p.numel() for p in generator.parameters())

    assert count(224) < 1.5 * count(28)


def test_a_generator_of_four_kilobytes_at_8_bits_exists():
    generator = decoder_for(spec_of(1, 28, 28, 10), class_dim=4, rank=8, widths=(10,), depths=(1,))
    assert sum(p.numel() for p in generator.parameters()) < 4096


def test_macs_match_a_count_by_hooks():
    generator = decoder_for(spec_of(3, 32, 32, 4), block="separable", depths=(1, 2))
    counted = 0

    def count(module, inputs, output):
        nonlocal counted
        if isinstance(module, torch.nn.Conv2d):
            counted += module.weight.numel() * output.shape[2] * output.shape[3]
        if isinstance(module, torch.nn.Linear):
            counted += module.weight.numel()

    for module in generator.modules():
        module.register_forward_hook(count)
    generator(torch.randn(1, 6), torch.tensor([0]))
    stem = 8 * 64 * (1 + 8)  # rank x base pixels x (space, then channels)
    assert generator.macs_per_image() == counted + stem


def test_it_is_built_on_the_meta_device_without_memory():
    with torch.device("meta"):
        generator = decoder_for(spec_of(3, 224, 224, 1000), widths=(512,), depths=(4,))
    assert all(parameter.is_meta for parameter in generator.parameters())


@pytest.mark.parametrize(
    "options", [{"rank": 0}, {"widths": []}, {"depths": [0]}, {"block": "fft"}, {"width": 8}, {"noise": 65}]
)
def test_bad_options_are_refused_with_their_place(options):
    with pytest.raises(RecipeError, match="generator.options"):
        GENERATORS.config("conv-decoder", options, where="generator")


@pytest.mark.parametrize("shuffle", [2, 4, 8])
def test_antialiasing_leaves_nothing_that_repeats_with_the_grid_of_the_head(shuffle):
    generator = decoder_for(spec_of(1, 64, 64, 3), shuffle=shuffle, antialias=True)
    with torch.no_grad():
        generator.head.weight.zero_()  # what is left is the same in every place: a pattern of the grid's period
        generator.head.bias.normal_(generator=torch.Generator().manual_seed(0))
        x = generator(torch.randn(1, 6), torch.tensor([0]))[..., shuffle:-shuffle, shuffle:-shuffle]
    assert float(x.max() - x.min()) < 1e-5


def test_antialiasing_is_written_only_where_it_is_said_and_stores_nothing():
    assert "antialias" not in msgspec.to_builtins(ConvDecoderConfig())
    smooth, plain = (decoder_for(spec_of(1, 28, 28, 3), **options) for options in ({"antialias": True}, {}))
    assert smooth.state_dict().keys() == plain.state_dict().keys()


def test_noise_changes_the_texture_and_its_absence_is_no_noise():
    spec = spec_of(1, 28, 28, 3)
    generator = decoder_for(spec, noise=2, latent_dim=6 + 2 * 14 * 14)
    assert generator.num_noise == 392
    code, noise, y = torch.randn(2, 6), torch.randn(2, 392), torch.tensor([0, 1])
    untrained = generator(torch.cat([code, noise], dim=1), y)
    assert torch.equal(untrained, generator(code, y)), "texture begins with none"
    torch.nn.init.normal_(generator.texture.kernels.weight, std=0.1)
    plain, quiet = generator(code, y), generator(torch.cat([code, torch.zeros(2, 392)], dim=1), y)
    assert torch.allclose(plain, quiet, atol=1e-6)
    textured = generator(torch.cat([code, noise], dim=1), y)
    assert (textured - plain).abs().mean() > 1e-3
    with torch.no_grad():
        generator.texture.scales.weight.zero_()
        generator.texture.scales.bias.zero_()
    assert torch.equal(generator(torch.cat([code, noise], dim=1), y), plain), "the features say how much there is of it"


def test_noise_at_one_place_stays_in_its_neighbourhood():
    generator = decoder_for(spec_of(1, 32, 32, 3), noise=1, latent_dim=6 + 16 * 16)
    torch.nn.init.normal_(generator.texture.kernels.weight)
    z = torch.zeros(1, generator.latent_dim)
    z[0, 6 + 8 * 16 + 8] = 1.0
    changed = (generator(z, torch.tensor([0])) - generator(z[:, :6], torch.tensor([0]))).abs()[0, 0] > 1e-7
    rows, columns = changed.nonzero().unbind(1)
    assert rows.min() >= 14 and rows.max() < 20 and columns.min() >= 14 and columns.max() < 20


def test_a_latent_too_short_for_the_noise_is_refused():
    with pytest.raises(SpecError, match="noise: 392"):
        decoder_for(spec_of(1, 28, 28, 3), noise=2)
