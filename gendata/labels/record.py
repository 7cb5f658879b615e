"""teacher.json: what a teacher says about itself."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import msgspec

from gendata.artifact.canonical import parse_json
from gendata.artifact.layout import FileFacts, read_file
from gendata.artifact.manifest import Normalisation, Versions
from gendata.errors import ArtifactError, UnsupportedVersionError
from gendata.spec import SampleSpec, SourceFacts

RECORD = "teacher.json"
FORMAT = "gendata.teacher"
FORMAT_VERSION = 0  # of what is written: a draft, without promise to outsiders
MIN_READER = 0  # oldest reader that understands what is written
NEWEST_READ = 0  # what this reader is
MAX_RECORD_BYTES = 4 << 20

_MAX_SIDE, _MAX_CLASSES = 1 << 14, 1 << 20
_HEX64 = re.compile(r"[0-9a-f]{64}")


class Trained(msgspec.Struct, frozen=True, kw_only=True):
    """How a teacher came about. Test images had no part in it."""

    images: int  # it learned from
    epochs: int  # passes over them
    settings: dict[str, Any] = {}  # optimiser, rate, batch, augmentation, seed: by name
    accuracy: float | None = None  # fraction, of images held out of train, with the weights as stored; None: unknown
    held_out: int = 0  # those images


class TeacherRecord(msgspec.Struct, frozen=True, kw_only=True):
    """teacher.json. Holds no path of a machine; unknown fields are ignored."""

    format: str = FORMAT
    format_version: int = FORMAT_VERSION
    min_reader: int = MIN_READER
    network: str  # see `gendata.networks`
    spec: SampleSpec  # what it takes, and its classes in the order of its logits
    normalisation: Normalisation  # of its images: those of its training set
    dtype: Literal["f32", "f16"]  # of the stored weights
    weights: FileFacts
    trained: Trained | None = None  # None: unknown
    source: SourceFacts | None = None  # None: unknown
    versions: Versions


def read_record(folder: Path) -> tuple[TeacherRecord, bytes]:
    """The record, every rule checked that needs no other file, and the bytes it was read from.

    Raises:
        ArtifactError: no teacher, or all faults of the record in one message.
        UnsupportedVersionError: it needs a newer gendata.
    """
    path = folder / RECORD
    if not folder.is_dir():
        what = "is a file" if folder.is_file() else "no such folder"
        raise ArtifactError(what, where=str(folder), expected="a teacher's folder")
    if not path.exists():
        raise ArtifactError(
            f"holds no {RECORD}", where=str(folder), expected="a teacher", remedy="Make one: gendata teacher train."
        )
    data = read_file(path, max_bytes=MAX_RECORD_BYTES)
    fields = parse_json(data, where=str(path))
    if not isinstance(fields, dict) or fields.get("format") != FORMAT:
        raise ArtifactError("is not a teacher's record", where=str(path), expected=f'"format": "{FORMAT}"')
    _check_version(fields, where=str(path))
    return _typed(fields, where=str(path)), data


def _check_version(fields: dict[str, Any], *, where: str) -> None:
    for name in ("format_version", "min_reader"):
        if type(fields.get(name)) is not int or fields[name] < 0:
            raise ArtifactError(f"{name} is {fields.get(name)!r}", where=where, expected="a whole number from 0 on")
    if fields["min_reader"] > NEWEST_READ:
        raise UnsupportedVersionError(
            f"format_version is {fields['format_version']} and needs a reader of {fields['min_reader']}; "
            f"this gendata reads 0 to {NEWEST_READ}",
            where=where,
            remedy="Upgrade with `pip install -U gendata`, or ask for an older teacher.",
        )


def _typed(fields: dict[str, Any], *, where: str) -> TeacherRecord:
    try:
        record = msgspec.convert(fields, TeacherRecord, strict=True)
    except msgspec.ValidationError as error:
        what, _, field = str(error).partition(" - at `$")
        raise ArtifactError(what[:1].lower() + what[1:], where=f"{where}: {field.strip('.`') or 'record'}") from None
    faults = list(_faults(record))
    if faults:
        raise ArtifactError("; ".join(faults), where=where)
    return record


def _faults(record: TeacherRecord) -> Iterator[str]:
    spec, normal, trained = record.spec, record.normalisation, record.trained
    for name, value, most in (
        ("channels", spec.channels, 64),
        ("height", spec.height, _MAX_SIDE),
        ("width", spec.width, _MAX_SIDE),
        ("number of classes", spec.num_classes, _MAX_CLASSES),
    ):
        if not 1 <= value <= most:
            yield f"spec: {name} is {value}, expected 1 to {most}"
    if not len(normal.mean) == len(normal.std) == spec.channels:
        yield f"normalisation has {len(normal.mean)} means and {len(normal.std)} stds for {spec.channels} channels"
    if not all(std > 0 for std in normal.std):
        yield "normalisation.std holds a number that is not above 0"
    if record.weights.size < 0 or not _HEX64.fullmatch(record.weights.sha256):
        yield "weights: no size and sha256"
    if trained and not (trained.accuracy is None or 0 <= trained.accuracy <= 1):
        yield f"trained.accuracy is {trained.accuracy}, expected a fraction"
    if trained and min(trained.images, trained.epochs, trained.held_out) < 0:
        yield "trained: a count is below 0"
    if not all(map(math.isfinite, (*normal.mean, *normal.std))):
        yield "normalisation holds a number that is not finite"
