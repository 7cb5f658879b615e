"""Training a teacher: a network that learns all of train, but for the images on which it is judged."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import msgspec
import torch
from torch import nn

from gendata._cache import cache_folder
from gendata.artifact.manifest import Normalisation
from gendata.errors import ArtifactError
from gendata.evaluation.batching import batching_of
from gendata.evaluation.devices import device_of
from gendata.evaluation.ledger import REVISION, machine_of
from gendata.evaluation.preparation import Normaliser, Preparation, preparation_of
from gendata.evaluation.progress import Progress, Silence
from gendata.evaluation.protocol import Protocol
from gendata.evaluation.protocols import QUICK
from gendata.evaluation.seeds import derive
from gendata.evaluation.training import Feed, Training, tested
from gendata.evaluation.unfinished import Unfinished, forget, forget_old
from gendata.labels.record import Trained
from gendata.labels.teacher import Dtype, Teacher, round_weights, save_teacher
from gendata.methods.draws import globally_seeded
from gendata.networks import build_network
from gendata.recipe import Choice
from gendata.sources.source import Source, Split, hold_out, open_source, pixel_statistics

_SHOWN_IMAGES = 600_000  # about so many are shown in all when nobody says otherwise: minutes on two cores
_LEAST_EPOCHS, _MOST_EPOCHS = 10, 40
_CROP = 8  # images are moved by up to a so-manieth of their side


def train_teacher(
    source: Source | str,
    *,
    network: str,
    out: Path,
    epochs: int | None = None,
    lr: float = 0.05,
    dtype: Dtype = "f32",
    seed: int = 0,
    device: str | None = None,
    data_root: Path | None = None,
    progress: Progress | None = None,
) -> Teacher:
    """Trains a network on train and keeps it as a teacher's folder.

    SGD with Nesterov momentum, a cosine per pass, shifted and (unless a mirrored image is another class) flipped
    images, cross entropy. A tenth of train, at most 500 images per class, is held out: it measures the network after
    the last pass and chooses nothing. Test images are not read. Killed and called again, it goes on after the pass that
    was kept last, in $GENDATA_CACHE/teachers.

    Args:
        source: real data, or its registered name.
        network: see `gendata.networks`.
        out: the folder to make.
        epochs: passes; None: enough to show 600,000 images, between 10 and 40.
        lr: at the start.
        dtype: of the stored weights; the measured accuracy is theirs.
        seed: of first weights, shuffles, shifts, flips and dropout.
        device: "cpu", "cuda"; None: a GPU if there is one.
        data_root: where local copies of a named source are.
        progress: is told that it began and about steps.

    Raises:
        ArtifactError: `out` exists and is not an empty folder, or training left weights that are not finite.
        UnknownNameError, MissingExtraError, SpecError: the network cannot be had for these images, or there is no such
            device.
        SourceError: the data cannot be read, or a class has a single image.
    """
    _check_free(out)
    chosen = device_of(device)
    opened = open_source(Choice(name=source), data_root=data_root) if isinstance(source, str) else source
    fit, held_out = hold_out(opened.split("train"))
    protocol = _protocol(opened, network, num_images=len(fit.y), epochs=epochs, lr=lr)
    statistics = pixel_statistics(fit)
    prepare = preparation_of(protocol, source_name=opened.name, normalise=Normaliser(*statistics))
    pupil = build_network(network, spec=opened.spec, seed=derive(seed, "network")).to(chosen)
    folder, key = cache_folder("teachers"), _key(opened, protocol, seed=seed, device=chosen)
    forget_old(folder)
    _train(pupil, fit, protocol, prepare, seed=seed, progress=progress or Silence(), kept=Unfinished(folder, key))
    round_weights(pupil, dtype)
    teacher = save_teacher(
        out,
        pupil,
        name=network,
        spec=opened.spec,
        normalisation=Normalisation(mean=statistics[0], std=statistics[1]),
        dtype=dtype,
        trained=Trained(
            images=len(fit.y),
            epochs=protocol.epochs,
            settings=_settings(protocol, seed=seed, device=chosen),
            accuracy=tested(pupil, (held_out.x, held_out.y), prepare=prepare).accuracy,
            held_out=len(held_out.y),
        ),
        source=opened.facts(),
    )
    forget(folder, key)
    return teacher


def _key(source: Source, protocol: Protocol, *, seed: int, device: torch.device) -> dict[str, Any]:
    """What decides the weights before they are rounded."""
    return {
        "revision": REVISION,
        "protocol": msgspec.to_builtins(protocol),
        "source": source.name,
        "fingerprint": source.fingerprint,
        "seed": seed,
        "machine": machine_of(device, torch.get_num_threads()),
    }


def _train(
    pupil: nn.Module,
    fit: Split,
    protocol: Protocol,
    prepare: Preparation,
    *,
    seed: int,
    progress: Progress,
    kept: Unfinished,
) -> None:
    steps = len(batching_of(protocol.batching)(len(fit.y), protocol.batch, torch.Generator()))
    images = (fit.x, fit.y)
    feed = Feed(
        images=lambda index: images,
        protocol=protocol,
        steps_per_pass=steps,
        distinct_images=len(fit.y),
        num_bytes=None,
    )
    progress.begin("teacher", protocol.network, steps=feed.steps)
    with globally_seeded(derive(seed, "dropout"), next(pupil.parameters()).device):
        training = Training(pupil, feed, seed=seed, prepare=prepare)
        so_far = kept.restore(training)
        started = time.monotonic() - 60 * so_far.minutes
        progress.advance(training.finished * steps)
        while not training.is_done:
            training.run_pass()
            progress.advance(steps)
            so_far.minutes = (time.monotonic() - started) / 60
            kept.keep_now_and_then(training, so_far)


def _protocol(source: Source, network: str, *, num_images: int, epochs: int | None, lr: float) -> Protocol:
    """How a teacher is trained, in the terms in which students are."""
    shown = max(_LEAST_EPOCHS, min(_MOST_EPOCHS, round(_SHOWN_IMAGES / num_images)))
    shift_px = min(source.spec.height, source.spec.width) // _CROP
    return Protocol(
        name="teacher/v1",
        status="implemented",
        summary="Ours: SGD, cosine, shifts and flips, on all of train but what is held out.",
        network=network,
        optimiser=Choice(name="sgd", options={"momentum": 0.9, "weight_decay": 5e-4, "nesterov": True}),
        lr=lr,
        epochs=shown if epochs is None else epochs,
        extra_pass=False,
        schedule=Choice(name="cosine"),
        batch=128 if num_images >= 10_000 else 64,
        batching="shuffled-drop-last",  # batch norm cannot learn from a single image
        augmentation=(Choice(name="padded-crop", options={"padding_px": shift_px, "flip": 0.0}), Choice(name="flip")),
        no_flip_sources=QUICK.no_flip_sources,
        step=Choice(name="cross-entropy"),
        selection=Choice(name="last-pass"),
        spread="population",
        runs=1,
        full_epochs=0,
    )


def _settings(protocol: Protocol, *, seed: int, device: torch.device) -> dict[str, Any]:
    named = ("optimiser", "lr", "schedule", "batch", "batching", "augmentation", "no_flip_sources", "step")
    fields = msgspec.to_builtins(protocol)
    return {"protocol": protocol.name, **{name: fields[name] for name in named}, "seed": seed, "device": device.type}


def _check_free(out: Path) -> None:
    """Before hours of training, not after them."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ArtifactError(
            "exists already", where=str(out), expected="a new folder", remedy="Choose another, or move this one away."
        )
