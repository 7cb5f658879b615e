"""The manifest, config.json: what an artifact says about itself.

Rules of change: new fields have defaults; no field changes type or meaning; a removed name is not used again; readers
ignore fields they do not know.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import msgspec

from gendata.artifact.canonical import parse_json, pretty, sha256_of
from gendata.artifact.layout import MANIFEST, WEIGHTS, FileFacts, is_listable, read_file
from gendata.artifact.space import Space
from gendata.artifact.storage import LARGEST, TensorEntry
from gendata.errors import ArtifactError, IntegrityError, UnsupportedVersionError
from gendata.generators.label_head import LabelHeadConfig
from gendata.latents.philox import RNG
from gendata.spec import SampleSpec, SourceFacts

FORMAT = "gendata.condensed"
FORMAT_VERSION = 0  # of what is written: a draft, without promise to outsiders
MIN_READER = 0  # oldest reader that understands what is written
NEWEST_READ = 0  # what this reader is

MAX_MANIFEST_BYTES = 4 << 20
MAX_FROZEN_BYTES = 1 << 34  # of the decoded frozen set: ImageNet at 224 x 224 and IPC 100
MAX_WEIGHT_BYTES = 1 << 34  # of the decoded weights, float32
MAX_TENSORS = 10_000
MAX_MICRO_BATCH = 4096
MAX_TOLERANCE = 2  # steps between uint8 images: a larger one would let other images pass for the same

_HEX64 = re.compile(r"[0-9a-f]{64}")
_PLACE = re.compile(r"[/\\~.]|[A-Za-z]:[/\\]|file:")  # how the name of a file or folder may begin
_MAX_FAULTS_TOLD = 12
# What decides the samples, besides the weights' digest; read as it stands, so that a field this reader does not know
# counts as well.
_IDENTITY = ("format", "generator", "latent", "labels", "spec", "frozen", "sampling")


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A registered name with its resolved options."""

    name: str
    config: dict[str, Any]
    revision: int = 1  # of the code behind the name: the same config and weights may give other samples by another


class LatentPart(Part, frozen=True, kw_only=True):
    """The latent law."""

    dim: int  # length of z
    rng: str  # scheme of the random numbers


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """The label head whose tensors are `labels.head.*`."""

    config: LabelHeadConfig
    revision: int  # of the code behind it, as a generator's


