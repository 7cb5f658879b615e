"""What a protocol makes depend on images per class, classes, data set or student."""

from __future__ import annotations

import re
from collections.abc import Callable

from msgspec.structs import replace

from gendata.errors import unknown_name
from gendata.evaluation.protocol import Protocol
from gendata.recipe import Choice
from gendata.spec import SampleSpec

Adaptation = Callable[[Protocol, int, SampleSpec, str], Protocol]


def adapted(protocol: Protocol, *, ipc: int, spec: SampleSpec, source_name: str) -> Protocol:
    """`protocol` as it is for this set; the record's own values where nothing is said about it.

    Raises:
        UnknownNameError: there is no such adaptation.
    """
    if protocol.adaptation is None:
        return protocol
    if protocol.adaptation not in _ADAPTATIONS:
        raise unknown_name("adaptation", protocol.adaptation, _ADAPTATIONS)
    return _ADAPTATIONS[protocol.adaptation](protocol, ipc, spec, source_name)


def _dc(protocol: Protocol, ipc: int, spec: SampleSpec, source_name: str) -> Protocol:
    """Students with batch norm are augmented, MNIST for the others too: 1000 epochs then (VICO utils.py:428-445)."""
    if re.fullmatch(r"convnet.*-bn", protocol.network):
        return replace(protocol, epochs=1000, augmentation=(_dc_augmentation("crop_noise"),))
    if source_name == "mnist":
        return replace(protocol, epochs=1000, augmentation=(_dc_augmentation("crop_scale_rotate"),))
    return protocol


def _dc_augmentation(strategy: str) -> Choice:
    return Choice(name="dc", options={"strategy": strategy})


def _idc(protocol: Protocol, ipc: int, spec: SampleSpec, source_name: str) -> Protocol:
    """Of ImageNet subsets the epochs fall with IPC, by a third more with 100 classes (IDC argument.py:22-47).

    Differs from the code, which augments ImageNet otherwise, mixes every batch of it, and from 100 of its classes on
    takes another rate, decay and batch (argument.py:297-308).
    """
    if max(spec.height, spec.width) <= 64:
        return protocol
    bounds = ((1, 3000), (10, 2000), (50, 1500), (200, 1000), (500, 500))
    epochs = next((epochs for most, epochs in bounds if ipc <= most), 300)
    return replace(protocol, epochs=epochs * 2 // 3 // 100 * 100 if spec.num_classes == 100 else epochs)


def _ncfm(protocol: Protocol, ipc: int, spec: SampleSpec, source_name: str) -> Protocol:
    """Fewer passes over the larger sets of Tiny ImageNet (NCFM config/ipc10, ipc50/tinyimagenet.yaml).

    The published IPC counts stored images, of which each holds four: 10 of them are 40 here, or 10 from an importer.
    """
    if not _is_tiny_imagenet(spec) or ipc < 10:
        return protocol
    epochs, every = (300, 50) if ipc < 50 else (40, 5)
    return replace(protocol, epochs=epochs, selection=Choice(name="best", options={"every": every}))


def _rded(protocol: Protocol, ipc: int, spec: SampleSpec, source_name: str) -> Protocol:
    """Batch by IPC and classes, rate by student (RDED argument.py:233-315); whole images up to 64 pixels (scripts/).

    There `--factor 1` leaves of shuffled patches and random crops nothing: crops have a scale of 1 to 1.
    """
    batch = 10 if ipc < 10 else 50 if ipc < 50 else 100
    if spec.num_classes in (100, 1000):
        batch *= 2
    if spec.num_classes == 200:
        batch = 100
    lr = next((rate for name, rate in _RDED_RATES if protocol.network.startswith(name)), protocol.lr)
    if protocol.network.startswith("convnet3") and spec.num_classes == 100:
        lr, batch = 0.002, 25
    augmentation = protocol.augmentation
    if max(spec.height, spec.width) <= 64:
        augmentation = tuple(each for each in augmentation if each.name == "flip")
    return replace(protocol, batch=min(batch, ipc * spec.num_classes), lr=lr, augmentation=augmentation)


def _dc_bench(protocol: Protocol, ipc: int, spec: SampleSpec, source_name: str) -> Protocol:
    """AutoAugment's policy is ImageNet's for Tiny ImageNet, CIFAR-10's for all else (DC-BENCH evaluator_utils.py)."""
    if not _is_tiny_imagenet(spec):
        return protocol
    policies = [
        Choice(name=each.name, options={**each.options, "policy": "imagenet"}) for each in protocol.augmentation
    ]
    return replace(protocol, augmentation=tuple(policies))


def _is_tiny_imagenet(spec: SampleSpec) -> bool:
    return (spec.num_classes, spec.height, spec.width) == (200, 64, 64)


_RDED_RATES = (
    ("vgg11", 5e-4),
    ("efficientnet_b0", 2e-3),
    ("mobilenet_v2", 2.5e-3),
    ("alexnet", 1e-4),
    ("vit_b_16", 1e-4),
    ("swin_v2_t", 1e-4),
)
_ADAPTATIONS: dict[str, Adaptation] = {
    "dc": _dc,
    "dc-bench-autoaug": _dc_bench,
    "idc": _idc,
    "ncfm": _ncfm,
    "rded": _rded,
}
