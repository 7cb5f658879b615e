"""An artifact on disk: open it, sample from it, save one."""

from __future__ import annotations

import os
import weakref
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gendata.artifact import layout
from gendata.artifact.canonical import parse_json, sha256_of
from gendata.artifact.draft import Draft, files_of
from gendata.artifact.manifest import Manifest, Normalisation, read_fields, read_manifest
from gendata.artifact.modules import (
    SOFT_LABELS,
    WHITENING_MATRIX,
    WHITENING_MEAN,
    check_shapes,
    load_head,
    load_modules,
)
from gendata.artifact.probes import verify_probes
from gendata.artifact.sampling import SampleKey, fresh_key, frozen_key, latent_pieces, sample_images
from gendata.artifact.space import SpaceName, SpaceTransform, Whitener, fit_whitening, pictures
from gendata.artifact.weights import check_header, decode_weights, read_weights
from gendata.errors import ArtifactError, SpecError
from gendata.generators.generator import Generator
from gendata.generators.label_head import LabelHead, head_probabilities
from gendata.latents.law import LatentLaw
from gendata.spec import SampleSpec

__all__ = ["CondensedArtifact", "Draft", "Normalisation", "open_artifact", "save_artifact"]

MAX_EVALUATIONS_BYTES = 16 << 20


class _Parts(NamedTuple):
    """What the weights file holds."""

    generator: Generator
    law: LatentLaw
    head: LabelHead | None
    soft_labels: Tensor | None
    whitener: Whitener | None


