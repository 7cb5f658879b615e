"""Memory that one step of training frees is kept for the next."""

from __future__ import annotations

import ctypes
import os

_MMAP_THRESHOLD, _TRIM_THRESHOLD = -3, -1  # glibc's numbers of mallopt's parameters
_LARGEST_BLOCK, _LARGEST_BLOCK_BEFORE_2_35 = 2**30, 2**25  # bytes; the latter is all that older glibcs take
_MOST_KEPT = 2**31 - 1  # bytes


def keep_freed_memory() -> bool:
    """From now on this process keeps what it frees, up to 2 GiB, instead of giving it back to the system at once.

    Before glibc 2.35, blocks of up to 32 MiB.

    Maps of a batch are larger than what glibc's malloc keeps by itself: it asks the system for each of them anew, and
    the system clears every page of them, in every step. For a process of gendata's own; a library leaves alone how its
    user's process takes memory. An environment variable that tunes malloc is followed instead.

    Returns:
        Whether it does: not where the C library is another one, or the environment tunes it.
    """
    if any(name.startswith("MALLOC_") for name in os.environ) or "glibc.malloc" in os.environ.get("GLIBC_TUNABLES", ""):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # not glibc; TypeError: Windows
        return False
    if not (mallopt(_MMAP_THRESHOLD, _LARGEST_BLOCK) or mallopt(_MMAP_THRESHOLD, _LARGEST_BLOCK_BEFORE_2_35)):
        return False
    return bool(mallopt(_TRIM_THRESHOLD, _MOST_KEPT))
