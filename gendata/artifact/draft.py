"""What becomes an artifact, and the bytes of its files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec
import torch
from torch import Tensor

from gendata.artifact import layout
from gendata.artifact.card import render_card
from gendata.artifact.manifest import (
    CondensedOn,
    Frozen,
    Head,
    Imported,
    Labels,
    LatentPart,
    Manifest,
    Normalisation,
    Part,
    Sampling,
    Training,
    Versions,
    seal,
    to_bytes,
    typed,
)
from gendata.artifact.modules import (
    LABEL_HEAD,
    SOFT_LABELS,
    WHITENING_MATRIX,
    WHITENING_MEAN,
    check_shapes,
    load_head,
    load_modules,
)
from gendata.artifact.probes import make_probes
from gendata.artifact.space import Space, Whitener
from gendata.artifact.storage import StorageDtype, entry_for, storage_for
from gendata.artifact.weights import write_weights
from gendata.errors import ArtifactError
from gendata.generators.generator import Generator
from gendata.generators.label_head import LabelHead
from gendata.latents.law import LatentLaw
from gendata.latents.philox import RNG
from gendata.recipe import STORAGES, Recipe
from gendata.spec import SampleSpec, SourceFacts

_MAX_PREVIEW_BYTES = 16 << 20
_MAX_PACKED_HEADER_BYTES = 128
_SUM_TOLERANCE = 1e-2  # of a row of probabilities; float16 rounds a thousand of them that far
_PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True, kw_only=True)
class Draft:
    """All that an artifact is made from."""

    generator_name: str  # as registered
    generator: Generator
    latent_name: str  # as registered
    law: LatentLaw
    spec: SampleSpec
    ipc: int  # images per class of the frozen set
    frozen_seed: int
    micro_batch: int  # images per generator call
    # Of tensors with two or more dimensions; others are f16 (f32 with "f32"), uint8 stays. What writes pixels or labels
    # takes no fewer than 8 bits.
    storage: str
    normalisation: Normalisation
    recipe: Recipe | None  # resolved; None: not made by a recipe
    source: SourceFacts | None
    latent_storage: str | None = None  # of the law's tensors; None: `storage`
    license: str | None = None
    citation: str | None = None
    soft_labels: Tensor | None = None  # (ipc * classes, classes) float, of the frozen set; None: hard labels
    label_values: Literal["probabilities", "logits", "targets"] = "probabilities"  # what soft labels are
    label_head: LabelHead | None = None  # makes soft labels of latents; then none are stored
    dtype: Literal["uint8", "float32"] = "uint8"  # of samples; float32: the generator's values, unclamped
    space: Space | None = None  # None: samples are pixels in [0, 1]; another one needs float32
    whitener: Whitener | None = None  # where `space` stores its whitening
    training: Training | None = None
    imported: Imported | None = None
    condensed_on: CondensedOn | None = None
    packed: bool = True  # False: one safetensors entry per tensor, larger and easier to read elsewhere
    scales: Mapping[str, Tensor] = field(default_factory=dict)  # of stored tensors, by name; others lose least


def files_of(draft: Draft, *, preview: bytes | None, where: str) -> dict[str, bytes]:
    """All files of the artifact by name: the same draft gives the same bytes.

    Raises:
        ArtifactError: a weight is not finite or does not fit its storage, or a rule of the format is broken.
    """
    weights, weights_file, tensors = write_weights(_tensors(draft), packed=draft.packed, scales=draft.scales)
    files = {layout.WEIGHTS: weights_file}
    if preview is not None:
        files[layout.PREVIEW] = _checked_png(preview)
    fields: dict[str, Any] = msgspec.to_builtins(
        Manifest(
            generator=Part(
                name=draft.generator_name,
                config=msgspec.to_builtins(draft.generator.config),
                revision=draft.generator.revision,
            ),
            latent=LatentPart(
                name=draft.latent_name,
                config=msgspec.to_builtins(draft.law.config),
                revision=draft.law.revision,
                dim=draft.law.dim,
                rng=RNG,
            ),
            labels=_labels(draft),
            spec=draft.spec,
            frozen=Frozen(ipc=draft.ipc, seed=draft.frozen_seed),
            sampling=Sampling(micro_batch=draft.micro_batch, dtype=draft.dtype),
            weights=weights,
            normalisation=draft.normalisation,
            space=draft.space,
            training=draft.training,
            imported=draft.imported,
            recipe=_told_recipe(draft.recipe),
            recipe_digest=draft.recipe.digest() if draft.recipe else None,
            source=draft.source,
            license=draft.license,
            citation=draft.citation,
            versions=_versions(),
            condensed_on=draft.condensed_on,
            files={name: layout.facts_of(data) for name, data in files.items()},
        )
    )
    try:
        fields = seal(fields)
    except ValueError as error:  # a number that is none
        raise ArtifactError(f"a field cannot be written ({error})", where=where, expected="finite numbers") from None
    fields, files = _with_probes(fields, files, tensors, where=where)
    manifest = typed(fields, where=where)
    return {**files, layout.MANIFEST: to_bytes(fields, where=where), layout.CARD: render_card(manifest)}


def _labels(draft: Draft) -> Labels:
    if draft.soft_labels is not None and draft.label_head is not None:
        raise ArtifactError("soft labels are stored, and a head makes them", expected="one of both")
    soft = draft.soft_labels is not None or draft.label_head is not None
    head = Head(config=draft.label_head.config, revision=draft.label_head.revision) if draft.label_head else None
    return Labels(kind="soft" if soft else "hard", values=draft.label_values, head=head)


def _with_probes(
    fields: dict[str, Any], files: dict[str, bytes], tensors: dict[str, Tensor], *, where: str
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Adds probes drawn from the weights as stored, through the very path a reader takes."""
    manifest = typed(fields, where=where)
    check_shapes(manifest, where=where)
    generator, law = load_modules(manifest, tensors, where=where)
    probes, probes_file = make_probes(manifest, generator, law, load_head(manifest, tensors, law, where=where))
    listed = {**fields["files"], layout.PROBES: msgspec.to_builtins(layout.facts_of(probes_file))}
    fields = {**fields, "probes": msgspec.to_builtins(probes), "files": listed}
    return seal(fields), {**files, layout.PROBES: probes_file}


