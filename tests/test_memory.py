"""A process of gendata's own keeps the memory that it frees."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

_PAGES_OF_ALL_ROUNDS = """
import resource
from gendata._memory import keep_freed_memory

print(keep_freed_memory())
bytearray(2**26)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    block = bytearray(b"x" * 2**26)  # 64 MiB, twice
    del block
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""

glibc_only = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="mallopt is glibc's")


def _faulted_pages(**tuning: str) -> tuple[bool, int]:
    """Whether freed memory is said to be kept, and how often the system had to give a page."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("MALLOC_", "GLIBC_"))}
    done = subprocess.run(
        [sys.executable, "-c", _PAGES_OF_ALL_ROUNDS],
        env={**clean, **tuning},
        check=True,
        capture_output=True,
        text=True,
    )
    kept, pages = done.stdout.split()
    return kept == "True", int(pages)


@glibc_only
def test_large_blocks_are_taken_from_the_system_once() -> None:
    kept, pages = _faulted_pages()
    by_default, default_pages = _faulted_pages(MALLOC_MMAP_THRESHOLD_=str(2**25))

    assert kept and not by_default
    if tuple(map(int, platform.libc_ver()[1].split("."))) >= (2, 35):  # of before, such blocks go back all the same
        assert pages * 3 < default_pages


@glibc_only
@pytest.mark.parametrize("tuning", [{"MALLOC_ARENA_MAX": "1"}, {"GLIBC_TUNABLES": "glibc.malloc.trim_threshold=4096"}])
def test_a_user_who_tunes_malloc_is_followed(tuning: dict[str, str]) -> None:
    kept, _ = _faulted_pages(**tuning)

    assert not kept
