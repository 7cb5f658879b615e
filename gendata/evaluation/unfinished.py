"""A network in training, kept on disk: a command that was killed goes on within it, to the last bit on a CPU."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

import msgspec
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from gendata.checkpoint import named_tensors, optimiser_tensors, restore, restore_optimiser
from gendata.evaluation.ledger import keep_file
from gendata.evaluation.result import CurvePoint
from gendata.evaluation.training import Tested, Training

_EVERY_SEC = 120.0  # what a kill costs at most; a network that needs less is never written
_FORGOTTEN_AFTER_SEC = 30 * 24 * 3600.0  # nobody came back for it


class Record(msgspec.Struct, kw_only=True):
    """What is told of a training so far."""

    tests: list[Tested] = []
    curve: list[CurvePoint] = []
    minutes: float = 0.0


class Unfinished:
    """The file of one network; it exists while that network is in training, and after a kill.

    Args:
        path: of the file, whose name tells what decides the network's result; None: nothing is kept.
    """

    def __init__(self, path: Path | None) -> None:
        self._path, self._kept = path, time.monotonic()

    def restore(self, training: Training) -> Record:
        """Brings a new training to where the file left it; as it is, if there is none or it cannot be read."""
        found = self._read()
        if found is None or not named_tensors(training.network, prefix="network").keys() <= found[1].keys():
            return Record()
        state, tensors = found
        restore(training.network, tensors, prefix="network")
        restore_optimiser(training.optimiser, tensors)
        for group, rate in zip(training.optimiser.param_groups, state.rates, strict=True):
            group["lr"] = rate
        _restore_random(training.device, tensors)
        training.go_on_after(state.passes, images_seen=state.images_seen)
        return state.record

    def _read(self) -> tuple[_State, dict[str, Tensor]] | None:
        if self._path is None:
            return None
        try:
            with safe_open(self._path, framework="pt") as file:
                state = msgspec.json.decode(file.metadata()["state"], type=_State)
                return state, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (no dict)
        except (OSError, SafetensorError, msgspec.MsgspecError, KeyError, TypeError):
            return None

    def keep_now_and_then(self, training: Training, record: Record) -> None:
        """Replaces the file, if the last time is two minutes ago."""
        if self._path is None or time.monotonic() - self._kept < _EVERY_SEC:
            return
        state = _State(
            passes=training.finished,
            images_seen=training.images_seen,
            rates=[group["lr"] for group in training.optimiser.param_groups],
            record=record,
        )
        tensors = {
            **named_tensors(training.network, prefix="network"),
            **optimiser_tensors(training.optimiser),
            **_random(training.device),
        }
        on_host = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        _forget_old(self._path.parent)
        if not keep_file(self._path, save(on_host, {"state": msgspec.json.encode(state).decode()})):
            self._path = None  # told once
        self._kept = time.monotonic()

    def forget(self) -> None:
        """Removes the file: the result is there."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)


class _State(msgspec.Struct, kw_only=True):
    passes: int
    images_seen: int
    rates: list[float]  # of the optimiser's groups
    record: Record


def _random(device: torch.device) -> dict[str, Tensor]:
    """States of torch's global generators, from which dropout draws."""
    states = {"random.cpu": torch.get_rng_state()}
    return states | {"random.cuda": torch.cuda.get_rng_state(device)} if device.type == "cuda" else states


def _restore_random(device: torch.device, tensors: dict[str, Tensor]) -> None:
    torch.set_rng_state(tensors["random.cpu"])
    if device.type == "cuda":
        torch.cuda.set_rng_state(tensors["random.cuda"], device)


def _forget_old(folder: Path) -> None:
    for path in folder.glob("*.safetensors*"):  # half-written ones of killed processes too
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > _FORGOTTEN_AFTER_SEC:
                path.unlink()
