"""The idx format of the MNIST family, gzipped or not: a magic number, the sizes, then unsigned bytes."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from gendata.errors import SourceError
from gendata.sources.memory import MAX_PIXEL_BYTES

_UINT8 = 0x08  # type code of unsigned bytes, the only type this family uses


def read_idx(path: Path, *, num_dims: int) -> NDArray[np.uint8]:
    """The array in an idx file of unsigned bytes.

    Args:
        num_dims: 3 for images (N, H, W), 1 for labels (N,).

    Raises:
        SourceError: cannot be read, has another magic number, or more or fewer bytes than its header says.
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            return _read_array(file, num_dims=num_dims, where=str(path))
    except (OSError, EOFError, zlib.error) as error:
        raise _damaged(str(path), f"cannot be read ({' '.join(str(error).split())})") from None


def _read_array(file: IO[bytes] | gzip.GzipFile, *, num_dims: int, where: str) -> NDArray[np.uint8]:
    header = file.read(4 + 4 * num_dims)
    magic = bytes([0, 0, _UINT8, num_dims])
    if header[:4] != magic:
        raise SourceError(f"starts with 0x{header[:4].hex()}", where=where, expected=f"0x{magic.hex()} (an idx file)")
    if len(header) < 4 + 4 * num_dims:
        raise _damaged(where, f"ends inside its header, after {len(header)} bytes")
    shape = struct.unpack(f">{num_dims}I", header[4:])
    size = math.prod(shape)
    if size > MAX_PIXEL_BYTES:
        raise _damaged(where, f"its header claims {size} bytes (sizes {shape})")
    data = file.read(size + 1)  # one more than promised shows a surplus without unpacking all of it
    if len(data) != size:
        found = "more" if len(data) > size else f"only {len(data)}"
        raise _damaged(where, f"its header says {size} bytes of data (sizes {shape}), the file holds {found}")
    return np.frombuffer(bytearray(data), dtype=np.uint8).reshape(shape)


def _damaged(where: str, what: str) -> SourceError:
    return SourceError(what, where=where, expected="a complete idx file", remedy="Delete the file and fetch it again.")
