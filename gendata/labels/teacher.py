"""A teacher: a trained network as a folder of two files, safe to open whoever made it.

teacher.json          what it is: network by name, classes, normalisation, training, sha256 of the weights
teacher.safetensors   its weights, float32 or float16

Nothing in it is code: the network is built here, from its name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec
import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

import gendata
from gendata.artifact.canonical import pretty
from gendata.artifact.layout import create_folder, facts_of, read_file
from gendata.artifact.manifest import Normalisation, Versions
from gendata.errors import ArtifactError, IntegrityError
from gendata.labels.record import RECORD, TeacherRecord, Trained, read_record
from gendata.networks import build_network
from gendata.networks.outline import outline
from gendata.spec import SampleSpec, SourceFacts

WEIGHTS = "teacher.safetensors"

Dtype = Literal["f32", "f16"]

_DTYPES: dict[Dtype, torch.dtype] = {"f32": torch.float32, "f16": torch.float16}
_MAX_HEADER_BYTES = 4 << 20  # of a safetensors file
_MAX_FAULTS_TOLD = 8


@dataclass(frozen=True)
class Teacher:
    """An opened teacher; its files were found to be what they were when it was made."""

    path: Path
    record: TeacherRecord
    network: (
        nn.Module
    )  # float32, eval mode, on the CPU, without gradients; images as `normalisation` makes them -> logits
    num_bytes: int  # of both files: what its labels cost
    sha256: str  # over teacher.json, which names the sha256 of the weights: stands for the whole teacher

    @property
    def name(self) -> str:
        """Of the network."""
        return self.record.network

    @property
    def spec(self) -> SampleSpec:
        """Images it takes; its logits are in the order of `spec.classes`."""
        return self.record.spec

    @property
    def normalisation(self) -> Normalisation:
        """Mean and std per channel, of images in [0, 1]."""
        return self.record.normalisation


def open_teacher(path: str | Path) -> Teacher:
    """The teacher in a folder, every byte verified before it is used.

    Raises:
        ArtifactError: no teacher, a record that breaks a rule, or weights that do not fit the network.
        IntegrityError: the weights are not those that the record names.
        UnsupportedVersionError: it needs a newer gendata.
        UnknownNameError, MissingExtraError, SpecError: its network is unknown here, needs timm, or is too large.
    """
    folder = Path(path)
    record, data = read_record(folder)
    with outline():  # shapes first: nothing is allocated for a record that promises what its file does not hold
        expected = _stored(build_network(record.network, spec=record.spec))
    tensors = _read_weights(folder / WEIGHTS, record, {name: tuple(t.shape) for name, t in expected.items()})
    network = build_network(record.network, spec=record.spec, seed=0)
    network.load_state_dict({**network.state_dict(), **tensors})
    return Teacher(
        path=folder,
        record=record,
        network=network.eval().requires_grad_(False),
        num_bytes=len(data) + record.weights.size,
        sha256=hashlib.sha256(data).hexdigest(),
    )


def save_teacher(
    out: Path,
    network: nn.Module,
    *,
    name: str,
    spec: SampleSpec,
    normalisation: Normalisation,
    dtype: Dtype = "f32",
    trained: Trained | None = None,
    source: SourceFacts | None = None,
) -> Teacher:
    """Writes a new folder, which appears complete or not at all, and opens it.

    Args:
        network: what `build_network(name, spec=spec)` makes, with other weights.
        dtype: of the file; see `round_weights`.

    Raises:
        ArtifactError: `out` exists and is not an empty folder, or a weight is not finite in `dtype`.
    """
    tensors = {key: tensor.to(_DTYPES[dtype]).contiguous() for key, tensor in _stored(network).items()}
    _check_finite(tensors, where=str(out / WEIGHTS))
    weights = safetensors.torch.save({key: tensor.cpu() for key, tensor in tensors.items()})
    record = TeacherRecord(
        network=name,
        spec=spec,
        normalisation=normalisation,
        dtype=dtype,
        weights=facts_of(weights),
        trained=trained,
        source=source,
        versions=Versions(gendata=gendata.__version__, torch=torch.__version__.partition("+")[0]),
    )
    create_folder(out, {RECORD: pretty(msgspec.to_builtins(record)), WEIGHTS: weights})
    return open_teacher(out)


@torch.no_grad()
def round_weights(network: nn.Module, dtype: Dtype) -> None:
    """Gives `network` the weights that a reader of `dtype` will find, so that what is measured is what is stored."""
    for tensor in _stored(network).values():
        tensor.copy_(tensor.to(_DTYPES[dtype]))


def _stored(network: nn.Module) -> dict[str, Tensor]:
    """What is learned: floats. Whole numbers, such as counters and tables of positions, are made with the network."""
    return {name: tensor.detach() for name, tensor in network.state_dict().items() if tensor.is_floating_point()}


def _read_weights(path: Path, record: TeacherRecord, expected: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    size, dtype = record.weights.size, _DTYPES[record.dtype]
    num_bytes = sum(torch.Size(shape).numel() for shape in expected.values()) * dtype.itemsize
    if not num_bytes <= size <= num_bytes + _MAX_HEADER_BYTES:
        raise ArtifactError(
            f"has {size} bytes", where=str(path), expected=f"{num_bytes} of weights, for {record.network}, and a header"
        )
    data = read_file(path, max_bytes=size)
    found = hashlib.sha256(data).hexdigest()
    if (len(data), found) != (size, record.weights.sha256):
        raise IntegrityError(
            f"has {len(data)} bytes of sha256 {found}",
            where=str(path),
            expected=f"{size} bytes of {record.weights.sha256}, as {RECORD} says",
            remedy="The copy is incomplete or the file was changed; copy the teacher again.",
        )
    try:
        tensors = safetensors.torch.load(data)
    except SafetensorError as error:
        raise ArtifactError(f"is not a safetensors file ({error})", where=str(path)) from None
    _check_structure(tensors, {name: (shape, dtype) for name, shape in expected.items()}, where=str(path))
    _check_finite(tensors, where=str(path))
    return {name: tensor.to(torch.float32) for name, tensor in tensors.items()}


def _check_structure(
    tensors: Mapping[str, Tensor], expected: Mapping[str, tuple[tuple[int, ...], torch.dtype]], *, where: str
) -> None:
    found = {name: (tuple(tensor.shape), tensor.dtype) for name, tensor in tensors.items()}
    faults = sorted(name for name in {*found, *expected} if found.get(name) != expected.get(name))
    if faults:
        told = ", ".join(repr(name[:80]) for name in faults[:_MAX_FAULTS_TOLD])
        raise ArtifactError(
            f"{len(faults)} tensors are not what the network calls for ({told})",
            where=where,
            expected="its names, shapes and dtype",
        )


def _check_finite(tensors: Mapping[str, Tensor], *, where: str) -> None:
    wild = [name for name, tensor in tensors.items() if not tensor.isfinite().all()]
    if wild:
        raise ArtifactError(
            f"{', '.join(wild[:_MAX_FAULTS_TOLD])}: not every value is finite",
            where=where,
            expected="numbers, in float16 up to 65504",
        )