def stored_bytes(
    generator: Generator,
    law: LatentLaw,
    *,
    storage: str,
    latent_storage: str | None = None,
    label_head: LabelHead | None = None,
) -> int:
    """What a packed artifact of these, which stores no soft labels, would cost; they may be on the meta device.

    Up to 64 bytes too many: of the file's header only the greatest length is known before it is written.
    """
    state, fine = _with_head(_named_state(generator, law), label_head)
    fine |= {f"generator.{name}" for name in generator.pixel_weights}
    storages = {True: _storage(latent_storage or storage), False: _storage(storage)}  # by: of the law
    entries = (
        entry_for(name, tensor, storage_for(tensor, storages[_is_of_law(name)], writes_pixels=name in fine))
        for name, tensor in state.items()
    )
    return _MAX_PACKED_HEADER_BYTES + sum(entry.num_bytes for entry in entries)


def _named_state(generator: Generator, law: LatentLaw) -> dict[str, Tensor]:
    state = {f"generator.{name}": tensor for name, tensor in generator.state_dict().items()}
    return state | {f"latent.{name}": tensor for name, tensor in law.state_dict().items()}


def _with_head(state: dict[str, Tensor], head: LabelHead | None) -> tuple[dict[str, Tensor], set[str]]:
    """The tensors with those of a label head, and the names of these: labels take no fewer than 8 bits."""
    own = {} if head is None else {f"{LABEL_HEAD}{name}": tensor for name, tensor in head.state_dict().items()}
    return state | own, set(own)


def _is_of_law(name: str) -> bool:
    return name.startswith("latent.")


def _tensors(draft: Draft) -> dict[str, tuple[Tensor, StorageDtype]]:
    storage, of_law = _storage(draft.storage), _storage(draft.latent_storage or draft.storage)
    state = _named_state(draft.generator, draft.law)
    if draft.soft_labels is not None:
        state[SOFT_LABELS] = _checked_labels(draft.soft_labels, draft.label_values)
    if draft.whitener is not None:
        state |= {WHITENING_MEAN: draft.whitener.mean, WHITENING_MATRIX: draft.whitener.matrix}
    state, fine = _with_head(state, draft.label_head)
    fine |= {f"generator.{name}" for name in draft.generator.pixel_weights}
    return {
        name: (
            tensor,
            storage_for(tensor, of_law if _is_of_law(name) else storage, writes_pixels=name in fine),
        )
        for name, tensor in state.items()
    }


def _storage(name: str) -> StorageDtype:
    if name not in STORAGES:
        raise ArtifactError(f"storage is {name!r}", expected=f"one of {', '.join(STORAGES)}")
    return name  # type: ignore[return-value]


def _checked_labels(labels: Tensor, values: str) -> Tensor:
    sums = labels.double().sum(1)
    if values == "probabilities" and not bool((labels >= 0).all() and ((sums - 1).abs() < _SUM_TOLERANCE).all()):
        raise ArtifactError(
            f"soft labels reach from {labels.min().item():.3g} to {labels.max().item():.3g}, their sums from "
            f"{sums.min().item():.3g} to {sums.max().item():.3g}",
            expected="probabilities: none below 0, every row's sum 1",
            remedy="Say what they are: label_values is logits or targets.",
        )
    return labels


def _told_recipe(recipe: Recipe | None) -> dict[str, Any] | None:
    if recipe is None:
        return None
    fields: dict[str, Any] = msgspec.to_builtins(recipe)
    del fields["reference"]  # what was measured earlier, with minutes and hardware: no part of this artifact
    return fields


def _versions() -> Versions:
    import gendata

    return Versions(gendata=gendata.__version__, torch=str(torch.__version__))


def _checked_png(preview: bytes) -> bytes:
    if not preview.startswith(_PNG) or len(preview) > _MAX_PREVIEW_BYTES:
        raise ArtifactError(
            f"the preview has {len(preview)} bytes", expected=f"a PNG file of at most {_MAX_PREVIEW_BYTES}"
        )
    return preview