class CondensedArtifact:
    """An opened artifact; `open_artifact` makes it. Its samples follow from (artifact_id, seed, epoch, index) alone.

    Generator and law live on the host, in eval mode; copy them before moving them. The pickle is small: another process
    reads the weights from the folder again.
    """

    def __init__(self, path: Path, manifest: Manifest, *, verify: bool) -> None:
        self.path = path
        self.manifest = manifest
        self._verify = verify
        self._stored: NDArray[np.uint8] | None = None  # bytes of the weights, until they are decoded

    def __repr__(self) -> str:
        spec = self.spec
        return (
            f"CondensedArtifact({str(self.path)!r}, id={self.artifact_id[:12]}, {self.manifest.generator.name}, "
            f"{spec.num_classes} classes of {spec.shape}, ipc={self.ipc}, {self.artifact_bytes} bytes)"
        )

    def __getstate__(self) -> dict[str, Any]:
        return {**{name: value for name, value in self.__dict__.items() if name != "_parts"}, "_stored": None}

    @property
    def artifact_id(self) -> str:
        """sha256 over what decides the samples; the same for everyone who can make the same images."""
        return self.manifest.artifact_id

    @property
    def spec(self) -> SampleSpec:
        return self.manifest.spec

    @property
    def ipc(self) -> int:
        """Images per class of the frozen set."""
        return self.manifest.frozen.ipc

    @property
    def max_ipc(self) -> int:
        """Images per class that are stored: the frozen set's, or more, where a codebook holds a code for more."""
        return max(self.ipc, self.law.num_stored_per_class)

    @property
    def artifact_bytes(self) -> int:
        """Bytes of the tensors that samples and labels need, the file's header included; the manifest's are not."""
        files = self.manifest.files
        return sum(files[name].size for name in layout.NEEDED_TO_SAMPLE)

    @property
    def manifest_bytes(self) -> int:
        """Bytes of config.json, which holds no learned and no per-sample number."""
        return (self.path / layout.MANIFEST).stat().st_size

    @property
    def folder_bytes(self) -> int:
        """Bytes of everything that belongs to the artifact and is present: card, preview and samples too."""
        return layout.folder_bytes(self.path, self.manifest.files)

    @property
    def generator(self) -> Generator:
        return self._parts.generator

    @property
    def law(self) -> LatentLaw:
        return self._parts.law

    @property
    def label_head(self) -> LabelHead | None:
        """What makes soft labels of latents, in float64; None: they are stored, or hard."""
        return self._parts.head

    @property
    def has_fresh_soft_labels(self) -> bool:
        """New images have soft labels too, not only those of the frozen set: a label head makes them."""
        return self.manifest.labels.head is not None

    @property
    def soft_labels(self) -> Tensor | None:
        """(ipc * classes, classes) float32 of the frozen set, as `manifest.labels.values` says; None: hard labels."""
        return self.frozen_soft_labels()

    def label_probabilities(self, *, ipc: int | None = None) -> Tensor | None:
        """(ipc * classes, classes) float32: soft labels as what cross entropy is taken with; None: hard labels.

        Logits by softmax, as DATM does. Targets of a squared error by their largest entry, one-hot, as KIP does where
        it trains by cross entropy.

        Args:
            ipc: as of `frozen_images`.

        Raises:
            SpecError: soft labels are stored, and for fewer images.
        """
        labels, values = self.frozen_soft_labels(ipc=ipc), self.manifest.labels.values
        if labels is None or values == "probabilities":
            return labels
        if values == "logits":
            return labels.softmax(1)
        return torch.nn.functional.one_hot(labels.argmax(1), labels.shape[1]).to(labels.dtype)

    @property
    def sample_dtype(self) -> torch.dtype:
        """uint8: pixels; float32: values in `space`, unclamped."""
        dtype: torch.dtype = getattr(torch, self.manifest.sampling.dtype)
        return dtype

    @property
    def space(self) -> SpaceName:
        """Where samples live: "image": pixels, in [0, 1] where they are floats; else the values a student is fed."""
        return self.manifest.space.name if self.manifest.space else "image"

    def space_transform(self, train_u8: Tensor | None = None) -> SpaceTransform:
        """What brings real images uint8 (N, C, H, W) into the space of the samples, float32.

        Args:
            train_u8: the source's training images; asked for only where a whitening is not stored.

        Raises:
            SpecError: the whitening is not stored, and there are no training images to fit it to.
        """
        space, normal, whitener = self.manifest.space, self.manifest.normalisation, self._parts.whitener
        if space and space.whitening and not space.whitening.stored:
            if train_u8 is None:
                raise SpecError(
                    "the whitening of its samples is named, not stored",
                    where=str(self.path),
                    expected="the training images that it is fitted to",
                    remedy="Give them: artifact.space_transform(train_images).",
                )
            whitener = fit_whitening(train_u8, space.whitening, mean=normal.mean, std=normal.std)
        return SpaceTransform(space, mean=normal.mean, std=normal.std, whitener=whitener)

    def to_space(self, x_u8: Tensor) -> Tensor:
        """Real images uint8 (N, C, H, W) in the space of the samples, float32; see `space_transform`."""
        return self.space_transform()(x_u8)

    def to_pictures(self, x: Tensor) -> Tensor:
        """Samples (N, C, H, W) as uint8 to look at; for whitened ones, whose pixels are lost, stretched values."""
        normal = self.manifest.normalisation
        return pictures(x, self.manifest.space, mean=normal.mean, std=normal.std)

    def frozen_images(self, index: NDArray[np.int64] | None = None, *, ipc: int | None = None) -> tuple[Tensor, Tensor]:
        """Images (N, C, H, W) of `sample_dtype` and labels (N,) int64 of the frozen set, class-major.

        Args:
            index: which ones, any order; None: all of them.
            ipc: so many images per class instead, 1 to `max_ipc`: the first ones, or those of further codes.
        """
        return self._sample(self._frozen_key(index, ipc))

    def frozen_soft_labels(self, index: NDArray[np.int64] | None = None, *, ipc: int | None = None) -> Tensor | None:
        """Labels (N, classes) float32 of the images that `frozen_images` gives, as `manifest.labels.values` says.

        Returns:
            None: the artifact has hard labels only.

        Raises:
            SpecError: soft labels are stored, and for fewer images.
        """
        if self.manifest.labels.kind == "hard":
            return None
        key = self._frozen_key(index, ipc)
        stored = self._parts.soft_labels
        if stored is None:
            return self._head_labels(key)
        if ipc is not None and ipc > self.ipc:
            raise SpecError(
                f"IPC {ipc}: images with soft labels per class: {self.ipc}",
                where=str(self.path),
                expected=f"at most {self.ipc}",
            )
        return stored[torch.from_numpy(key["index"])]

    def fresh_images(
        self, index: NDArray[np.int64], *, samples_per_class: int, seed: int, epoch: int
    ) -> tuple[Tensor, Tensor]:
        """Images (N, C, H, W) of `sample_dtype` and labels (N,) int64, drawn anew for (seed, epoch).

        Args:
            index: which ones of an epoch of samples_per_class * classes, class-major.
            samples_per_class: decides the label of an index, not its randomness.
            seed, epoch: 0 to 2**63 - 1.
        """
        return self._sample(self._fresh_key(index, samples_per_class=samples_per_class, seed=seed, epoch=epoch))

    def fresh_soft_labels(self, index: NDArray[np.int64], *, samples_per_class: int, seed: int, epoch: int) -> Tensor:
        """Probabilities (N, classes) float32 of the images that `fresh_images` makes of the same arguments.

        Raises:
            SpecError: the artifact has no label head.
        """
        if not self.has_fresh_soft_labels:
            raise SpecError("new images have hard labels only", where=str(self.path), expected="a label head")
        key = self._fresh_key(index, samples_per_class=samples_per_class, seed=seed, epoch=epoch)
        return self._head_labels(key)

    def soft_labels_of(self, z: Tensor, y: Tensor) -> Tensor:
        """Probabilities (N, classes) float32 of latents (N, dim) and labels (N,), both on the host, by the label head.

        Raises:
            SpecError: the artifact has no label head. ArtifactError: a label is not finite.
        """
        head = self.label_head
        if head is None:
            raise SpecError("latents have hard labels only", where=str(self.path), expected="a label head")
        labels = head_probabilities(head, z, y, micro_batch=self.manifest.sampling.micro_batch)
        if not labels.isfinite().all():
            raise ArtifactError(
                "its label head gives labels that are not finite", where=str(self.path), expected="probabilities",
                remedy="Use hard labels, and tell the publisher.",
            )  # fmt: skip
        return labels

    def evaluations(self) -> list[dict[str, Any]]:
        """Rows of evaluations.json; none where it is absent.

        Raises:
            ArtifactError: the file is not what the manifest lists, or no list of rows.
        """
        return read_evaluations(self.path, self.manifest, verify=self._verify)

    def check_files(self) -> None:
        """Compares every listed file that is present with its sha256, the weights too; see `open_artifact`.

        Raises:
            IntegrityError: one differs, or a file is not listed; all differences together.
        """
        layout.check_folder(self.path, self.manifest.files, hashes=self.manifest.files)

    def read(self) -> None:
        """Reads and verifies the weights: whatever is kept under the artifact's id, it is of these. They are decoded at
        first use, or before a fork.

        Raises:
            ArtifactError, IntegrityError: see `read_weights`.
        """
        facts = self.manifest.files[layout.WEIGHTS]
        self._stored = read_weights(self.path, self.manifest.weights, facts)
        _UNDECODED.add(self)

    def _sample(self, key: SampleKey) -> tuple[Tensor, Tensor]:
        micro_batch = self.manifest.sampling.micro_batch
        images = sample_images(self.generator, self.law, **key, micro_batch=micro_batch, dtype=self.sample_dtype)
        return images, key["y"]

    def _fresh_key(self, index: NDArray[np.int64], *, samples_per_class: int, seed: int, epoch: int) -> SampleKey:
        if samples_per_class < 1:
            raise SpecError(f"samples_per_class is {samples_per_class}", expected="at least 1")
        index = _checked_index(index, samples_per_class * self.spec.num_classes)
        return fresh_key(index, samples_per_class=samples_per_class, seed=seed, epoch=epoch)

    def _frozen_key(self, index: NDArray[np.int64] | None, ipc: int | None) -> SampleKey:
        ipc = self.ipc if ipc is None else ipc
        if not 1 <= ipc <= self.max_ipc:
            raise SpecError(
                f"IPC {ipc}: images stored per class: {self.max_ipc}",
                where=str(self.path),
                expected=f"1 to {self.max_ipc}",
            )
        count = ipc * self.spec.num_classes
        index = np.arange(count) if index is None else _checked_index(index, count)
        if ipc != self.ipc:  # image k of a class stays the same one
            per_class = max(ipc, self.ipc)
            index = index // ipc * per_class + index % ipc
            return frozen_key(index, ipc=per_class, seed=self.manifest.frozen.seed)
        return frozen_key(index, ipc=ipc, seed=self.manifest.frozen.seed)

    def _head_labels(self, key: SampleKey) -> Tensor:
        pieces = latent_pieces(self.law, key, micro_batch=self.manifest.sampling.micro_batch)
        return torch.cat([self.soft_labels_of(z, y) for z, y in pieces])

    @cached_property
    def _parts(self) -> _Parts:
        if self._stored is None:
            self.read()
        assert self._stored is not None
        tensors = decode_weights(self._stored, self.manifest.weights, where=self.path / layout.WEIGHTS)
        stored = WHITENING_MATRIX in tensors
        generator, law = load_modules(self.manifest, tensors, where=str(self.path / layout.MANIFEST))
        parts = _Parts(
            generator,
            law,
            load_head(self.manifest, tensors, law, where=str(self.path / layout.MANIFEST)),
            soft_labels=tensors.get(SOFT_LABELS),
            whitener=Whitener(tensors[WHITENING_MEAN], tensors[WHITENING_MATRIX]) if stored else None,
        )
        self._stored = None
        _UNDECODED.discard(self)
        return parts


