"""Protocols in words: what each setting means, and what is different between two."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from gendata.evaluation.protocol import Protocol
from gendata.recipe import Choice

# Field -> what it is, as a reader who knows no paper would ask.
MEANINGS = {
    "source": "values read in",
    "network": "student",
    "optimiser": "optimiser",
    "lr": "learning rate at the start",
    "learned_lr": "uses a rate that the artifact carries",
    "lr_trials": "rates tried on test data",
    "epochs": "epochs, as the paper counts",
    "extra_pass": "one pass more than that",
    "schedule": "learning rate over time",
    "batch": "images per step",
    "micro_batch": "images per forward pass",
    "batching": "how a pass is cut into steps",
    "drawing": "what a pass is made of",
    "adaptation": "depends on IPC, classes or student by the rules of",
    "statistics": "images are normalised by",
    "augmentation": "augmentation",
    "mixing": "mixing of images and labels",
    "no_flip_sources": "never mirrored",
    "step": "loss",
    "teacher": "labels come from a teacher",
    "test_mode": "mode of the student when tested",
    "test_view": "done to test images",
    "selection": "which test is reported",
    "test_picks_artifact": "published sets were picked on test data",
    "spread": "spread over networks",
    "runs": "networks per row",
    "full_epochs": "epochs of real-full (ours)",
}
# Name of a function -> what it does, for readers of a table.
WORDS = {
    "schedule": {
        "constant": "never changes",
        "drop": "one drop, momentum kept",
        "drop-renewed": "one drop, by a new optimiser: momentum is lost",
        "multi-step": "several drops, momentum kept",
        "cosine": "falls to nothing along half a cosine wave",
        "half-cosine": "falls to half along a quarter of a cosine wave",
    },
    "batching": {
        "shuffled-keep-last": "shuffled, a last partial step kept",
        "shuffled-drop-last": "shuffled, a last partial step dropped",
        "in-order": "in the order in which images were drawn",
    },
    "drawing": {
        "whole-set": "IPC images of every class, each once",
        "dim": "10 x IPC // batch + 1 whole batches of random labels",
    },
    "statistics": {
        "artifact": "mean and std of the data set's own training images",
        "imagenet": "ImageNet's mean and std",
        "dim": "the constants in DiM's code",
    },
    "step": {
        "cross-entropy": "cross entropy with the labels",
        "teacher-divergence": "divergence from the teacher's softened answer",
    },
    "selection": {"last-pass": "the only one, after the last pass", "best": "the best of several, seen on test data"},
    "augmentation": {
        "dsa": "DSA: one random operation for the whole batch",
        "diffaug": "DiffAug: flip, colour and cutout always where they are named, one of the others",
    },
}
_NOT_SETTINGS = ("name", "status", "summary")


class Difference(NamedTuple):
    """One setting of two protocols."""

    setting: str  # in words
    first: str
    second: str


def settings(protocol: Protocol) -> dict[str, str]:
    """Every setting by its meaning, as text."""
    return {MEANINGS[name]: _text(name, getattr(protocol, name)) for name in _names()}


def differences(first: Protocol, second: Protocol) -> list[Difference]:
    """The settings in which two protocols are not the same, in the order of the record.

    Of one function with other options, only the options that differ are told.
    """
    found = []
    for name in _names():
        one, other = getattr(first, name), getattr(second, name)
        if one != other:
            found.append(Difference(MEANINGS[name], *_contrast(name, one, other)))
    return found


def _names() -> list[str]:
    return [field.name for field in msgspec.structs.fields(Protocol) if field.name not in _NOT_SETTINGS]


def _contrast(field: str, one: Any, other: Any) -> tuple[str, str]:
    single = [value[0] if isinstance(value, tuple) and len(value) == 1 else value for value in (one, other)]
    if all(isinstance(value, Choice) for value in single) and single[0].name == single[1].name:
        kept = [
            {key: value for key, value in mine.options.items() if theirs.options.get(key) != value}
            for mine, theirs in (single, single[::-1])
        ]
        first, second = (_function(field, single[0].name, options) for options in kept)
        return first, second
    return _text(field, one), _text(field, other)


def _text(field: str, value: Any) -> str:
    if value is None or value == ():
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Choice):
        return _function(field, value.name, value.options)
    if isinstance(value, tuple):
        texts = [_text(field, part) for part in value]
        return ", then ".join(texts) if isinstance(value[0], Choice) else ", ".join(texts)
    return WORDS.get(field, {}).get(value, str(value)) if isinstance(value, str) else str(value)


def _function(field: str, name: str, options: Mapping[str, Any]) -> str:
    told = ", ".join(f"{key} {' '.join(map(str, v)) if isinstance(v, list) else v}" for key, v in options.items())
    words = WORDS.get(field, {}).get(name, name)
    return f"{words} ({told})" if told else words
