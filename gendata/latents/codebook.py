"""`codebook`: learned codes of each class, mixed with near codes and blurred."""

from __future__ import annotations

import math
from typing import Literal

import msgspec
import torch
from torch import Tensor, nn

from gendata.errors import SpecError
from gendata.latents.law import LatentLaw
from gendata.latents.philox import uniforms

_MAX_DISTANCES = 2**33  # classes x codes^2: minutes of `prepare`, whoever wrote the config
_MAX_CODES = 2**24  # classes x codes: bounds what `prepare` keeps
_MAX_NOISE = 2**16  # values per sample
_MIXING = 3  # uniforms that choose two codes and their shares
_DIGITS = 3  # of eight bits, in the 24 of a uniform: as many values of noise
_DIGIT_MEAN, _DIGIT_STD = 127.5, ((256**2 - 1) / 12) ** 0.5
_BLOCK_DISTANCES = 2**20  # held at once by `prepare`, float64


class CodebookConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of `codebook`."""

    dim: int = 20  # length of z
    codes: int = 64  # codes per class
    neighbours: int = 4  # nearest codes of the same class that a code mixes with; 0: no mixing
    reach: float = 0.5  # largest share of the neighbour in the mix
    # The frozen set: drawn as fresh samples are, or the codes themselves in their order, unmixed. Unset: drawn, and not
    # written, so that artifacts from before the option keep their digests.
    frozen: Literal["drawn", "codes"] | msgspec.UnsetType = msgspec.UNSET
    # Values of noise after the code, for a generator that draws texture with them. Unset: none, and not written, as
    # `frozen`.
    noise: int | msgspec.UnsetType = msgspec.UNSET
    # The codes of the frozen set go on with noise too, each with its own, the same for ever. Unset: with
    # zeros, and not written, as `frozen`.
    frozen_noise: bool | msgspec.UnsetType = msgspec.UNSET

    def __post_init__(self) -> None:
        if not 1 <= self.dim <= 4096:
            raise ValueError(f"dim must be 1 to 4096, got {self.dim}")
        if not 1 <= self.codes <= 4096:
            raise ValueError(f"codes must be 1 to 4096, got {self.codes}")
        most = min(16, self.codes - 1)
        if not 0 <= self.neighbours <= most:
            raise ValueError(f"neighbours must be 0 to {most} (at most 16, below codes), got {self.neighbours}")
        if not 0 <= self.reach <= 1:
            raise ValueError(f"reach must be 0 to 1, got {self.reach}")
        if self.noise is not msgspec.UNSET and not 0 <= self.noise <= _MAX_NOISE:
            raise ValueError(f"noise must be 0 to {_MAX_NOISE}, got {self.noise}")
        if self.frozen_noise is True and not (self.frozen == "codes" and self.noise):
            raise ValueError("frozen_noise needs `frozen: codes` and noise above 0")


class Codebook(LatentLaw):
    """z = c_i + t (c_j - c_i) + scale[y] * eps.

    i is uniform over the codes of class y, j over the nearest neighbours of i, t uniform in [0, reach), eps ~ N(0, I).
    The neighbours follow from the stored codes (`prepare`); they cost no bytes.

    With `frozen: codes` the frozen set's image `slot` of a class is z = c_slot: an encoding, not a draw. Whoever fits
    the codes puts first those that cover the class best. A frozen set larger than the codebook goes on with draws.

    With `noise` z goes on with so many values, uniform over 256 levels with variance 1; those of a code of the frozen
    set are 0, or with `frozen_noise` drawn once for each code: they follow from class and slot alone, so that a smaller
    frozen set begins a larger one.

    Source: ours; small codes and one decoder for all are what factorised condensed sets store (Liu et al. 2022, HaBa,
    arXiv:2210.16774), steps from a sample to its neighbours of the class are SMOTE's (Chawla et al. 2002).
    """

    Config = CodebookConfig
    config: CodebookConfig

    def __init__(self, config: CodebookConfig, *, num_classes: int) -> None:
        super().__init__(config, num_classes=num_classes)
        most = min(math.isqrt(_MAX_DISTANCES // num_classes), _MAX_CODES // num_classes)
        if config.codes > most:
            raise SpecError(
                f"{config.codes} codes for each of {num_classes} classes", where="codebook", expected=f"at most {most}"
            )
        self.num_noise = 0 if config.noise is msgspec.UNSET else config.noise
        self.dim = config.dim + self.num_noise
        self.num_uniforms = _MIXING + math.ceil(self.num_noise / _DIGITS)
        self.num_normals = config.dim
        self.num_stored_per_class = config.codes if config.frozen == "codes" else 0
        self.codes = nn.Parameter(torch.randn(num_classes, config.codes, config.dim))
        self.scales = nn.Parameter(torch.full((num_classes, config.dim), 0.1))
        nearest = torch.zeros(num_classes, config.codes, max(config.neighbours, 1), dtype=torch.int64)
        self.register_buffer("nearest", nearest, persistent=False)
        self.nearest: Tensor

    def prepare(self) -> None:
        if self.config.neighbours:
            self.nearest = torch.stack([self._nearest_of_class(codes) for codes in self.codes.detach()])

    def forward(self, uniforms: Tensor, normals: Tensor, y: Tensor, slot: Tensor) -> Tensor:
        drawn = self._drawn(uniforms, normals, y)
        noise = _digits(uniforms[:, _MIXING:])[:, : self.num_noise]
        if self.config.frozen != "codes":
            return torch.cat([drawn, noise], dim=1)
        is_code = (slot >= 0) & (slot < self.config.codes)
        codes = self.codes[y, torch.where(is_code, slot, 0)]
        held = is_code.nonzero()[:, 0]
        noise = noise.index_put((held,), self.noise_of_codes(y[held], slot[held]))
        return torch.cat([torch.where(is_code[:, None], codes, drawn), noise], dim=1)

    def noise_of_codes(self, y: Tensor, slot: Tensor) -> Tensor:
        """What follows the codes `slot` (N,) of the classes `y` in the frozen set: (N, num_noise)."""
        if self.config.frozen_noise is not True:
            return self.codes.new_zeros(len(y), self.num_noise)
        index = (y * self.config.codes + slot).cpu().numpy()
        drawn = uniforms(index, self.num_uniforms - _MIXING, seed=0, epoch=0, stream="codes")
        return _digits(torch.from_numpy(drawn).to(y.device))[:, : self.num_noise]

    def _drawn(self, uniforms: Tensor, normals: Tensor, y: Tensor) -> Tensor:
        i = (uniforms[:, 0] * self.config.codes).long()
        z = self.codes[y, i]
        if self.config.neighbours:
            j = self.nearest[y, i, (uniforms[:, 1] * self.config.neighbours).long()]
            z = z + (uniforms[:, 2:3] * self.config.reach) * (self.codes[y, j] - z)
        return z + self.scales[y] * normals

    def _nearest_of_class(self, codes: Tensor) -> Tensor:
        """Indices (codes, neighbours) of each code's nearest others.

        Float64, one dimension after the other: a reduction over a whole row may round differently from one vector
        unit to the next, and near-equal codes would change places.
        """
        exact, rows = codes.double(), []
        columns = exact.t().contiguous()
        for start in range(0, len(exact), max(1, _BLOCK_DISTANCES // len(exact))):
            own = columns[:, start : start + max(1, _BLOCK_DISTANCES // len(exact)), None]
            distance = torch.zeros(own.shape[1], len(exact), dtype=torch.float64, device=codes.device)
            for d in range(self.config.dim):
                distance += (columns[d] - own[d]).square()
            distance.diagonal(start).fill_(torch.inf)
            rows.append(distance.argsort(dim=1, stable=True)[:, : self.config.neighbours])
        return torch.cat(rows)


def _digits(uniforms: Tensor) -> Tensor:
    """Three values of noise (N, 3 k), mean 0 and variance 1, out of each of (N, k) uniforms; every step is exact."""
    rest, digits = uniforms, []
    for _ in range(_DIGITS):
        rest = rest * 256
        digits.append(rest.floor())
        rest = rest - digits[-1]
    noise: Tensor = (torch.stack(digits, dim=2).flatten(1) - _DIGIT_MEAN) / _DIGIT_STD
    return noise