_UNDECODED: weakref.WeakSet[CondensedArtifact] = weakref.WeakSet()


def _decode_before_fork() -> None:
    """Forked workers share what their parent decoded; each of them would keep a copy of its own."""
    for artifact in list(_UNDECODED):
        _ = artifact.generator


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_decode_before_fork)


def open_artifact(path: str | Path, *, verify: Literal["hash", "none", "probe"] = "hash") -> CondensedArtifact:
    """Opens an artifact's folder.

    Args:
        path: the folder. Never written to.
        verify: "hash" reads every file and compares it with the manifest, the weights by their tensors' digest; "none"
            checks structure, sizes and shapes only, and reads and compares the weights at first use; "probe" also makes
            the stored probes again on this machine.

    Raises:
        ArtifactError: no artifact, or one that breaks the format's rules; IntegrityError: bytes differ from the
            manifest; UnsupportedVersionError: needs a newer gendata; UnknownNameError: nobody registered its generator.
    """
    if verify not in ("hash", "none", "probe"):
        raise ArtifactError(f"verify is {verify!r}", expected='"hash", "none" or "probe"')
    folder = Path(path)
    manifest = read_manifest(folder)
    others = set(manifest.files) - {layout.WEIGHTS}  # the weights are read once, below
    layout.check_folder(folder, manifest.files, hashes=() if verify == "none" else others)
    check_shapes(manifest, where=str(folder / layout.MANIFEST))
    check_header(folder, manifest.weights, manifest.files[layout.WEIGHTS])
    artifact = CondensedArtifact(folder, manifest, verify=verify != "none")
    if verify != "none":
        artifact.read()  # a bad weight is reported now, not in the middle of a training run
        artifact.evaluations()
    if verify == "probe":
        if manifest.probes is None:
            raise ArtifactError("has no probes", where=str(folder), remedy='Open it with verify="hash".')
        verify_probes(artifact)
    return artifact


