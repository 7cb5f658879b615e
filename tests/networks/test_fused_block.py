from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gendata.networks import build_network, fused_block
from gendata.networks.convnet import ConvBlock, ConvNet
from gendata.spec import SampleSpec


def block_of(channels: int) -> ConvBlock:
    """A first block of one or three channels, a later one of more."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        block = ConvBlock(channels, 6, padding=3 if channels == 1 else 1, norm="in").double()
        torch.nn.init.normal_(block.norm.weight)
        torch.nn.init.normal_(block.norm.bias)
    return block


def images(channels: int) -> Tensor:
    return torch.randn(7, channels, 10, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two or three images at a time, and not a multiple of the seven there are."""
    monkeypatch.setattr(fused_block, "_CHUNK_BYTES", 3 * 6 * 10 * 12 * 8)
    monkeypatch.setattr(fused_block, "_LEAST_BYTES", 0)
    monkeypatch.setattr(fused_block, "_MOMENTS_AT_ONCE", 3)


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("channels", [1, 3, 8])
def test_the_fused_block_equals_the_plain_modules(channels: int) -> None:
    block, x = block_of(channels), images(channels).requires_grad_()
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
@pytest.mark.parametrize("channels", [1, 3, 8])
def test_the_fused_block_can_be_differentiated_twice(channels: int) -> None:
    block, x = block_of(channels), images(channels).requires_grad_()
    leaves = [x, *block.parameters()]

    def second(out: Tensor) -> tuple[Tensor, ...]:
        first = torch.autograd.grad((out**2).sum(), leaves, create_graph=True)
        return torch.autograd.grad(sum((part**2).sum() for part in first), leaves)

    for one, other in zip(second(block(x)), second(block.plain(x)), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("channels", [1, 3, 8])
def test_single_precision_is_as_near_to_double_as_plain_modules_are(channels: int) -> None:
    block, x = block_of(channels), images(channels) * 0.001 + 3  # nearly flat: what is left is a small difference
    x[0] = 3.0
    exact = block.plain(x)
    single = block.float()
    plain_error = (single.plain(x.float()) - exact).abs().max()
    assert (single(x.float()) - exact).abs().max() <= 3 * plain_error


@pytest.mark.usefixtures("small_chunks")
def test_a_frozen_block_still_passes_gradients_to_its_input() -> None:
    for channels in (1, 8):
        block, x = block_of(channels).requires_grad_(False), images(channels).requires_grad_()
        one, other = (torch.autograd.grad((way(x) ** 2).sum(), x)[0] for way in (block, block.plain))
        torch.testing.assert_close(one, other, rtol=0, atol=1e-9)


@pytest.mark.usefixtures("small_chunks")
def test_maps_of_odd_size_and_other_precisions_take_the_plain_modules() -> None:
    block = block_of(1)
    assert not fused_block.fits_fused(torch.zeros(2, 1, 9, 12), block.conv)
    assert not fused_block.fits_fused(torch.zeros(2, 1, 10, 12, dtype=torch.bfloat16), block.conv)
    assert block(torch.zeros(2, 1, 9, 12, dtype=torch.float64)).shape == (2, 6, 6, 8)


@pytest.mark.usefixtures("small_chunks")
def test_under_autocast_a_fused_block_and_its_gradients_keep_single_precision() -> None:
    for channels in (1, 8):
        block, x = block_of(channels).float(), images(channels).float().requires_grad_()
        with torch.autocast("cpu", torch.bfloat16):
            y = block(x)
            (under,) = torch.autograd.grad((y**2).sum(), x)
        (plain,) = torch.autograd.grad((block(x) ** 2).sum(), x)
        assert y.dtype == torch.float32
        assert torch.equal(under, plain)


def test_small_maps_take_the_plain_modules() -> None:
    assert not fused_block.fits_fused(torch.zeros(2, 1, 10, 12), block_of(1).conv)


@pytest.mark.usefixtures("small_chunks")
def test_a_whole_network_of_fused_blocks_equals_the_plain_one() -> None:
    spec = SampleSpec(channels=3, height=16, width=16, classes=("a", "b"))
    network = build_network("convnet3-w6-in", spec=spec, seed=3).double()
    assert isinstance(network, ConvNet)
    x = torch.randn(5, 3, 16, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    fused = network(x)
    for block in network.blocks:
        assert isinstance(block, ConvBlock)
        x = block.plain(x)
    torch.testing.assert_close(fused, network.classifier(x.flatten(1)), rtol=0, atol=1e-9)
