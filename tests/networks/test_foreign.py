from __future__ import annotations

import pickle
from copy import deepcopy

import pytest
import torch

from gendata.errors import MissingExtraError, SpecError, UnknownNameError
from gendata.networks import build_network, count_parameters, foreign
from gendata.networks.outline import outline
from gendata.spec import SampleSpec


def spec(channels: int, side: int, num_classes: int = 7) -> SampleSpec:
    return SampleSpec(channels=channels, height=side, width=side, classes=tuple(map(str, range(num_classes))))


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_classifier_of_torchvision_is_had_by_its_plain_name(channels: int) -> None:
    network = build_network("shufflenet_v2_x0_5", spec=spec(channels, 32), seed=0).eval()
    x = torch.randn(2, channels, 32, 32)
    features = network.embed(x)
    assert torch.equal(network.classifier(features), network(x))
    assert network(x).shape == (2, 7)


def test_a_seed_decides_a_foreign_network_too() -> None:
    before = torch.get_rng_state()
    one, same = (build_network("shufflenet_v2_x0_5", spec=spec(3, 32), seed=4) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), same.parameters(), strict=True))
    assert torch.equal(before, torch.get_rng_state())


def test_a_foreign_network_lists_every_tensor_once_and_can_be_copied() -> None:
    network = build_network("shufflenet_v2_x0_5", spec=spec(3, 32), seed=0).eval()
    assert len(network.state_dict()) == len(set(tensor.data_ptr() for tensor in network.state_dict().values()))
    for copied in (deepcopy(network), pickle.loads(pickle.dumps(network))):
        torch.nn.init.zeros_(copied.classifier.weight)
        torch.nn.init.zeros_(copied.classifier.bias)
        assert not copied(torch.randn(1, 3, 32, 32)).any()
    assert network(torch.randn(1, 3, 32, 32)).any()


@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
def test_auxiliary_heads_are_left_out(name: str) -> None:
    with outline():
        assert build_network(name, spec=spec(3, 96))(torch.empty(2, 3, 96, 96)).shape == (2, 7)


def test_a_transformer_is_made_for_the_images_it_gets() -> None:
    assert count_parameters("vit_b_16", spec=spec(1, 32)) < count_parameters("vit_b_16", spec=spec(3, 64))


@pytest.mark.parametrize("name", ["vit_b_16", "alexnet", "inception_v3"])
def test_an_image_that_a_foreign_network_does_not_take_is_refused_in_its_own_words(name: str) -> None:
    with pytest.raises(SpecError, match=f"'{name}' does not take 3 x 9 x 9 images"):
        build_network(name, spec=spec(3, 9))


def test_features_and_blocks_that_cannot_be_had_say_so() -> None:
    with outline():
        network = build_network("squeezenet1_1", spec=spec(3, 32))
        with pytest.raises(SpecError, match="does not end in a linear layer"):
            network.embed(torch.empty(1, 3, 32, 32))
        with pytest.raises(SpecError, match="blocks of 'squeezenet1_1' are not known"):
            network.block_outputs(torch.empty(1, 3, 32, 32))


@pytest.mark.parametrize("name", ["fasterrcnn_resnet50_fpn", "quantized_resnet18", "raft_small"])
def test_only_classifiers_of_floats_are_offered(name: str) -> None:
    assert name not in foreign.torchvision_names()


def test_a_name_that_only_timm_may_know_asks_for_it_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foreign, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"no network .* 'resnet26d'.*\n.*gendata\[timm\]"):
        build_network("resnet26d", spec=spec(3, 32))


def test_a_classifier_of_timm_is_had_by_its_plain_name() -> None:
    pytest.importorskip("timm")
    network = build_network("resnet10t", spec=spec(1, 32), seed=0).eval()
    x = torch.randn(2, 1, 32, 32)
    assert torch.equal(network.classifier(network.embed(x)), network(x))


def test_a_transformer_of_timm_is_made_for_the_images_it_gets() -> None:
    pytest.importorskip("timm")
    with outline():
        assert build_network("vit_tiny_patch16_224", spec=spec(3, 32))(torch.empty(2, 3, 32, 32)).shape == (2, 7)


@pytest.mark.parametrize("name", ["resnet50.a1_in1k", "no_such_network"])
def test_what_nobody_knows_is_unknown_even_with_timm(name: str) -> None:
    pytest.importorskip("timm")
    with pytest.raises(UnknownNameError, match=f"no network is called '{name}'"):
        build_network(name, spec=spec(3, 32))
