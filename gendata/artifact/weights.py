"""All tensors of an artifact in one safetensors file.

Packed, the file holds one uint8 tensor `weights`: the bytes of every tensor in the manifest's order. An entry of its
own costs about 100 bytes of header; fifty layers would spend what a small generator weighs.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from torch import Tensor

from gendata.artifact.canonical import canonical, parse_json
from gendata.artifact.layout import WEIGHTS, FileFacts, check_hash, read_array, unreadable
from gendata.artifact.manifest import Weights
from gendata.artifact.storage import FLOATS, PACKED, StorageDtype, TensorEntry, decode, encode, is_finite
from gendata.errors import ArtifactError, IntegrityError

MAX_HEADER_BYTES = 4 << 20  # 10,000 tensors with long names

_PACKED = "weights"
_SCALE = ":scale"  # suffix of a scales entry where tensors are not packed
_SAFETENSORS_DTYPE = {"f32": "F32", "f16": "F16", "bf16": "BF16", "int8": "I8", "int6": "U8", "int4": "U8", "u8": "U8"}
_TORCH_DTYPE = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "I8": torch.int8, "U8": torch.uint8}


def write_weights(
    tensors: Mapping[str, tuple[Tensor, StorageDtype]],
    *,
    packed: bool = True,
    scales: Mapping[str, Tensor] | None = None,
) -> tuple[Weights, bytes, dict[str, Tensor]]:
    """The manifest's block, the file's bytes, and the tensors as a reader will decode them.

    Args:
        scales: of some tensors, by name; see `encode`.
    """
    held = scales or {}
    encoded = [encode(name, *tensors[name], scales=held.get(name)) for name in sorted(tensors)]
    if packed:
        stored = {_PACKED: torch.cat([data for _, data in encoded] or [torch.empty(0, dtype=torch.uint8)])}
    else:
        stored = dict(itertools.chain.from_iterable(_entries(entry, data).items() for entry, data in encoded))
    table = tuple(entry for entry, _ in encoded)
    weights = Weights(packed=packed, sha256=_digest(encoded), tensors=table)
    return weights, safetensors.torch.save(stored), {entry.name: decode(entry, data) for entry, data in encoded}


def check_header(folder: Path, weights: Weights, facts: FileFacts) -> None:
    """Compares the file's header with the manifest's table; reads no weight.

    Raises:
        ArtifactError: no safetensors file, or other names, dtypes or shapes.
    """
    path = folder / WEIGHTS
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8).ljust(8, b"\0"))
            if not 2 <= length <= min(MAX_HEADER_BYTES, facts.size - 8):
                raise ArtifactError(f"has a header of {length} bytes", where=str(path), expected="a safetensors file")
            data = file.read(length)
    except OSError as error:
        raise unreadable(path, error) from None
    header = parse_json(data, where=f"{path}: header")
    if not isinstance(header, dict):
        raise ArtifactError("has a header that is no mapping", where=str(path), expected="a safetensors file")
    found = {name: _structure(entry) for name, entry in header.items() if name != "__metadata__"}
    expected = _expected_header(weights)
    if found != expected:
        names = sorted(name for name in {*found, *expected} if found.get(name) != expected.get(name))
        raise ArtifactError(
            f"entries {', '.join(repr(name[:80]) for name in names[:8])} differ from the manifest's table",
            where=str(path), expected="the names, dtypes and shapes of weights.tensors",
        )  # fmt: skip
    num_bytes = sum(entry.num_bytes for entry in weights.tensors)
    if 8 + length + num_bytes != facts.size:
        raise ArtifactError(
            f"has {facts.size} bytes", where=str(path), expected=f"{8 + length} of header and {num_bytes} of weights"
        )


def read_weights(folder: Path, weights: Weights, facts: FileFacts) -> NDArray[np.uint8]:
    """The file's bytes (facts.size,), which `decode_weights` takes apart.

    The tensors' digest is compared. Where the header is the one that `write_weights` makes, that settles every byte of
    the file, in one pass of hashing; else the file's own hash is compared too.

    Args:
        folder: the artifact; `check_header` has passed.
        weights: the manifest's block.
        facts: size and hash of the file.

    Raises:
        ArtifactError: a weight is not finite, or the file does not parse.
        IntegrityError: the bytes are not those of the manifest.
    """
    path = folder / WEIGHTS
    data = read_array(path, facts)
    if _payload(data, weights) is None:
        check_hash(data.data, facts, where=path)
    encoded = _split(data, weights, where=path)
    if (found := _digest(encoded)) != weights.sha256:
        check_hash(data.data, facts, where=path)  # of a damaged file this tells more
        raise IntegrityError(f"the tensors' digest is {found}", where=str(path), expected=weights.sha256)
    wild = [entry.name for entry, values in encoded if not is_finite(entry, values)]
    if wild:
        raise ArtifactError(f"{', '.join(wild[:8])}: not every value is finite", where=str(path), expected="numbers")
    return data


def decode_weights(data: NDArray[np.uint8], weights: Weights, *, where: Path) -> dict[str, Tensor]:
    """All tensors by name, float32 (u8 as uint8), from what `read_weights` gave."""
    return {entry.name: decode(entry, values) for entry, values in _split(data, weights, where=where)}


def _split(data: NDArray[np.uint8], weights: Weights, *, where: Path) -> list[tuple[TensorEntry, Tensor]]:
    """Each tensor's bytes, in the table's order."""
    payload = _payload(data, weights)
    if payload is not None:
        return _unpacked(weights, torch.from_numpy(payload))
    try:
        stored = safetensors.torch.load(data.tobytes())
    except SafetensorError as error:
        raise ArtifactError(f"is not a safetensors file ({error})", where=str(where)) from None
    return _unpacked(weights, stored[_PACKED]) if weights.packed else _joined(weights, stored)


def _payload(data: NDArray[np.uint8], weights: Weights) -> NDArray[np.uint8] | None:
    """What follows the header, if that says nothing that the manifest does not; else None."""
    header = _plain_header(sum(entry.num_bytes for entry in weights.tensors))
    return data[len(header) :] if weights.packed and data[: len(header)].tobytes() == header else None


def _plain_header(num_bytes: int) -> bytes:
    """The header of a packed file as safetensors writes it: no metadata, blanks up to a multiple of eight bytes."""
    entry = {"dtype": "U8", "shape": [num_bytes], "data_offsets": [0, num_bytes]}
    text = json.dumps({_PACKED: entry}, separators=(",", ":")).encode()
    text = text.ljust(-(-len(text) // 8) * 8)
    return struct.pack("<Q", len(text)) + text


def _digest(encoded: list[tuple[TensorEntry, Tensor]]) -> str:
    digest = hashlib.sha256()
    for entry, data in sorted(encoded, key=lambda pair: pair[0].name):
        digest.update(canonical(msgspec.to_builtins(entry)) + b"\n")
        digest.update(data.numpy().data)
    return digest.hexdigest()


def _entries(entry: TensorEntry, data: Tensor) -> dict[str, Tensor]:
    """The safetensors entries of one tensor that is not packed."""
    split = 2 * entry.num_scales
    dtype = _TORCH_DTYPE[_SAFETENSORS_DTYPE[entry.dtype]]
    values = data[split:].clone().view(dtype)
    entries = {entry.name: values if entry.dtype in PACKED else values.reshape(entry.shape)}
    return {**entries, entry.name + _SCALE: data[:split].clone().view(FLOATS["f16"])} if split else entries


def _expected_header(weights: Weights) -> dict[str, tuple[str, tuple[int, ...]]]:
    if weights.packed:
        return {_PACKED: ("U8", (sum(entry.num_bytes for entry in weights.tensors),))}
    expected = {}
    for entry in weights.tensors:
        shape = (entry.value_bytes,) if entry.dtype in PACKED else entry.shape
        expected[entry.name] = (_SAFETENSORS_DTYPE[entry.dtype], shape)
        if entry.num_scales:
            expected[entry.name + _SCALE] = ("F16", (entry.num_scales,))
    return expected


def _structure(entry: Any) -> tuple[str, tuple[Any, ...]] | None:
    if not isinstance(entry, dict) or not isinstance(entry.get("shape"), list):
        return None
    return str(entry.get("dtype")), tuple(entry["shape"])


def _unpacked(weights: Weights, stored: Tensor) -> list[tuple[TensorEntry, Tensor]]:
    parts = torch.split(stored, [entry.num_bytes for entry in weights.tensors])
    return list(zip(weights.tensors, parts, strict=True))


def _joined(weights: Weights, stored: dict[str, Tensor]) -> list[tuple[TensorEntry, Tensor]]:
    def flat(name: str) -> Tensor:
        return stored[name].contiguous().reshape(-1).view(torch.uint8)

    return [
        (entry, torch.cat([flat(entry.name + _SCALE), flat(entry.name)]) if entry.num_scales else flat(entry.name))
        for entry in weights.tensors
    ]
