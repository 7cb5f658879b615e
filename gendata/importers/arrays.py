"""NumPy's `.npz` files, sizes checked before memory is taken."""

from __future__ import annotations

import lzma
import math
import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from gendata.errors import SourceError

MAX_ARRAY_BYTES = 4 << 30
_MAX_ENTRIES = 64
# Of a damaged zip file, or one that needs a password.
_UNREADABLE = (zipfile.BadZipFile, RuntimeError, OSError, EOFError, zlib.error, lzma.LZMAError)
_PLAIN = "biuf"  # kinds of dtype: bool, integers, floats


def read_npz(path: Path, names: tuple[str, ...]) -> dict[str, NDArray[Any]]:
    """The arrays `names` of an .npz file; nothing in it is unpickled.

    Raises:
        SourceError: no such file, an array is missing, holds objects, or is larger than its entry.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = {entry.filename.removesuffix(".npy"): entry for entry in archive.infolist()[:_MAX_ENTRIES]}
            missing = [name for name in names if name not in entries]
            if missing:
                raise SourceError(
                    f"holds no array {', '.join(map(repr, missing))}", where=str(path),
                    expected=f"{', '.join(names)}; it has {', '.join(sorted(entries))[:200]}",
                )  # fmt: skip
            return {name: _array(archive, entries[name], f"{path}: {name}") for name in names}
    except _UNREADABLE as error:
        raise SourceError(f"is not a readable .npz ({error})", where=str(path)) from None


def _array(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, where: str) -> NDArray[Any]:
    if entry.file_size > MAX_ARRAY_BYTES:
        raise SourceError(f"unpacks to {entry.file_size} bytes", where=where, expected=f"at most {MAX_ARRAY_BYTES}")
    with archive.open(entry) as file:
        shape, dtype = _header(file, where)
        num_bytes = math.prod(shape) * dtype.itemsize
        if (
            dtype.kind not in _PLAIN
            or dtype.itemsize > 8  # of long doubles torch has none
            or min(shape, default=0) < 0
            or num_bytes > entry.file_size
        ):
            raise SourceError(
                f"has dtype {dtype} and shape {list(shape)[:8]}", where=where,
                expected=f"numbers that fit its {entry.file_size} bytes",
            )  # fmt: skip
    with archive.open(entry) as file:
        try:
            array: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
        except ValueError as error:
            raise SourceError(f"cannot be read ({error})", where=where) from None
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _header(file: IO[bytes], where: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    try:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(file)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError, tokenize.TokenError) as error:
        raise SourceError(f"has no header of NumPy's ({str(error)[:200]})", where=where) from None
    return tuple(map(int, shape)), dtype
