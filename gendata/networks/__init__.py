"""Classifiers by exact name: embedders of methods, students of evaluation, teachers of soft labels.

A name says all that decides the architecture: "convnet3-w128-in" is three blocks of width 128 with instance norm.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gendata.spec import SampleSpec

if TYPE_CHECKING:
    from gendata.networks.classifier import Classifier


def build_network(name: str, *, spec: SampleSpec, seed: int | None = None) -> Classifier:
    """The classifier called `name` for samples like `spec`, freshly initialised, never pretrained.

    Args:
        name: "convnet{depth}-w{width}-{in|bn|none}" or "mlp{hidden layers}-w{width}".
        spec: input shape and number of classes.
        seed: of the initialisation, leaving torch's global generator as it was; None: draws from the global generator.

    Raises:
        UnknownNameError: no such network, or a name that points outside (with ":" or "/").
        SpecError: the network does not fit the image.
    """
    from gendata.networks.names import construct

    return construct(name, spec=spec, seed=seed)
