"""Operations that give a value the same bits wherever in a batch it stands.

Libraries choose code by place: the last few values of a vectorised loop, and those where two threads meet, go through
scalar code, and a BLAS may take the last rows of a product through another kernel. Each is right to the last bit or
two, and different.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_VECTOR = 64  # values; whole vectors on every CPU there is
_PIECE = 16384  # values; below what torch gives to more than one thread
_FEWEST = 16  # outputs; with two to eleven, rows of a product depend on their place (MKL on AVX2)


def sigmoid(x: Tensor) -> Tensor:
    """`torch.sigmoid`."""
    return _in_whole_vectors(torch.sigmoid, x)


def tanh(x: Tensor) -> Tensor:
    """`torch.tanh`."""
    return _in_whole_vectors(torch.tanh, x)


def _in_whole_vectors(function: Callable[..., Tensor], x: Tensor) -> Tensor:
    """Where samples are made: on a CPU, without a gradient; elsewhere the function as it is."""
    if x.device.type != "cpu" or torch.is_grad_enabled() or torch.compiler.is_compiling():
        return function(x)
    count = x.numel()
    values = x.new_zeros(count + -count % _VECTOR)
    values[:count] = x.flatten()
    for piece in values.split(_PIECE):
        function(piece, out=piece)
    return values[:count].view(x.shape)


class Linear(nn.Linear):
    """`nn.Linear` whose rows do not depend on their place."""

    def forward(self, x: Tensor) -> Tensor:
        missing = max(0, _FEWEST - self.out_features)
        if not missing:
            return super().forward(x)
        bias = None if self.bias is None else F.pad(self.bias, (0, missing))
        return F.linear(x, F.pad(self.weight, (0, 0, 0, missing)), bias)[..., : self.out_features]
