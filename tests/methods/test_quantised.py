"""Training through storage's rounding."""

import pytest
import torch
from torch import nn
from torch.func import functional_call

from gendata.artifact.storage import decode, encode
from gendata.methods.quantised import stored_weights


@pytest.mark.parametrize("storage", ["int8", "int6", "int4", "f16"])
def test_the_module_computes_with_what_storage_gives_back(storage):
    torch.manual_seed(0)
    module = nn.Conv2d(3, 4, 3)
    x = torch.randn(2, 3, 8, 8)
    read_back = nn.Conv2d(3, 4, 3)
    with torch.no_grad():
        read_back.weight.copy_(decode(*encode("w", module.weight, storage)))
        read_back.bias.copy_(module.bias)

    torch.testing.assert_close(functional_call(module, stored_weights(module, storage), x), read_back(x))


def test_the_gradient_reaches_the_parameter_as_if_nothing_were_rounded():
    module = nn.Linear(8, 2)
    before = module.weight.detach().clone()

    functional_call(module, stored_weights(module, "int4"), torch.ones(1, 8)).sum().backward()

    assert torch.equal(module.weight.grad, torch.ones(2, 8))
    assert torch.equal(module.weight, before)


def test_training_through_int4_ends_nearer_than_rounding_afterwards():
    torch.manual_seed(0)
    x, truth = torch.randn(256, 16), nn.Linear(16, 4).requires_grad_(False)
    y = truth(x)

    def fitted(through: bool) -> float:
        torch.manual_seed(1)
        module = nn.Sequential(nn.Linear(16, 32), nn.Tanh(), nn.Linear(32, 4))
        optimiser = torch.optim.Adam(module.parameters(), lr=3e-3)
        for step in range(400):
            optimiser.param_groups[0]["lr"] = 3e-3 if step < 200 else 1e-3
            weights = stored_weights(module, "int4") if through and step >= 200 else {}
            optimiser.zero_grad()
            (functional_call(module, weights, x) - y).square().mean().backward()
            optimiser.step()
        with torch.no_grad():
            return float((functional_call(module, stored_weights(module, "int4"), x) - y).square().mean())

    assert fitted(through=True) < 0.9 * fitted(through=False)
