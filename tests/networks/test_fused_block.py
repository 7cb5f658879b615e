from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gendata.networks import build_network, fused_block
from gendata.networks.convnet import ConvBlock, ConvNet
from gendata.spec import SampleSpec


def first_block(channels: int) -> ConvBlock:
    spec = SampleSpec(channels=channels, height=10, width=12, classes=("a", "b"))
    network = build_network("convnet1-w6-in", spec=spec, seed=3)
    assert isinstance(network, ConvNet)
    block = network.blocks[0].double()
    assert isinstance(block, ConvBlock)
    torch.nn.init.normal_(block.norm.weight, generator=torch.Generator().manual_seed(0))
    return block


def images(channels: int) -> Tensor:
    return torch.randn(7, channels, 10, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fused_block, "_CHUNK_BYTES", 3 * 6 * 14 * 16 * 8)


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("channels", [1, 3])
def test_the_fused_block_equals_the_plain_modules(channels: int) -> None:
    block, x = first_block(channels), images(channels).requires_grad_()
    assert fused_block.fits_fused(x, block.conv)
    leaves = [x, *block.parameters()]
    fused, plain = block(x), block.plain(x)
    weights = torch.randn_like(plain)
    torch.testing.assert_close(fused, plain, rtol=0, atol=1e-9)
    for one, other in zip(
        torch.autograd.grad((fused * weights).sum(), leaves),
        torch.autograd.grad((plain * weights).sum(), leaves),
        strict=True,
    ):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-9)


@pytest.mark.usefixtures("small_chunks")
def test_the_fused_block_can_be_differentiated_twice() -> None:
    block, x = first_block(1), images(1).requires_grad_()
    leaves = [x, *block.parameters()]

    def second(out: Tensor) -> tuple[Tensor, ...]:
        first = torch.autograd.grad((out**2).sum(), leaves, create_graph=True)
        return torch.autograd.grad(sum((part**2).sum() for part in first), leaves)

    for one, other in zip(second(block(x)), second(block.plain(x)), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)


def test_odd_maps_and_wide_inputs_take_the_plain_modules() -> None:
    block = first_block(1)
    assert not fused_block.fits_fused(torch.zeros(2, 1, 9, 12), block.conv)
    assert not fused_block.fits_fused(torch.zeros(2, 6, 10, 12), block.conv)
    assert block(torch.zeros(2, 1, 9, 12, dtype=torch.float64)).shape == (2, 6, 6, 8)
