"""Checks that users and extenders run on what they make. Imported at first use: importing this costs nothing."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

__all__ = ["assert_deterministic", "assert_resumable"]

_HOME = {
    "assert_deterministic": "gendata.testing.determinism",
    "assert_resumable": "gendata.testing.resumption",
}

if TYPE_CHECKING:
    from gendata.testing.determinism import assert_deterministic
    from gendata.testing.resumption import assert_resumable


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'gendata.testing' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
