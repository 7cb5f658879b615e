"""What one network came to."""

from __future__ import annotations

import msgspec


class CurvePoint(msgspec.Struct, frozen=True, kw_only=True):
    """One point of a training curve."""

    passes: int  # done
    loss: float | None  # mean over the pass; None: not finite
    accuracy: float | None = None  # on test images, where the protocol tested


class NetworkResult(msgspec.Struct, frozen=True, kw_only=True):
    """One network, trained and tested. Accuracies are fractions of the test set."""

    reported: float  # as the protocol selects
    last: float  # after the last pass
    best: float  # of the tests that were made
    per_class: tuple[float, ...]  # after the last pass, in label order
    lr: float  # at the start
    images_seen: int
    distinct_images: int
    bytes: int | None
    steps: int
    passes: int
    minutes: float
    curve: tuple[CurvePoint, ...]
    note: str = ""  # what a reader must know of the images it saw
    corrupted: dict[str, float] = {}  # corruption -> accuracy, mean over severities