def save_artifact(out: str | Path, draft: Draft, *, preview: bytes | None = None) -> CondensedArtifact:
    """Writes `draft` as the folder `out`, which appears complete or not at all; the same draft gives the same bytes.

    Args:
        out: a name that does not exist yet, or an empty folder. If the same artifact is there, it is left as it is.
        draft: what to save.
        preview: a PNG file's bytes, saved as preview.png.

    Raises:
        ArtifactError: something else is there, or the draft breaks a rule of the format.
    """
    out = Path(out)
    files = files_of(draft, preview=preview, where=str(out / layout.MANIFEST))
    if out.is_dir() and any(out.iterdir()):
        _check_same(out, files)
    else:
        layout.create_folder(out, files)
    return open_artifact(out)


def read_evaluations(folder: Path, manifest: Manifest, *, verify: bool) -> list[dict[str, Any]]:
    """See `CondensedArtifact.evaluations`."""
    path, facts = folder / layout.EVALUATIONS, manifest.files.get(layout.EVALUATIONS)
    if facts is None:
        return []
    if facts.size > MAX_EVALUATIONS_BYTES:
        raise ArtifactError(f"has {facts.size} bytes", where=str(path), expected=f"at most {MAX_EVALUATIONS_BYTES}")
    if not layout.listed_path(folder, layout.EVALUATIONS, facts).exists():
        return []
    rows = parse_json(layout.read_listed(folder, layout.EVALUATIONS, facts, verify=verify), where=str(path))
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ArtifactError("is not a list of rows", where=str(path), expected='[{"row": ..., "mean": ...}, ...]')
    return rows


def _check_same(out: Path, files: dict[str, bytes]) -> None:
    def essence(fields: dict[str, Any]) -> str:
        listed = {name: facts for name, facts in fields["files"].items() if name != layout.EVALUATIONS}
        return sha256_of({**fields, "files": listed, "digest": ""})

    new = parse_json(files[layout.MANIFEST], where=layout.MANIFEST)
    if not (out / layout.MANIFEST).exists() or essence(read_fields(out)) != essence(new):
        raise ArtifactError(
            "holds something else", where=str(out), expected="a name that does not exist yet, or the same artifact",
            remedy="Choose another folder, or move this one away.",
        )  # fmt: skip


def _checked_index(index: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    index = np.asarray(index, dtype=np.int64).reshape(-1)
    if index.size and (index.min() < 0 or index.max() >= count):
        raise SpecError(f"index reaches from {index.min()} to {index.max()}", expected=f"0 to {count - 1}")
    return index
