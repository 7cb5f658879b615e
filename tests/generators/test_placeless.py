"""A value has the same bits wherever it stands."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor

from gendata.generators import placeless


@pytest.fixture(params=[1, 3])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("ours", "theirs"), [(placeless.sigmoid, torch.sigmoid), (placeless.tanh, torch.tanh)], ids=["sigmoid", "tanh"]
)
@pytest.mark.parametrize("count", [1, 7, 64, 105, 70001])
def test_values_are_the_same_after_any_others(
    ours: Callable[[Tensor], Tensor], theirs: Callable[[Tensor], Tensor], count: int, threads: int
) -> None:
    x = torch.randn(count, generator=torch.Generator().manual_seed(count)) * 3
    before = x.clone()
    with torch.inference_mode():
        whole = ours(x)
        for start in {0, 1, count // 3, count // 2 + 1, count - 1}:
            assert torch.equal(ours(x[start:]), whole[start:])
        assert torch.equal(ours(x.flip(0)).flip(0), whole)
        torch.testing.assert_close(whole, theirs(x))
    assert torch.equal(x, before)


def test_a_gradient_passes_as_ever() -> None:
    x = torch.randn(10, requires_grad=True)
    placeless.sigmoid(x).sum().backward()
    ours, x.grad = x.grad, None
    torch.sigmoid(x).sum().backward()
    assert torch.equal(ours, x.grad)


@pytest.mark.parametrize("out", [1, 2, 8, 11, 12, 16, 17])
@pytest.mark.parametrize("rows", [8, 32])
def test_rows_are_the_same_in_any_order(out: int, rows: int) -> None:
    generator = torch.Generator().manual_seed(out)
    torch.manual_seed(out)
    layer = placeless.Linear(22, out)
    with torch.inference_mode():
        for _ in range(5):
            x, order = torch.randn(rows, 22, generator=generator), torch.randperm(rows, generator=generator)
            assert torch.equal(layer(x[order]), layer(x)[order])
            torch.testing.assert_close(layer(x), torch.nn.functional.linear(x, layer.weight, layer.bias))
