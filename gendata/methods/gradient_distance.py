"""How far what a network would learn from some images is from what it would learn from others."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gendata.errors import SpecError
from gendata.spec import SampleSpec

_EPS = 1e-6


def gradient_distance(syn: Sequence[Tensor], real: Sequence[Tensor]) -> Tensor:
    """Sum over layers and output units of 1 - cosine of the gradients (DC, eq. 10).

    As in the published code biases and the parameters of norms do not count.

    Args:
        syn, real: gradients of one loss each, a tensor per parameter, in the same order.
    """
    total = syn[0].new_zeros(())
    for g_syn, g_real in zip(syn, real, strict=True):
        if g_syn.dim() >= 2:
            a, b = g_syn.flatten(1), g_real.flatten(1)
            total = total + (1 - (a * b).sum(1) / (a.norm(dim=1) * b.norm(dim=1) + _EPS)).sum()
    return total


def distance_in_class(network: nn.Module, syn: Tensor, real: Tensor, label: int) -> Tensor:
    """`gradient_distance` of the cross-entropy of images of one class, differentiable with respect to `syn`.

    In float32 whatever the precision around it: derivatives of derivatives drown in bfloat16's noise.

    Args:
        network: whose parameters the gradients are of.
        syn, real: images (N, C, H, W) and (M, C, H, W) as the network sees them.
        label: their class.
    """
    weights = list(network.parameters())

    def loss(x: Tensor) -> Tensor:
        return F.cross_entropy(network(x).float(), torch.full((len(x),), label, device=x.device))

    with torch.autocast(syn.device.type, enabled=False):
        of_real = torch.autograd.grad(loss(real.float()), weights)
        return gradient_distance(torch.autograd.grad(loss(syn.float()), weights, create_graph=True), of_real)


def refuse_once_differentiable(network: nn.Module, name: str, *, spec: SampleSpec, where: str) -> None:
    """Raises SpecError where gradients of an architecture cannot be differentiated again; found now, not at a step.

    Args:
        network: with contents; in training or not as it was, its running statistics too.
        name: of the architecture.
        spec: what it sees.
        where: what a message names.
    """
    x, trained = torch.zeros(2, *spec.shape), network.training
    network.eval()
    try:
        torch.autograd.grad(distance_in_class(network, x.requires_grad_(), x.detach(), 0), x)
    except RuntimeError as error:
        raise SpecError(
            f"gradients of network {name} cannot be differentiated ({error})", where=where,
            expected="one with second derivatives, such as convnet3-w32-in",
        ) from None  # fmt: skip
    finally:
        network.train(trained)
