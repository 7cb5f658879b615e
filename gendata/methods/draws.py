"""Draws keyed by (seed, stage, step, rank): the same whenever, and however often, a step is taken."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from gendata.latents.law import LatentLaw
from gendata.latents.philox import normals, uniforms


def keyed_generator(*key: object) -> torch.Generator:
    """A CPU generator that depends on `key` alone."""
    digest = hashlib.sha256("/".join(map(str, key)).encode()).digest()
    # torch's CPU generator uses the low 32 bits of its seed only.
    return torch.Generator().manual_seed(int.from_bytes(digest[:4], "little"))


class ClassDraws:
    """Class-balanced draws of real samples.

    Args:
        weights: (N,) above 0, how often a sample is drawn, beside others of its class; None: all alike.
    """

    def __init__(self, y: Tensor, num_classes: int, *, weights: Tensor | None = None) -> None:
        labels = y.cpu()
        self._members = [(labels == c).nonzero()[:, 0] for c in range(num_classes)]
        self._weights = None if weights is None else [weights.cpu()[members] for members in self._members]

    def indices(self, classes: Tensor, per_class: int, rng: torch.Generator) -> Tensor:
        """(len(classes) * per_class,) positions, class-major, drawn with replacement."""
        return torch.cat([self._members[c][self._picks(c, per_class, rng)] for c in classes.tolist()])

    def _picks(self, c: int, count: int, rng: torch.Generator) -> Tensor:
        if self._weights is None:
            return torch.randint(len(self._members[c]), (count,), generator=rng)
        return torch.multinomial(self._weights[c], count, replacement=True, generator=rng)


def draw_latents(
    law: LatentLaw, y: Tensor, *, seed: int, stream: str, step: int, forward: Callable[..., Tensor] | None = None
) -> Tensor:
    """Latents (N, dim) for labels (N,), through the law that the artifact will be sampled with.

    Args:
        forward: called in the law's place with what the law takes; None: the law.
    """
    index = np.arange(len(y), dtype=np.int64)
    u = torch.from_numpy(uniforms(index, law.num_uniforms, seed=seed, epoch=step, stream=stream)).to(y.device)
    eps = torch.from_numpy(normals(index, law.num_normals, seed=seed, epoch=step, stream=stream)).to(y.device)
    return (forward or law)(u, eps, y, torch.full_like(y, -1))
