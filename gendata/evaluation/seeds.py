"""Randomness by key: (seed of the run, purpose, pass, step) decides every draw, whatever came before it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch


def derive(*key: int | str) -> int:
    """A seed of 31 bits (any JSON reader keeps it) that is decided by `key` alone."""
    digest = hashlib.sha256("/".join(map(str, ("gendata-evaluation", *key))).encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def generator(*key: int | str) -> torch.Generator:
    """A CPU generator seeded by `key`: draws do not depend on the training device."""
    return torch.Generator().manual_seed(derive(*key))


@contextmanager
def dropout_seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Dropout draws from torch's global generators: they are seeded inside, and afterwards as they were."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(derive(seed, "dropout"))
        yield
