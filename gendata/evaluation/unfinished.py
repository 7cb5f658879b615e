"""Networks in training, kept on disk: a command that was killed goes on within them, to the last bit on a CPU."""

from __future__ import annotations

import hashlib
import logging
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from gendata.artifact.canonical import sha256_of
from gendata.evaluation.keeping import keep_file
from gendata.evaluation.result import CurvePoint
from gendata.evaluation.training import Tested, Training
from gendata.training_state import named_tensors, optimiser_tensors, restore, restore_optimiser

_log = logging.getLogger(__name__)
_EVERY_SEC = 120.0  # between two states, which are kept where passes end; shorter trainings are never written
_FORGOTTEN_AFTER_SEC = 30 * 24 * 3600.0  # nobody came back for it


class SoFar(msgspec.Struct, kw_only=True):
    """What is told of a training that has not ended."""

    tests: list[Tested] = []
    curve: list[CurvePoint] = []
    minutes: float = 0.0


class Unfinished:
    """The file of one training.

    Args:
        folder: where it is; None: nothing is kept.
        key: what decides what the training comes to.
        trial: of how many trainings of this key it is.
    """

    def __init__(self, folder: Path | None, key: dict[str, Any], *, trial: int = 0) -> None:
        self._path = None if folder is None else folder / f"{sha256_of(key)}-{trial}.safetensors"
        self._kept = time.monotonic()

    def restore(self, training: Training) -> SoFar:
        """Brings a new training to where the file left it; leaves it as it is, if there is no file of just this one."""
        self._kept = time.monotonic()
        found = self._read()
        if found is None or not _fits(*found, training):
            if self._path is not None and self._path.exists():
                _log.warning("%s is damaged, or of another training: it begins again", self._path)
            return SoFar()
        state, tensors = found
        restore(training.network, tensors, prefix="network")
        restore_optimiser(training.optimiser, tensors)
        for group, rate in zip(training.optimiser.param_groups, state.rates, strict=True):
            group["lr"] = rate
        _restore_random(training.device, tensors)
        training.go_on_after(state.passes, images_seen=state.images_seen)
        _log.info("goes on after pass %d, %.0f minutes", state.passes, state.so_far.minutes)
        return state.so_far

    def keep_now_and_then(self, training: Training, so_far: SoFar) -> None:
        """Replaces the file, if the last time is two minutes ago, or if a training that took as long is done."""
        is_due = time.monotonic() - self._kept >= _EVERY_SEC
        if self._path is None or not (is_due or (training.is_done and 60 * so_far.minutes >= _EVERY_SEC)):
            return
        state = _State(
            set=_digest(training),
            passes=training.finished,
            images_seen=training.images_seen,
            rates=[group["lr"] for group in training.optimiser.param_groups],
            so_far=so_far,
        )
        on_host = {name: tensor.detach().cpu().contiguous() for name, tensor in _tensors(training).items()}
        if not keep_file(self._path, save(on_host, {"state": msgspec.json.encode(state).decode()})):
            self._path = None  # told once
        self._kept = time.monotonic()

    def _read(self) -> tuple[_State, dict[str, Tensor]] | None:
        if self._path is None:
            return None
        try:
            with safe_open(self._path, framework="pt") as file:
                state = msgspec.json.decode(file.metadata()["state"], type=_State)
                return state, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (no dict)
        except (OSError, SafetensorError, msgspec.MsgspecError, KeyError, TypeError):
            return None


def forget(folder: Path | None, key: dict[str, Any]) -> None:
    """Removes the files of a key, whose result is safe elsewhere."""
    _remove(folder, f"{sha256_of(key)}-*.safetensors")


def forget_old(folder: Path | None) -> None:
    """Removes what nobody came back for in thirty days, and what killed processes left half written."""
    _remove(folder, "*.safetensors*", older_than_sec=_FORGOTTEN_AFTER_SEC)


class _State(msgspec.Struct, kw_only=True):
    set: str  # digest of the first pass: a GPU may choose other images the next time
    passes: int
    images_seen: int
    rates: list[float]  # of the optimiser's groups
    so_far: SoFar


def _fits(state: _State, tensors: dict[str, Tensor], training: Training) -> bool:
    """Whether the state is of this training: the network may be another one under the same name."""
    wanted = named_tensors(training.network, prefix="network") | _random(training.device)
    return (
        all(name in tensors and tensors[name].shape == tensor.shape for name, tensor in wanted.items())
        and len(state.rates) == len(training.optimiser.param_groups)
        and state.set == _digest(training)
    )


def _digest(training: Training) -> str:
    digest = hashlib.sha256()
    for tensor in training.feed.images(0):
        digest.update(tensor.cpu().contiguous().numpy().data)
    return digest.hexdigest()


def _tensors(training: Training) -> dict[str, Tensor]:
    return {
        **named_tensors(training.network, prefix="network"),
        **optimiser_tensors(training.optimiser),
        **_random(training.device),
    }


def _random(device: torch.device) -> dict[str, Tensor]:
    """States of torch's global generators, from which dropout draws."""
    states = {"random.cpu": torch.get_rng_state()}
    return states | {"random.cuda": torch.cuda.get_rng_state(device)} if device.type == "cuda" else states


def _restore_random(device: torch.device, tensors: dict[str, Tensor]) -> None:
    torch.set_rng_state(tensors["random.cpu"])
    if device.type == "cuda":
        torch.cuda.set_rng_state(tensors["random.cuda"], device)


def _remove(folder: Path | None, pattern: str, *, older_than_sec: float = 0.0) -> None:
    if folder is None:
        return
    with suppress(OSError):  # what cannot be removed is in nobody's way
        for path in folder.glob(pattern):
            if time.time() - path.stat().st_mtime >= older_than_sec:
                path.unlink()
