from __future__ import annotations

import pytest
import torch

from gendata.errors import SpecError, UnknownNameError
from gendata.networks import TRANSFER, build_network, count_parameters
from gendata.networks.outline import outline
from gendata.spec import SampleSpec


def spec(channels: int, side: int, num_classes: int) -> SampleSpec:
    return SampleSpec(channels=channels, height=side, width=side, classes=tuple(map(str, range(num_classes))))


@pytest.mark.parametrize(
    ("name", "sample", "parameters"),
    [
        ("convnet3-w128-in", spec(3, 32, 10), 320_010),
        ("convnet3-w128-bn", spec(3, 32, 10), 320_010),
        ("convnet3-w128-in", spec(3, 32, 100), 504_420),
        ("convnet3-w128-in", spec(1, 28, 10), 317_706),
        ("convnet4-w128-in", spec(3, 64, 200), 857_160),
        ("convnet5-w128-in", spec(3, 128, 10), 615_690),
        ("convnet6-w128-in", spec(3, 128, 100), 794_340),
        ("convnet3-w128-bn-swish", spec(3, 32, 10), 320_010),
        ("resnet18-3x3-in-64w", spec(3, 32, 10), 11_173_962),
        ("resnet18-3x3-bn-64w", spec(3, 32, 10), 11_173_962),
        ("resnet18-3x3-in-64w", spec(1, 28, 10), 11_172_810),
        ("resnet18-3x3-tv-bn", spec(3, 32, 10), 11_173_962),
        ("resnet10-3x3-in-64w", spec(3, 32, 10), 4_903_242),
        ("resnet18-3x3-ap-in-64w", spec(3, 32, 10), 11_250_762),
        ("resnet18-3x3-ap-in-64w", spec(1, 28, 10), 11_213_770),
        ("resnet18-half-bn", spec(3, 32, 10), 2_797_610),
        ("resnet18-half-ap-bn", spec(3, 32, 10), 2_797_610),
        ("resnet10-half-bn", spec(3, 32, 10), 1_228_970),
        ("vgg11-in", spec(3, 32, 10), 9_231_114),
        ("vgg11-bn", spec(3, 32, 10), 9_231_114),
        ("vgg11-none", spec(3, 32, 10), 9_225_610),
        ("vgg11-in", spec(1, 28, 10), 9_229_962),
        ("alexnet-small-none", spec(3, 32, 10), 1_872_202),
        ("alexnet-small-bn", spec(3, 32, 10), 1_874_122),
        ("alexnet-small-none", spec(1, 28, 10), 1_865_802),
        ("lenet", spec(3, 32, 10), 62_006),
        ("lenet", spec(1, 28, 10), 61_706),
        ("mlp2-w128", spec(3, 32, 10), 411_146),
        ("vit-p4-d512-l6-h8", spec(3, 32, 10), 9_523_722),
        ("resnet18", spec(3, 224, 1000), 11_689_512),
    ],
)
def test_networks_have_the_published_parameter_counts(name: str, sample: SampleSpec, parameters: int) -> None:
    assert count_parameters(name, spec=sample) == parameters


def test_parameters_are_counted_as_a_built_network_has_them() -> None:
    network = build_network("resnet10-3x3-bn-4w", spec=spec(1, 9, 3))
    assert sum(p.numel() for p in network.parameters()) == count_parameters("resnet10-3x3-bn-4w", spec=spec(1, 9, 3))


@pytest.mark.parametrize("sample", [spec(3, 32, 10), spec(1, 28, 10)], ids=["3x32x32", "1x28x28"])
@pytest.mark.parametrize("name", TRANSFER)
def test_the_networks_of_the_transfer_table_take_the_fields_images(name: str, sample: SampleSpec) -> None:
    with outline():
        network = build_network(name, spec=sample)
        assert network(torch.empty(2, *sample.shape)).shape == (2, 10)


@pytest.mark.parametrize(
    "name",
    [
        "convnet2-w4-in",
        "convnet3-w4-in",
        "convnet3-w4-bn",
        "convnet3-w4-none",
        "convnet2-w4-bn-swish",
        "convnet2-w4-in-sigmoid",
        "mlp2-w4",
        "resnet10-3x3-ap-bn-2w",
        "alexnet-small-none",
    ],
)
def test_logits_features_and_block_outputs_belong_together(name: str) -> None:
    network = build_network(name, spec=spec(1, 8, 10), seed=0).eval()
    x = torch.randn(5, 1, 8, 8)
    blocks, features = network.block_outputs(x), network.embed(x)
    assert all(block.ndim == 4 and len(block) == 5 for block in blocks)
    assert torch.equal(blocks[-1].flatten(1), features)
    assert torch.equal(network.classifier(features), network(x))
    assert network(x).shape == (5, 10)


