from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from gendata.errors import SourceError
from gendata.sources.idx import read_idx


def _idx(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


IMAGES = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_an_idx_file_is_read_packed_or_not(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"images{suffix}"
    path.write_bytes(gzip.compress(_idx(IMAGES)) if suffix else _idx(IMAGES))
    assert np.array_equal(read_idx(path, num_dims=3), IMAGES)


def test_labels_are_not_read_as_images(tmp_path: Path) -> None:
    path = tmp_path / "labels"
    path.write_bytes(_idx(np.zeros(5, dtype=np.uint8)))
    with pytest.raises(SourceError, match="starts with 0x00000801; expected 0x00000803"):
        read_idx(path, num_dims=3)


@pytest.mark.parametrize("cut", [2, 6, 20, 39])
def test_a_truncated_file_is_refused_wherever_it_ends(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "images"
    path.write_bytes(_idx(IMAGES)[:cut])
    with pytest.raises(SourceError, match=str(path)):
        read_idx(path, num_dims=3)


def test_a_truncated_gzip_stream_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "images.gz"
    path.write_bytes(gzip.compress(_idx(IMAGES))[:-12])
    with pytest.raises(SourceError, match=r"(?s)cannot be read .*fetch it again"):
        read_idx(path, num_dims=3)


def test_a_file_that_is_not_gzip_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "images.gz"
    path.write_bytes(b"<html>not found</html>")
    with pytest.raises(SourceError, match="cannot be read"):
        read_idx(path, num_dims=3)


def test_bytes_beyond_the_promised_ones_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "images"
    path.write_bytes(_idx(IMAGES) + b"x")
    with pytest.raises(SourceError, match=r"says 24 bytes of data .* holds more"):
        read_idx(path, num_dims=3)


def test_absurd_sizes_are_refused_before_memory_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "images"
    path.write_bytes(bytes([0, 0, 8, 3]) + struct.pack(">3I", 2**31, 2**31, 2**31))
    with pytest.raises(SourceError, match="header claims"):
        read_idx(path, num_dims=3)
