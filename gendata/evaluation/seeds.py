"""Randomness by key: (seed of the run, purpose, pass, step) decides every draw, whatever came before it."""

from __future__ import annotations

import hashlib

import torch


def derive(*key: int | str) -> int:
    """A seed of 31 bits (any JSON reader keeps it) that is decided by `key` alone."""
    digest = hashlib.sha256("/".join(map(str, ("gendata-evaluation", *key))).encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def generator(*key: int | str) -> torch.Generator:
    """A CPU generator seeded by `key`: draws do not depend on the training device."""
    return torch.Generator().manual_seed(derive(*key))