@pytest.mark.parametrize(
    ("name", "sample"),
    [
        ("resnet10-3x3-in-2w", spec(1, 9, 3)),
        ("resnet10-3x3-bn-2w", spec(3, 8, 3)),
        ("resnet18-half-ap-in", spec(3, 16, 3)),
        ("resnet18-3x3-tv-bn", spec(1, 8, 3)),
        ("lenet", spec(1, 12, 3)),
        ("lenet", spec(3, 16, 3)),
        ("vgg11-in", spec(1, 28, 3)),
        ("vit-p2-d8-l2-h2", spec(1, 8, 3)),
    ],
)
def test_logits_are_the_last_layer_of_the_features(name: str, sample: SampleSpec) -> None:
    network = build_network(name, spec=sample, seed=0).eval()
    x = torch.randn(2, *sample.shape)
    features = network.embed(x)
    assert features.shape == (2, network.classifier.in_features)
    assert torch.equal(network.views(x)[1], features)
    assert torch.equal(network.classifier(features), network(x))
    assert all(block.ndim == 4 and len(block) == 2 for block in network.block_outputs(x))


def test_instance_norm_of_single_pixels_is_refused_where_batch_norm_still_works() -> None:
    with pytest.raises(SpecError, match="maps of one pixel"):
        build_network("resnet18-3x3-in-64w", spec=spec(1, 8, 10))
    with pytest.raises(SpecError, match="maps of one pixel"):
        build_network("vgg11-in", spec=spec(3, 16, 10))
    build_network("resnet10-3x3-bn-2w", spec=spec(1, 8, 10))


@pytest.mark.parametrize(
    ("name", "side"), [("lenet", 15), ("vgg11-bn", 31), ("alexnet-small-none", 7), ("resnet10-3x3-ap-bn-2w", 7)]
)
def test_an_image_too_small_is_refused_with_the_least_size(name: str, side: int) -> None:
    with pytest.raises(SpecError, match=f"does not fit.*at least {side + 1} x {side + 1}"):
        build_network(name, spec=spec(3, side, 10))
    with outline():
        build_network(name, spec=spec(3, side + 1, 10))(torch.empty(2, 3, side + 1, side + 1))


def test_patches_must_tile_the_image() -> None:
    with pytest.raises(SpecError, match="multiples of 4"):
        build_network("vit-p4-d512-l6-h8", spec=spec(3, 30, 10))


def test_the_torchvision_form_of_resnet_is_torchvisions_network() -> None:
    from torchvision.models import resnet18

    theirs = resnet18(num_classes=5)
    theirs.conv1 = torch.nn.Conv2d(3, 64, 3, padding=1, bias=False)
    theirs.maxpool = torch.nn.Identity()
    ours = build_network("resnet18-3x3-tv-bn", spec=spec(3, 8, 5), seed=0)
    with torch.no_grad():
        for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
            torch.testing.assert_close(mine.std(), other.std(), rtol=0.2, atol=1e-3)  # the same law of first weights
            mine.copy_(other)
    x = torch.randn(4, 3, 8, 8)
    torch.testing.assert_close(ours(x), theirs(x))


def test_counting_parameters_draws_nothing() -> None:
    before = torch.get_rng_state()
    count_parameters("convnet1-w3-bn", spec=spec(3, 8, 2))
    assert torch.equal(before, torch.get_rng_state())


def test_a_seed_decides_the_network_and_leaves_the_global_generator_alone() -> None:
    before = torch.get_rng_state()
    one, same, other = (build_network("convnet2-w4-in", spec=spec(3, 8, 2), seed=seed) for seed in (1, 1, 2))
    assert torch.equal(before, torch.get_rng_state())
    weights = [network.classifier.weight for network in (one, same, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


@pytest.mark.parametrize("name", ["hf-hub:timm/resnet18", "org/net", "timm:resnet18"])
def test_names_that_point_outside_are_refused(name: str) -> None:
    with pytest.raises(UnknownNameError, match="points outside"):
        build_network(name, spec=spec(3, 32, 10))


@pytest.mark.parametrize(
    "name", ["resnet-18", "convnet3-w128-", "convnet3-w128-ln", "convnet03-w8-in", "convnet3-w8-in\n"]
)
def test_an_unknown_name_is_an_error_that_names_examples(name: str) -> None:
    with pytest.raises(UnknownNameError, match="convnet3-w128-in"):
        build_network(name, spec=spec(3, 32, 10))


def test_a_depth_that_does_not_fit_the_image_is_refused_with_one_that_does() -> None:
    with pytest.raises(SpecError, match="depth at most 3"):
        build_network("convnet4-w8-in", spec=spec(1, 8, 10))
    build_network("convnet3-w8-in", spec=spec(1, 8, 10))


@pytest.mark.parametrize("name", ["convnet3-w99999-in", "mlp99-w99999", "vit-p1-d9999-l99-h99", "vit_h_14"])
def test_an_absurd_size_is_refused_before_anything_is_allocated(name: str) -> None:
    with pytest.raises(SpecError, match="too large"):
        build_network(name, spec=spec(3, 28, 10))
