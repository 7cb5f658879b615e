"""From what a layout found, and what the user said, to the draft of an artifact. What nobody said is asked for."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from gendata.artifact.artifact import Draft, Normalisation
from gendata.artifact.manifest import Imported, Training
from gendata.errors import SpecError
from gendata.generators.generator import Generator
from gendata.importers.arrangement import arranged
from gendata.importers.data_set import (
    Known,
    classes_of,
    facts_of_source,
    normalisation_of,
    opened,
    source_name,
    spec_of,
)
from gendata.importers.layout import GeneratorFound, ImageSet
from gendata.importers.side_labels import with_soft_labels
from gendata.importers.unsaid import Unsaid
from gendata.importers.values import check_finite, check_pixels, factor_of, fitted, space_of, stored_values
from gendata.importers.wanted import Wanted
from gendata.latents.law import LatentLaw
from gendata.registry import GENERATORS, LATENTS
from gendata.spec import SampleSpec

_MICRO_BATCH_VALUES = 2**24  # of a micro-batch: 64 MiB as float32


class _Bank(NamedTuple):
    name: str
    generator: Generator
    law: LatentLaw
    ipc: int
    values: Any  # "uint8" or "float32"


def bank_draft(found: ImageSet, *, layout: str, wanted: Wanted, where: str) -> Draft:
    """The draft of a bank of images.

    Raises:
        SpecError: something that neither the files nor the user say, or that they say differently.
    """
    found = with_soft_labels(found, wanted)
    name = source_name(found.source, wanted)
    unsaid = Unsaid()
    with unsaid:
        classes = classes_of(found.classes, name, wanted, where=where)
    with unsaid:
        space = space_of(found, wanted, where=where)
    with unsaid:
        normalisation = normalisation_of(found.statistics, name, found.images.shape[1], wanted, where=where)
    unsaid.check()
    table = arranged(found, num_classes=len(classes), wanted=wanted, where=where)
    spec = spec_of(table.images.shape[2:], classes, name, where=where)
    check_finite(table.images, where=where)
    factor = factor_of(found.factor, wanted, where=where)
    if space is None:
        check_pixels(table.images, wanted, where=where)
    if table.soft is not None and factor > 1:
        raise SpecError("soft labels of tiles", where=where, expected="--factor 1, or hard labels")
    known = Known(name, classes, opened(name, wanted))
    space, whitener = fitted(space, normalisation, known, wanted, where=where)
    bank = _bank(stored_values(table.images, space, wanted, where=where), factor, spec)
    return Draft(
        generator_name=bank.name,
        generator=bank.generator,
        latent_name="slot",
        law=bank.law,
        ipc=bank.ipc,
        dtype=bank.values,
        soft_labels=table.soft,
        label_values="probabilities" if table.soft is None else wanted.label_values or found.label_values,
        space=space,
        whitener=whitener,
        training=_training(found.lr, wanted),
        **_shared(found, layout, spec, normalisation, known, wanted),
    )


def _bank(images: Tensor, factor: int, spec: SampleSpec) -> _Bank:
    """A bank of images (classes, slots, C, H, W)."""
    name = "pixel-bank" if factor == 1 else "multi-formation-bank"
    values = "uint8" if images.dtype == torch.uint8 else "float32"
    options = {"slots": images.shape[1], "values": values} | ({} if factor == 1 else {"factor": factor})
    generator = GENERATORS.load(name)(GENERATORS.config(name, options, where=name), spec=spec, latent_dim=1)
    generator.images.copy_(images)
    ipc = images.shape[1] * factor**2
    law = LATENTS.load("slot")(LATENTS.config("slot", {"slots": ipc}, where="slot"), num_classes=spec.num_classes)
    return _Bank(name, generator, law, ipc, values)


def generator_draft(found: GeneratorFound, *, layout: str, wanted: Wanted, where: str) -> Draft:
    """The draft of a generator; its classes have been found by its layout.

    Raises:
        SpecError: something that neither the files nor the user say.
    """
    name = source_name(found.source, wanted)
    channels = found.generator.spec.channels
    unsaid = Unsaid()
    with unsaid:
        classes = classes_of(None, name, wanted, where=where)
    with unsaid:
        normalisation = normalisation_of(found.statistics, name, channels, wanted, where=where)
    with unsaid:
        ipc = _ipc_of(wanted, where=where)
    unsaid.check()
    spec = spec_of(found.generator.spec.shape, classes, name, where=where)
    config = LATENTS.config(found.latent, found.latent_options, where=found.latent)
    return Draft(
        generator_name=found.name,
        generator=found.generator,
        latent_name=found.latent,
        law=LATENTS.load(found.latent)(config, num_classes=len(classes)),
        ipc=ipc,
        training=_training(None, wanted),
        **_shared(found, layout, spec, normalisation, Known(name, classes, opened(name, wanted)), wanted),
    )


def _ipc_of(wanted: Wanted, *, where: str) -> int:
    if wanted.ipc is None:
        raise SpecError(
            "a generator does not say how many images make its frozen set", where=where, expected="images per class",
            remedy="Say it: --ipc 10.",
        )  # fmt: skip
    return wanted.ipc


def _shared(
    found: ImageSet | GeneratorFound,
    layout: str,
    spec: SampleSpec,
    normalisation: Normalisation,
    known: Known,
    wanted: Wanted,
) -> dict[str, Any]:
    index, count = (found.set_index, found.num_sets) if isinstance(found, ImageSet) else (None, 1)
    return {
        "spec": spec,
        "storage": "f16" if wanted.storage == "f16" else "f32",
        "frozen_seed": 0,
        "micro_batch": max(1, min(256, _MICRO_BATCH_VALUES // spec.num_pixels)),
        "normalisation": normalisation,
        "recipe": None,
        "source": facts_of_source(known),
        "license": wanted.license,
        "citation": wanted.citation,
        "imported": Imported(
            layout=layout,
            files={path.name: _sha256(path) for path in found.files},
            set_index=index if count > 1 else None,
            num_sets=count,
        ),
    }


def _training(found: float | None, wanted: Wanted) -> Training | None:
    lr = found if wanted.lr is None else wanted.lr
    if lr is not None and not 0 < lr < math.inf:
        raise SpecError(f"the learned rate is {lr}", expected="a finite number above 0", remedy="Give it: --lr 0.01.")
    return None if lr is None else Training(lr=lr)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while block := file.read(1 << 20):
            digest.update(block)
        return digest.hexdigest()
