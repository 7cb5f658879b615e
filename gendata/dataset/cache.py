"""Frozen sets on disk: a machine makes each of them once, and all its processes read the same memory-mapped file.

A file appears complete or not at all and is never changed afterwards. Its name says which artifact it is of, how many
images and which kind of machine, since another processor or another torch makes other last bits. One is 4096 bytes of
head (JSON, then spaces), the pixels, and a CRC-32 (uint32, little-endian) for each block of images.
"""

from __future__ import annotations

import functools
import hashlib
import json
import logging
import mmap
import os
import platform
import tempfile
import time
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gendata._cache import cache_folder

_KIND = "frozen"
_FORMAT = "gendata.frozen/1"
_HEAD_BYTES = 4096
_SUFFIX = ".frozen"
_LARGEST_BYTES = 4 << 30  # of one set: more than this is not put into somebody's home unasked
_ABANDONED_SEC = 3600  # a partial file of this age belongs to a process that was killed
# What the user may set that changes which instructions compute an image.
_LIMITS = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "ATEN_CPU_CAPABILITY")

_log = logging.getLogger("gendata")


@dataclass(frozen=True, kw_only=True)
class FrozenKey:
    """Which frozen set, and its form."""

    artifact_id: str
    shape: tuple[int, int, int, int]  # (N, C, H, W)
    dtype: str  # "uint8" or "float32"
    block: int  # images per call of the generator, and per checksum

    @property
    def num_bytes(self) -> int:
        """Bytes of the pixels."""
        return int(np.prod(self.shape, dtype=np.int64)) * np.dtype(self.dtype).itemsize

    @property
    def num_blocks(self) -> int:
        """Number of checksums."""
        return -(-self.shape[0] // self.block)


@dataclass(frozen=True, kw_only=True)
class CachedSet:
    """One file of the cache."""

    path: Path
    artifact_id: str
    shape: tuple[int, ...]  # (N, C, H, W)
    num_bytes: int
    last_used_sec: float  # seconds since 1970


@dataclass(frozen=True)
class MappedSet:
    """A cached frozen set in memory: private pages of a file that nobody changes."""

    path: Path
    pixels: Tensor  # (N, C, H, W)
    checksums: NDArray[np.uint32]


def list_cache() -> list[CachedSet]:
    """The frozen sets in the cache, the one used last first. Files that are none are passed over."""
    found = map(_described, sorted(cache_folder(_KIND).glob(f"*{_SUFFIX}")))
    return sorted(filter(None, found), key=lambda one: -one.last_used_sec)


def clear_cache(artifact_id: str | None = None) -> list[CachedSet]:
    """Removes frozen sets from the cache and returns them. Processes that read them are not disturbed.

    Args:
        artifact_id: only those of this artifact; the first digits suffice. None: all, and what killed processes left.
    """
    chosen = [found for found in list_cache() if found.artifact_id.startswith(artifact_id or "")]
    for found in chosen:
        found.path.unlink(missing_ok=True)
    if artifact_id is None:
        _remove_partial(cache_folder(_KIND), older_than_sec=0)
    return chosen


def frozen_path(key: FrozenKey) -> Path:
    """Where the set of `key` is kept, as this kind of machine makes it."""
    return cache_folder(_KIND) / f"{key.artifact_id}-{key.shape[0]}-{machine_digest()}{_SUFFIX}"


def open_frozen(key: FrozenKey, path: Path) -> MappedSet | None:
    """The set of `key` from its file; None: there is none, or it is damaged."""
    size = _HEAD_BYTES + key.num_bytes + 4 * key.num_blocks
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size != size or file.read(_HEAD_BYTES) != _head(key):
                raise ValueError("its head or its size is not what it should be")
            mapped = mmap.mmap(file.fileno(), size, access=mmap.ACCESS_COPY)
    except (FileNotFoundError, NotADirectoryError, PermissionError):  # none, or somebody else's
        return None
    except (OSError, ValueError) as error:
        discard_frozen(path, str(error))
        return None
    _touch(path)
    dtype = {"uint8": torch.uint8, "float32": torch.float32}[key.dtype]
    pixels = torch.frombuffer(mapped, dtype=dtype, count=int(np.prod(key.shape)), offset=_HEAD_BYTES)
    checksums = np.frombuffer(mapped, dtype="<u4", offset=_HEAD_BYTES + key.num_bytes)
    return MappedSet(path, pixels.view(key.shape), checksums)


def keep_frozen(key: FrozenKey, path: Path, pixels: Tensor) -> None:
    """Writes a complete set, whole or not at all. A cache that cannot be written is no error: the log says so."""
    try:
        if path.exists() or key.num_bytes > _LARGEST_BYTES:
            return
        sums = [block_checksum(pixels, number, key.block) for number in range(key.num_blocks)]
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _remove_partial(path.parent, older_than_sec=_ABANDONED_SEC)
        _write(path, [_head(key), pixels.numpy().data.cast("B"), np.array(sums, dtype="<u4").tobytes()])
    except OSError as error:
        _log.warning("the frozen set is not kept for the next time: %s", error)


def discard_frozen(path: Path, why: str) -> None:
    """Takes a damaged file out of the cache."""
    _log.warning("%s is made again: %s", path, why)
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        _log.warning("%s cannot be removed: %s", path, error)


def block_checksum(pixels: Tensor, number: int, block: int) -> int:
    """CRC-32 of images number * block .. of `pixels`."""
    return zlib.crc32(pixels[number * block : (number + 1) * block].numpy().data)


def machine_facts() -> dict[str, Any]:
    """What decides the last bits of an image on this machine, besides the artifact."""
    return {
        "torch": str(torch.__version__),
        "machine": platform.machine(),
        "isa": torch.backends.cpu.get_cpu_capability(),
        "processor": _processor(),
        "onednn": torch.backends.mkldnn.is_available() and torch.backends.mkldnn.enabled,
        "limits": {name: os.environ[name] for name in _LIMITS if name in os.environ},
    }


def machine_digest() -> str:
    """16 hexadecimal digits that two kinds of machines do not share."""
    return hashlib.sha256(json.dumps(machine_facts(), sort_keys=True).encode()).hexdigest()[:16]


def _head(key: FrozenKey) -> bytes:
    text = json.dumps({"format": _FORMAT, **asdict(key), "made_on": machine_facts()}, sort_keys=True)
    return text.encode()[: _HEAD_BYTES - 1].ljust(_HEAD_BYTES - 1) + b"\n"


def _write(path: Path, parts: list[Any]) -> None:
    descriptor, partial = tempfile.mkstemp(prefix=".partial-", suffix=_SUFFIX, dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            for part in parts:
                file.write(part)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        Path(partial).unlink(missing_ok=True)  # there only if something failed


def _remove_partial(folder: Path, *, older_than_sec: float) -> None:
    for path in folder.glob(f".partial-*{_SUFFIX}"):
        try:
            if time.time() - path.stat().st_mtime >= older_than_sec:
                path.unlink()
        except OSError:  # another process was faster
            continue


def _described(path: Path) -> CachedSet | None:
    try:
        with path.open("rb") as file:
            head = json.loads(file.read(_HEAD_BYTES))
        status = path.stat()
        if head["format"] != _FORMAT:
            return None
        return CachedSet(
            path=path,
            artifact_id=str(head["artifact_id"]),
            shape=tuple(int(size) for size in head["shape"]),
            num_bytes=status.st_size,
            last_used_sec=status.st_mtime,
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _touch(path: Path) -> None:
    try:
        os.utime(path)  # `gendata cache list` says when a set was used last
    except OSError:
        return  # somebody else's file, or a cache that is only read


@functools.cache
def _processor() -> str:
    """The processor's model: libraries choose block sizes, and so the order of sums, by its caches."""
    return next(_model_lines(), platform.processor())


def _model_lines() -> Iterator[str]:
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            lines = file.read(4096).splitlines()  # of the first processor
    except OSError:
        return
    for line in lines:
        name, _, value = line.partition(":")
        if name.strip() in ("model name", "CPU part", "Processor"):
            yield value.strip()