class Labels(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """hard: the class alone. soft: also the tensor `labels.soft` (frozen images, classes), or a head for all images."""

    kind: Literal["hard", "soft"]
    # Of soft labels. probabilities: rows sum to 1; logits: softmax makes them so; targets: of a squared error, largest
    # at the class.
    values: Literal["probabilities", "logits", "targets"] = "probabilities"
    head: Head | None = None  # what makes them of a latent

    @property
    def told(self) -> str:
        """In words, for tables."""
        if self.kind == "hard":
            return "hard"
        return f"soft: {self.values}" + (", of new images too" if self.head else "")


class Frozen(msgspec.Struct, frozen=True, kw_only=True):
    """The frozen set: images 0 .. ipc * classes - 1, class-major."""

    ipc: int  # images per class
    seed: int


class Sampling(msgspec.Struct, frozen=True, kw_only=True):
    """How generator outputs become samples: uint8 from [0, 1], or float32 as they are, unclamped."""

    micro_batch: int  # images per generator call, always full
    rounding: Literal["half-even"] = "half-even"  # of x * 255; of uint8 alone
    dtype: Literal["uint8", "float32"] = "uint8"


class Weights(msgspec.Struct, frozen=True, kw_only=True):
    """What the weights file holds."""

    packed: bool  # one uint8 tensor with all bytes in table order, or one entry per tensor
    sha256: str  # over the table and the tensors' bytes; the same packed or not
    tensors: tuple[TensorEntry, ...]


class Normalisation(msgspec.Struct, frozen=True, kw_only=True):
    """Per channel, of the source's training images in [0, 1]; for evaluation, never applied to the samples.

    Where the samples' space is another than pixels it is part of what they mean, and of artifact_id.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]


class Training(msgspec.Struct, frozen=True, kw_only=True):
    """What the maker of the samples advises whoever trains on them; no part of artifact_id."""

    lr: float | None = None  # learning rate of plain SGD, learned along with the samples (MTT); None: none


class Imported(msgspec.Struct, frozen=True, kw_only=True):
    """Whose files the samples were taken from; no part of artifact_id."""

    layout: str  # as `gendata import --layout` calls it: "dc"
    files: dict[str, str]  # name, without its folder, to sha256
    set_index: int | None = None  # which of several sets in one file; None: there was one
    num_sets: int = 1


class Versions(msgspec.Struct, frozen=True, kw_only=True):
    """What wrote the artifact."""

    gendata: str
    torch: str


class CondensedOn(msgspec.Struct, frozen=True, kw_only=True):
    """The kind of machine that condensed. With recipe, source and `versions` it decides the weights to the last bit."""

    device: str  # its type and how many: "cpu x 1"
    isa: str  # vector instructions of the CPU: "AVX512"
    threads: int  # of torch on the CPU: another number adds in another order

    @property
    def is_cpu(self) -> bool:
        """Whether it was the CPU that computed."""
        return self.device.startswith("cpu")

    @property
    def told(self) -> str:
        """In words."""
        if not self.is_cpu:
            return self.device
        return f"{self.threads} thread{'s' if self.threads != 1 else ''} ({self.device}, {self.isa})"


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """The kind of machine on which samples are bit-equal."""

    torch: str
    device: str  # "cpu"
    isa: str  # vector instructions: "AVX512"


class Probes(msgspec.Struct, frozen=True, kw_only=True):
    """Samples by which a machine can check itself; the images are in probes.safetensors, frozen ones first."""

    frozen: tuple[int, ...]  # indices into the frozen set
    fresh: tuple[int, ...]  # indices of a fresh epoch, with samples_per_class = ipc
    fresh_seed: int
    fresh_epoch: int
    latents_sha256: str  # over z (float32) and y (int64), little-endian, frozen then fresh
    tolerance: int  # largest step between uint8 images that still passes; of float32 ones, in 255ths
    made_on: Machine


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """config.json. Structure, names and digests; no learned and no per-sample number, no time and no host."""

    format: str = FORMAT
    format_version: int = FORMAT_VERSION
    min_reader: int = MIN_READER
    artifact_id: str = ""  # sha256 over what decides the samples
    digest: str = ""  # sha256 over this manifest's canonical form with an empty digest
    generator: Part
    latent: LatentPart
    labels: Labels
    spec: SampleSpec
    frozen: Frozen
    sampling: Sampling
    weights: Weights
    normalisation: Normalisation
    space: Space | None = None  # None: pixels in [0, 1]
    training: Training | None = None
    imported: Imported | None = None  # None: made by gendata
    recipe: dict[str, Any] | None = None  # resolved; None: not made by a recipe
    recipe_digest: str | None = None
    source: SourceFacts | None = None  # None: unknown
    license: str | None = None  # SPDX identifier where one exists; None: not stated
    citation: str | None = None
    versions: Versions
    condensed_on: CondensedOn | None = None  # None: not stated, or not condensed by gendata
    probes: Probes | None = None
    files: dict[str, FileFacts]

    @property
    def num_frozen(self) -> int:
        """Images in the frozen set."""
        return self.frozen.ipc * self.spec.num_classes


def seal(fields: dict[str, Any]) -> dict[str, Any]:
    """`fields` of a manifest with artifact_id and digest as they must be."""
    fields = {**fields, "artifact_id": artifact_id_of(fields)}
    return {**fields, "digest": sha256_of({**fields, "digest": ""})}


def artifact_id_of(fields: dict[str, Any]) -> str:
    """sha256 over what decides the samples: weights, generator, latents, labels, spec, frozen set, sampling, space."""
    identity = {name: fields[name] for name in _IDENTITY}
    if fields.get("space") is not None:
        identity |= {name: fields[name] for name in ("space", "normalisation")}
    return sha256_of({**identity, "weights": fields["weights"]["sha256"]})


def read_fields(folder: Path) -> dict[str, Any]:
    """The manifest as plain data, unknown fields included; format, version and digest checked.

    Raises:
        ArtifactError, UnsupportedVersionError, IntegrityError.
    """
    path = folder / MANIFEST
    if not folder.is_dir():
        what = "is a file" if folder.is_file() else "no such folder"
        raise ArtifactError(what, where=str(folder), expected="an artifact's folder")
    if os.access(folder, os.X_OK) and not path.exists():
        raise ArtifactError(f"holds no {MANIFEST}", where=str(folder), expected="an artifact made by gendata")
    fields = parse_json(read_file(path, max_bytes=MAX_MANIFEST_BYTES), where=str(path))
    if not isinstance(fields, dict) or fields.get("format") != FORMAT:
        raise ArtifactError("is not an artifact's manifest", where=str(path), expected=f'"format": "{FORMAT}"')
    _check_version(fields, where=str(path))
    digest = sha256_of({**fields, "digest": ""})
    if fields.get("digest") != digest:
        raise IntegrityError(
            f"digest is {digest}, the manifest says {str(fields.get('digest'))[:64]}", where=str(path),
            remedy="The file was edited or damaged; fetch it again. To change facts: gendata annotate.",
        )  # fmt: skip
    return fields


def read_manifest(folder: Path) -> Manifest:
    """The typed manifest, every rule checked that needs no other file.

    Raises:
        ArtifactError: all faults in one message; UnsupportedVersionError, IntegrityError.
    """
    fields, where = read_fields(folder), str(folder / MANIFEST)
    manifest = typed(fields, where=where)
    if manifest.artifact_id != artifact_id_of(fields):
        raise IntegrityError(
            f"artifact_id is {artifact_id_of(fields)}, the manifest says {manifest.artifact_id[:64]}", where=where
        )
    return manifest


def typed(fields: dict[str, Any], *, where: str) -> Manifest:
    """`fields` as a Manifest that keeps every rule."""
    try:
        manifest = msgspec.convert(fields, Manifest, strict=True)
    except msgspec.ValidationError as error:
        what, _, field = str(error).partition(" - at `$")
        raise ArtifactError(what[:1].lower() + what[1:], where=f"{where}: {field.strip('.`') or 'manifest'}") from None
    faults = list(_faults(manifest))
    if faults:
        more = f"; and {len(faults) - _MAX_FAULTS_TOLD} more" if len(faults) > _MAX_FAULTS_TOLD else ""
        raise ArtifactError("; ".join(faults[:_MAX_FAULTS_TOLD]) + more, where=where)
    return manifest


def to_bytes(fields: dict[str, Any], *, where: str) -> bytes:
    """The file's bytes of sealed `fields`.

    Raises:
        ArtifactError: it breaks a rule that its readers check.
    """
    typed(fields, where=where)
    data = pretty(fields)
    if len(data) > MAX_MANIFEST_BYTES:
        raise ArtifactError(f"takes {len(data)} bytes", where=where, expected=f"at most {MAX_MANIFEST_BYTES}")
    return data


def _check_version(fields: dict[str, Any], *, where: str) -> None:
    for name in ("format_version", "min_reader"):
        if type(fields.get(name)) is not int or fields[name] < 0:
            raise ArtifactError(f"{name} is {fields.get(name)!r}", where=where, expected="a whole number from 0 on")
    if fields["min_reader"] > NEWEST_READ:
        raise UnsupportedVersionError(
            f"format_version is {fields['format_version']} and needs a reader of {fields['min_reader']}; "
            f"this gendata reads 0 to {NEWEST_READ}",
            where=where,
            remedy="Upgrade with `pip install -U gendata`, or ask the publisher for an older revision.",
        )


def _faults(manifest: Manifest) -> Iterator[str]:
    yield from _spec_faults(manifest)
    yield from _space_faults(manifest)
    yield from _label_faults(manifest)
    yield from _sampling_faults(manifest)
    yield from _weights_faults(manifest)
    yield from _source_faults(manifest)
    yield from _file_faults(manifest)


def _spec_faults(manifest: Manifest) -> Iterator[str]:
    spec, normal = manifest.spec, manifest.normalisation
    for name, value, most in (
        ("channels", spec.channels, 64),
        ("height", spec.height, 1 << 14),
        ("width", spec.width, 1 << 14),
        ("number of classes", spec.num_classes, 1 << 20),
    ):
        if not 1 <= value <= most:
            yield f"spec: {name} is {value}, expected 1 to {most}"
    if not len(normal.mean) == len(normal.std) == spec.channels:
        yield f"normalisation has {len(normal.mean)} means and {len(normal.std)} stds for {spec.channels} channels"
    if not all(std > 0 for std in normal.std):
        yield "normalisation.std holds a number that is not above 0"


def _space_faults(manifest: Manifest) -> Iterator[str]:
    space, training = manifest.space, manifest.training
    if space is not None and manifest.sampling.dtype != "float32":
        yield f"sampling.dtype is {manifest.sampling.dtype!r}, expected 'float32' where space is {space.name!r}"
    if space is not None and (space.name == "zca") != (space.whitening is not None):
        yield f"space is {space.name!r} {'with' if space.whitening else 'without'} a whitening; zca has one, alone"
    if space is not None and space.whitening is not None and not 0 <= space.whitening.ridge < math.inf:
        yield f"space.whitening.ridge is {space.whitening.ridge}, expected 0 or more"
    if training is not None and training.lr is not None and not 0 < training.lr < math.inf:
        yield f"training.lr is {training.lr}, expected above 0"


def _label_faults(manifest: Manifest) -> Iterator[str]:
    labels, num_bytes = manifest.labels, 4 * manifest.num_frozen * manifest.spec.num_classes
    if labels.kind == "hard" and labels.values != "probabilities":
        yield f"labels.values is {labels.values!r}, which hard labels have not"
    if labels.head and (labels.kind, labels.values) != ("soft", "probabilities"):
        yield f"labels.head makes soft probabilities, labels are {labels.kind} {labels.values}"
    if labels.head and num_bytes > MAX_FROZEN_BYTES:
        yield f"soft labels of the frozen set would take {num_bytes} bytes, expected at most {MAX_FROZEN_BYTES}"


def size_faults(spec: SampleSpec, *, ipc: int, micro_batch: int, value_bytes: int) -> Iterator[str]:
    """What samples would take too much room of, at so many bytes a number."""
    for name, count in (("the frozen set", ipc * spec.num_classes), ("a micro-batch", micro_batch)):
        num_bytes = count * spec.num_pixels * value_bytes
        if num_bytes > MAX_FROZEN_BYTES:
            yield f"{name} would take {num_bytes} bytes, expected at most {MAX_FROZEN_BYTES}"


def _sampling_faults(manifest: Manifest) -> Iterator[str]:
    frozen, micro_batch = manifest.frozen, manifest.sampling.micro_batch
    value_bytes = 1 if manifest.sampling.dtype == "uint8" else 4
    if frozen.ipc < 1:
        yield f"frozen.ipc is {frozen.ipc}, expected at least 1"
    if not 0 <= frozen.seed < 2**63:
        yield f"frozen.seed is {frozen.seed}, expected 0 to 2**63 - 1"
    if not 1 <= micro_batch <= MAX_MICRO_BATCH:
        yield f"sampling.micro_batch is {micro_batch}, expected 1 to {MAX_MICRO_BATCH}"
    yield from size_faults(manifest.spec, ipc=frozen.ipc, micro_batch=micro_batch, value_bytes=value_bytes)
    if not 1 <= manifest.latent.dim <= 1 << 20:
        yield f"latent.dim is {manifest.latent.dim}, expected 1 to {1 << 20}"
    if manifest.latent.rng != RNG:
        yield f"latent.rng is {manifest.latent.rng[:80]!r}, this gendata draws {RNG!r}"
    probes = manifest.probes
    if probes and not all(0 <= index < manifest.num_frozen for index in (*probes.frozen, *probes.fresh)):
        yield f"probes name an index outside 0 to {manifest.num_frozen - 1}"
    if probes and not 1 <= len(probes.frozen) + len(probes.fresh) <= 64:
        yield f"probes name {len(probes.frozen) + len(probes.fresh)} samples, expected 1 to 64"
    if probes and not 0 <= probes.tolerance <= MAX_TOLERANCE:
        yield f"probes.tolerance is {probes.tolerance}, expected 0 to {MAX_TOLERANCE}"
    if probes and not (0 <= probes.fresh_seed < 2**63 and 0 <= probes.fresh_epoch < 2**63):
        yield "probes: seed or epoch is not 0 to 2**63 - 1"


def _weights_faults(manifest: Manifest) -> Iterator[str]:
    tensors = manifest.weights.tensors
    if len({entry.name for entry in tensors}) != len(tensors):
        yield "weights.tensors names a tensor twice"
    if len(tensors) > MAX_TENSORS:
        yield f"weights.tensors has {len(tensors)} entries, expected at most {MAX_TENSORS}"
    for entry in tensors:
        label = repr(entry.name[:80])
        if not all(1 <= size < 2**40 for size in entry.shape) or len(entry.shape) > 16:
            yield f"tensor {label} has shape {list(entry.shape)[:16]}"
        elif entry.scale_axis is not None and (
            entry.dtype not in LARGEST or not 0 <= entry.scale_axis < len(entry.shape)
        ):
            yield f"tensor {label} ({entry.dtype}) has scale_axis {entry.scale_axis}"
    if sum(4 * math.prod(entry.shape) for entry in tensors) > MAX_WEIGHT_BYTES:
        yield f"the weights would take more than {MAX_WEIGHT_BYTES} bytes"


def _source_faults(manifest: Manifest) -> Iterator[str]:
    for name, value in (manifest.source.options if manifest.source else {}).items():
        if name == "path" or (isinstance(value, str) and _PLACE.match(value)):
            yield f"source.options.{name[:80]} names a place on this machine, which whoever reads gives: --data FOLDER"


def _file_faults(manifest: Manifest) -> Iterator[str]:
    for name, facts in manifest.files.items():
        if not is_listable(name):
            yield f"files lists {name[:80]!r}, expected a name of the format's table"
        if facts.size < 0 or not _HEX64.fullmatch(facts.sha256):
            yield f"files: {name[:80]!r} has size {facts.size} and sha256 {facts.sha256[:64]!r}"
    if WEIGHTS not in manifest.files:
        yield f"files does not list {WEIGHTS}"
    elif manifest.files[WEIGHTS].size > MAX_WEIGHT_BYTES + (1 << 20):
        yield f"{WEIGHTS} has {manifest.files[WEIGHTS].size} bytes, expected at most {MAX_WEIGHT_BYTES}"
    for name, value in (("artifact_id", manifest.artifact_id), ("weights.sha256", manifest.weights.sha256)):
        if not _HEX64.fullmatch(value):
            yield f"{name} is {value[:64]!r}, expected 64 hex digits"
