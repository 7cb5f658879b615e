"""Evaluation protocols: frozen records in which every quirk is a field.

A field that is a name selects a function from the table of that kind (`schedules`, `batching`, `steps`, `selection`,
`augmentations`); a number is a number. A published protocol never changes: a correction gets a new version.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from gendata.errors import SpecError, unknown_name
from gendata.recipe import Choice


class Protocol(msgspec.Struct, frozen=True, kw_only=True):
    """How one student is trained and tested."""

    name: str  # "dsa/v1"
    status: Literal["exact", "implemented", "declared"]  # shown equal to the published loop, unchecked, refuses to run
    summary: str
    network: str  # the student, see `gendata.networks`
    optimiser: Choice  # see `optimisers`
    lr: float  # at the start
    epochs: int  # E of the papers
    extra_pass: bool  # the published loops count range(E + 1): one pass more than they say
    schedule: Choice  # what happens to the optimiser as passes end, see `schedules`
    batch: int  # images per step
    batching: str  # how a pass is cut into steps, see `batching`
    augmentation: Choice | None  # on normalised images, see `augmentations`; None: none
    no_flip_sources: tuple[str, ...]  # sources of which a mirrored image is another class: flip leaves the strategy
    step: str  # the loss, see `steps`
    selection: str  # which test counts, see `selection`
    spread: Literal["population"]  # std over networks: divided by n
    runs: int  # networks per row when the caller does not say
    full_epochs: int  # E of the row real-full, which no published protocol fixes: ours

    @property
    def passes(self) -> int:
        """Passes over the set that a student really makes."""
        return self.epochs + self.extra_pass


_DIGITS = ("digits", "mnist", "svhn", "usps")
_SGD = Choice(name="sgd", options={"momentum": 0.9, "weight_decay": 5e-4})

DC = Protocol(
    name="dc/v1",
    status="implemented",
    summary="Dataset Condensation (Zhao, Mopuri, Bilen 2021): SGD, no augmentation, 301 passes.",
    network="convnet3-w128-in",
    optimiser=_SGD,
    lr=0.01,
    epochs=300,
    extra_pass=True,
    schedule=Choice(name="drop-renewed", options={"after": "half-plus-one", "factor": 0.1}),
    batch=256,
    batching="shuffled-keep-last",
    augmentation=None,
    no_flip_sources=_DIGITS,
    step="cross-entropy",
    selection="last-pass",
    spread="population",
    runs=5,  # published: 5 sets x 20 networks
    full_epochs=30,
)

DSA = msgspec.structs.replace(
    DC,
    name="dsa/v1",
    summary="Differentiable Siamese Augmentation (Zhao, Bilen 2021): as dc/v1 with DSA, 1001 passes.",
    epochs=1000,
    augmentation=Choice(
        name="dsa",
        options={
            "strategy": "color_crop_cutout_flip_scale_rotate",
            "brightness": 1.0,
            "saturation": 2.0,
            "contrast": 0.5,
            "crop_pad": 0.125,
            "cutout": 0.5,
            "flip": 0.5,
            "scale": 1.2,
            "rotate": 15.0,
            "align_corners": False,
        },
    ),
)

QUICK = msgspec.structs.replace(
    DSA,
    name="quick/v1",
    summary="Ours, for a CPU: a ConvNet of width 32, 300 passes of SGD at 0.05 with one drop, DSA.",
    network="convnet3-w32-in",
    lr=0.05,
    epochs=300,
    extra_pass=False,
    schedule=Choice(name="drop", options={"after": "two-thirds", "factor": 0.1}),
    runs=3,
    full_epochs=40,
)

PROTOCOLS = {protocol.name: protocol for protocol in (QUICK, DC, DSA)}


def get_protocol(name: str) -> Protocol:
    """The protocol called `name`; without "/v1" the newest of that name.

    Raises:
        UnknownNameError: with the nearest names.
    """
    versions = sorted((known for known in PROTOCOLS if known.partition("/")[0] == name), key=_version)
    full_name = versions[-1] if versions else name
    if full_name not in PROTOCOLS:
        raise unknown_name("protocol", name, PROTOCOLS)
    return PROTOCOLS[full_name]


def require_runnable(protocol: Protocol) -> None:
    """Raises SpecError for a protocol that is only declared."""
    if protocol.status == "declared":
        raise SpecError(
            f"the protocol {protocol.name} is declared, not implemented",
            expected="a protocol that is exact or implemented",
        )


def _version(name: str) -> int:
    return int(name.rpartition("/v")[2])
