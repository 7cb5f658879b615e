from __future__ import annotations

import pytest
import torch

from gendata.errors import SpecError, UnknownNameError
from gendata.networks import build_network
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
        ("mlp2-w128", spec(3, 32, 10), 411_146),
    ],
)
def test_networks_have_the_published_parameter_counts(name: str, sample: SampleSpec, parameters: int) -> None:
    network = build_network(name, spec=sample)
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters


@pytest.mark.parametrize("name", ["convnet2-w4-in", "convnet3-w4-in", "convnet3-w4-bn", "convnet3-w4-none", "mlp2-w4"])
def test_logits_features_and_block_outputs_belong_together(name: str) -> None:
    network = build_network(name, spec=spec(1, 8, 10), seed=0).eval()
    x = torch.randn(5, 1, 8, 8)
    blocks, features = network.block_outputs(x), network.embed(x)
    assert all(block.ndim == 4 and len(block) == 5 for block in blocks)
    assert torch.equal(blocks[-1].flatten(1), features)
    assert torch.equal(network.classifier(features), network(x))
    assert network(x).shape == (5, 10)


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


@pytest.mark.parametrize("name", ["resnet", "convnet3-w128", "convnet3-w128-ln", "convnet03-w8-in", "convnet3-w8-in\n"])
def test_an_unknown_name_is_an_error_that_names_examples(name: str) -> None:
    with pytest.raises(UnknownNameError, match="convnet3-w128-in"):
        build_network(name, spec=spec(3, 32, 10))


def test_a_depth_that_does_not_fit_the_image_is_refused_with_one_that_does() -> None:
    with pytest.raises(SpecError, match="depth at most 3"):
        build_network("convnet4-w8-in", spec=spec(1, 8, 10))
    build_network("convnet3-w8-in", spec=spec(1, 8, 10))


@pytest.mark.parametrize("name", ["convnet3-w99999-in", "convnet99-w8-in"])
def test_an_absurd_size_is_refused_before_anything_is_allocated(name: str) -> None:
    with pytest.raises(SpecError, match="too large"):
        build_network(name, spec=spec(3, 32, 10))
