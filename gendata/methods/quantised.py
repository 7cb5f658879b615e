"""Training through the rounding that storage will do: what is fitted is what will be read back."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.func import functional_call

from gendata.artifact.storage import StorageDtype, rounded, storage_for
from gendata.generators.generator import Generator
from gendata.latents.law import LatentLaw


def stored_weights(
    module: nn.Module, storage: StorageDtype, *, scales: Mapping[str, Tensor] | None = None
) -> dict[str, Tensor]:
    """Parameters by name as the artifact will give them back, for `functional_call`; gradients pass unchanged.

    Those of fewer than two dimensions are stored as float16 or float32, next to what they are, and stay.

    Straight-through rounding (Bengio et al. 2013, arXiv:1308.3432; of whole networks Jacob et al. 2018,
    arXiv:1712.05877). Differs from them: the grid is not learned; it is the one that `gendata.artifact.storage` will
    choose for these very values, so that saving the artifact changes nothing that training has not seen.

    Args:
        scales: of the grids of some parameters, by name, in the place of those that storage would choose.
    """
    fine, held = getattr(module, "pixel_weights", ()), scales or {}
    return {
        name: _rounded(weight, storage_for(weight, storage, writes_pixels=name in fine), held.get(name))
        for name, weight in module.named_parameters()
    }


def _rounded(weight: Tensor, storage: StorageDtype, scales: Tensor | None) -> Tensor:
    if weight.dim() < 2:
        return weight
    with torch.no_grad():
        error = rounded(weight, storage, scales=scales) - weight
    return weight + error


class StepWeights:
    """Weights of generator and law for one step: as they are, or as the artifact will give them back.

    Args:
        generator, law: whose weights; gradients pass to them.
        storage: of generator and law, whose rounding is computed through; None: no rounding of that one.
        scales: see `stored_weights`; of the law's.
    """

    def __init__(
        self,
        generator: Generator,
        law: LatentLaw,
        *,
        storage: tuple[StorageDtype | None, StorageDtype | None],
        scales: Mapping[str, Tensor] | None = None,
    ) -> None:
        self._generator, self._law = generator, law
        of_generator, of_law = storage
        self._generator_weights, self.of_law = _read_back(generator, of_generator), _read_back(law, of_law, scales)

    def generate(self, z: Tensor, y: Tensor, *, held: bool = False) -> Tensor:
        """Images (N, C, H, W) float32; `held`: without a gradient to the generator."""
        weights = self._generator_weights
        if held:
            weights = {name: weight.detach() for name, weight in weights.items()}
        out: Tensor = functional_call(self._generator, weights, (z, y))
        return out.float()

    def latents(self, *inputs: Tensor) -> Tensor:
        """Latents (N, dim) of what the law takes."""
        out: Tensor = functional_call(self._law, self.of_law, inputs)
        return out

    @property
    def codes(self) -> Tensor:
        """Of a codebook, (classes, codes, dim)."""
        return self.of_law["codes"]


def _read_back(
    module: nn.Module, storage: StorageDtype | None, scales: Mapping[str, Tensor] | None = None
) -> dict[str, Tensor]:
    if storage is None:
        return dict(module.named_parameters())
    return stored_weights(module, storage, scales=scales)
