from __future__ import annotations

import pytest

from gendata.evaluation.page.published import Published, published
from gendata.evaluation.protocols import PROTOCOLS
from gendata.networks import build_network
from gendata.spec import SampleSpec


@pytest.fixture
def known() -> Published:
    return published()


def spec(known: Published, data_set: str) -> SampleSpec:
    channels, height, width = known.data_sets[data_set].shape
    classes = tuple(map(str, range(known.data_sets[data_set].num_classes)))
    return SampleSpec(channels=channels, height=height, width=width, classes=classes)


def test_every_number_names_a_known_source_and_every_source_is_used(known: Published) -> None:
    used = {key for series in known.series for key in series.source}
    assert all(series.source for series in known.series)
    assert used == set(known.sources)


def test_protocols_and_networks_are_ours_by_name(known: Published) -> None:
    assert {name for series in known.series for name in series.protocols} <= set(PROTOCOLS)
    for network, data_set in {(series.network, series.data_set) for series in known.series}:
        build_network(network, spec=spec(known, data_set), seed=0)


def test_bytes_of_image_sets_are_those_of_their_pixels(known: Published) -> None:
    for series in known.series:
        per_class = spec(known, series.data_set).num_pixels * known.data_sets[series.data_set].num_classes
        for point in series.points:
            if point.bytes is not None and "generator" not in series.note:
                assert point.ipc is not None
                assert point.bytes == point.ipc * per_class


def test_accuracies_are_percent_and_grow_no_larger_than_possible(known: Published) -> None:
    assert all(1 < point.accuracy < 100 for series in known.series for point in series.points)


def test_numbers_are_shown_only_for_the_same_data_set_protocol_and_network(known: Published) -> None:
    def methods(data_set: str | None, protocol: str, network: str = "convnet3-w128-in") -> set[str]:
        return {series.method for series in known.comparable(data_set, protocol=protocol, network=network)}

    assert methods("fashion-mnist", "dsa/v1") == {"DSA", "DM"}
    assert methods("fashion-mnist", "dc/v1") == {"DC"}
    assert not methods("fashion-mnist", "quick/v1")
    assert not methods("fashion-mnist", "dsa/v1", "mlp2-w128")
    assert not methods(None, "dsa/v1")


def test_a_number_whose_protocol_is_not_stated_is_quoted_only(known: Published) -> None:
    quoted = known.quoted("fashion-mnist", network="convnet3-w128-in", method="real-full")
    assert quoted is not None
    assert quoted.points[0].accuracy == 93.5
    assert not quoted.protocols


def test_a_data_set_is_known_by_name_and_by_the_look_of_its_images(known: Published) -> None:
    tiny = spec(known, "tiny-imagenet")
    assert known.data_set_of("someone/Tiny-ImageNet", tiny) == "tiny-imagenet"
    assert known.data_set_of("cifar10", tiny) is None
    assert known.data_set_of("photos", tiny) is None
