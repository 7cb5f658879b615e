"""Draws keyed by (seed, stage, step, rank): the same whenever, and however often, a step is taken."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from gendata.latents.law import LatentLaw
from gendata.latents.philox import normals, uniforms


def keyed_seed(*key: object) -> int:
    """A seed of 32 bits that depends on `key` alone: torch's CPU generator uses no more."""
    digest = hashlib.sha256("/".join(map(str, key)).encode()).digest()
    return int.from_bytes(digest[:4], "little")


def keyed_generator(*key: object) -> torch.Generator:
    """A CPU generator that depends on `key` alone."""
    return torch.Generator().manual_seed(keyed_seed(*key))


@contextmanager
def globally_seeded(seed: int, device: torch.device) -> Iterator[None]:
    """For dropout, which draws from torch's global generators: seeded inside; those of CPU and CUDA are afterwards as
    before.
    """
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


class ClassDraws:
    """Class-balanced draws of real samples."""

    def __init__(self, y: Tensor, num_classes: int) -> None:
        labels = y.cpu()
        self._members = [(labels == c).nonzero()[:, 0] for c in range(num_classes)]

    def indices(
        self, classes: Tensor, per_class: int, rng: torch.Generator, *, weights: Tensor | None = None
    ) -> Tensor:
        """(len(classes) * per_class,) positions, class-major, drawn with replacement.

        Args:
            weights: (N,) on the host, how often each sample is drawn beside the others of its class; None: evenly.
        """
        rows = []
        for c in classes.tolist():
            members = self._members[c]
            if weights is None:
                picks = torch.randint(len(members), (per_class,), generator=rng)
            else:
                picks = torch.multinomial(weights[members], per_class, replacement=True, generator=rng)
            rows.append(members[picks])
        return torch.cat(rows)


def draw_latents(
    law: LatentLaw, y: Tensor, *, seed: int, stream: str, step: int, forward: Callable[..., Tensor] | None = None
) -> Tensor:
    """Latents (N, dim) for labels (N,), through the law that the artifact will be sampled with. A codebook's codes mix
    with the neighbours that they had when it was last prepared.

    Args:
        forward: called in the law's place with what the law takes; None: the law.
    """
    index = np.arange(len(y), dtype=np.int64)
    u = torch.from_numpy(uniforms(index, law.num_uniforms, seed=seed, epoch=step, stream=stream)).to(y.device)
    eps = torch.from_numpy(normals(index, law.num_normals, seed=seed, epoch=step, stream=stream)).to(y.device)
    return (forward or law)(u, eps, y, torch.full_like(y, -1))
