"""Training through the rounding that storage will do: what is fitted is what will be read back."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gendata.artifact.storage import StorageDtype, decode, encode, storage_for


def stored_weights(module: nn.Module, storage: StorageDtype) -> dict[str, Tensor]:
    """Parameters by name as the artifact will give them back, for `functional_call`; gradients pass unchanged.

    Those of fewer than two dimensions are stored as floats and stay.

    Straight-through rounding (Bengio et al. 2013, arXiv:1308.3432; of whole networks Jacob et al. 2018,
    arXiv:1712.05877). Differs from them: the grid is not learned; it is the one that `gendata.artifact.storage` will
    choose for these very values, so that saving the artifact changes nothing that training has not seen.
    """
    fine = getattr(module, "pixel_weights", ())
    return {
        name: _rounded(weight, storage_for(weight, storage, writes_pixels=name in fine))
        for name, weight in module.named_parameters()
    }


def _rounded(weight: Tensor, storage: StorageDtype) -> Tensor:
    if weight.dim() < 2:
        return weight
    with torch.no_grad():
        error = decode(*encode("weight", weight, storage)).to(weight.device) - weight
    return weight + error
