"""The loop against a plain one written from the published tables, in float64; and each quirk switched off."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from gendata.augmentation.dsa import Dsa
from gendata.evaluation.preparation import Normaliser, preparation_of
from gendata.evaluation.protocols import DC, DSA, Protocol
from gendata.evaluation.seeds import derive, generator
from gendata.evaluation.training import Feed, train
from gendata.networks import build_network
from gendata.recipe import Choice
from gendata.spec import SampleSpec

SEED, NUM_IMAGES, EPOCHS, BATCH = 11, 10, 4, 4
SPEC = SampleSpec(channels=1, height=10, width=6, classes=("a", "b", "c"))
SHORT: dict[str, Any] = {"network": "convnet2-w4-in", "epochs": EPOCHS, "batch": BATCH, "lr": 0.1}


def images() -> tuple[Tensor, Tensor]:
    draws = torch.Generator().manual_seed(0)
    x = torch.randint(0, 256, (NUM_IMAGES, *SPEC.shape), generator=draws, dtype=torch.uint8)
    return x, torch.randint(0, 3, (NUM_IMAGES,), generator=draws)


def network() -> nn.Module:
    return build_network(SHORT["network"], spec=SPEC, seed=5).double()


def weights(net: nn.Module) -> Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in net.parameters()])


def trained(protocol: Protocol, *, source_name: str | None = None) -> Tensor:
    net, data = network(), images()
    feed = Feed(
        images=lambda index: data,
        protocol=protocol,
        steps_per_pass=-(-NUM_IMAGES // BATCH),
        distinct_images=NUM_IMAGES,
        num_bytes=None,
    )
    normalise = Normaliser((0.4,), (0.3,), dtype=torch.float64)
    train(net, feed, seed=SEED, prepare=preparation_of(protocol, source_name=source_name, normalise=normalise))
    return weights(net)


def plainly_trained(*, dsa: Dsa | None) -> Tensor:
    """The evaluation of DC: E + 1 passes; a new SGD at a tenth of the rate after pass E // 2 + 1."""
    net, (x_u8, y) = network(), images()
    x_real = (x_u8.double() / 255 - 0.4) / 0.3
    optimiser = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=0.0005)
    step = 0
    for epoch in range(EPOCHS + 1):
        order = torch.randperm(NUM_IMAGES, generator=torch.Generator().manual_seed(derive(SEED, "shuffle", epoch)))
        for rows in order.split(BATCH):
            x = x_real[rows]
            if dsa is not None:
                x = dsa.draw(generator(SEED, "augment", step), len(rows))(x)
            step += 1
            for parameter in net.parameters():
                parameter.grad = None
            functional.cross_entropy(net(x), y[rows]).backward()
            optimiser.step()
        if epoch == EPOCHS // 2 + 1:
            optimiser = torch.optim.SGD(net.parameters(), lr=0.1 * 0.1, momentum=0.9, weight_decay=0.0005)
    return weights(net)


def changed(protocol: Protocol, **fields: Any) -> Protocol:
    return msgspec.structs.replace(protocol, **{**SHORT, **fields})


def test_dc_equals_the_published_loop() -> None:
    torch.testing.assert_close(trained(changed(DC)), plainly_trained(dsa=None), rtol=0, atol=1e-9)


def test_dsa_equals_the_published_loop() -> None:
    torch.testing.assert_close(trained(changed(DSA)), plainly_trained(dsa=Dsa()), rtol=0, atol=1e-9)


def test_digits_are_not_flipped() -> None:
    no_flip = Dsa(strategy="color_crop_cutout_scale_rotate")
    torch.testing.assert_close(
        trained(changed(DSA), source_name="mnist"), plainly_trained(dsa=no_flip), rtol=0, atol=1e-9
    )
    assert not torch.allclose(trained(changed(DSA), source_name="mnist"), plainly_trained(dsa=Dsa()), atol=1e-6)


@pytest.mark.parametrize(
    "quirk",
    [
        {"extra_pass": False},
        {"batching": "shuffled-drop-last"},
        {"batch": 5},
        {"schedule": Choice(name="drop", options={"after": "half-plus-one", "factor": 0.1})},
        {"schedule": Choice(name="drop-renewed", options={"after": "half", "factor": 0.1})},
        {"schedule": Choice(name="constant")},
        {"optimiser": Choice(name="sgd", options={"momentum": 0.9})},
        {"augmentation": DSA.augmentation},
    ],
    ids=["extra pass", "last batch", "batch", "momentum reset", "moment of the drop", "drop", "decay", "augmentation"],
)
def test_each_quirk_matters(quirk: dict[str, Any]) -> None:
    assert not torch.allclose(trained(changed(DC, **quirk)), trained(changed(DC)), atol=1e-6)


def test_align_corners_matters_to_dsa() -> None:
    options = {**DSA.augmentation[0].options, "strategy": "rotate"}
    outcomes = [
        trained(changed(DSA, augmentation=(Choice(name="dsa", options={**options, "align_corners": value}),)))
        for value in (False, True)
    ]
    assert not torch.allclose(*outcomes, atol=1e-6)
