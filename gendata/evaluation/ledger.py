"""Results of networks by what decides them, so that an evaluation goes on where it was stopped.

A network's result follows from the data, the set it trains on, the protocol, its seed and the machine. One file each,
written when the network is done (until then `unfinished` keeps it): baselines that do not depend on the artifact
(real-full above all) are measured once for all artifacts.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import msgspec
import torch

import gendata
from gendata.artifact.canonical import sha256_of
from gendata.evaluation.bench import Bench, RowPlan
from gendata.evaluation.keeping import keep_file
from gendata.evaluation.result import NetworkResult

REVISION = 5  # of the code that trains networks: raised when equal keys give other numbers
_PACKAGES = (
    "torch",
    "torchvision",
    "numpy",
    "pillow",
    "timm",
    "imagecorruptions-imaug",
)  # that make images or networks
_WITHOUT_EFFECT = ("name", "status", "summary", "source", "runs", "spread", "test_picks_artifact")


class Ledger:
    """Files in one folder.

    Args:
        folder: made at the first result; None: nothing is kept.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def get(self, key: dict[str, Any]) -> NetworkResult | None:
        """The result of this key; None: not known, or its file is not readable (it is then measured again)."""
        if self._folder is None:
            return None
        try:
            return msgspec.json.decode(self._path(key).read_bytes(), type=_Entry).result
        except (OSError, msgspec.DecodeError):
            return None

    def put(self, key: dict[str, Any], result: NetworkResult) -> None:
        """Keeps a result, on disk before this returns, where there is room for it."""
        if self._folder is None:
            return
        keep_file(self._path(key), msgspec.json.encode(_Entry(key=key, result=result)))

    def _path(self, key: dict[str, Any]) -> Path:
        assert self._folder is not None
        return self._folder / f"{sha256_of(key)}.json"


class _Entry(msgspec.Struct):
    key: dict[str, Any]  # for people: what the file's name hashes
    result: NetworkResult


def key_of(bench: Bench, plan: RowPlan, *, seed: int) -> dict[str, Any]:
    """Everything that decides the result of the run `seed` of a row."""
    protocol = {
        name: value
        for name, value in msgspec.to_builtins(plan.protocol or bench.protocol).items()
        if name not in _WITHOUT_EFFECT
    }
    return {
        "revision": REVISION,
        "protocol": protocol,
        "row": plan.name,
        "mode": plan.mode,
        "seed": seed,
        "follows_from": _subject(bench, plan),
        "source": bench.source.name,
        "fingerprint": bench.source.fingerprint,
        "test": bench.test_digest,
        "space": bench.space,
        "corruptions": list(bench.corruptions),
        "teacher": bench.teacher.sha256 if bench.teacher and bench.protocol.teacher else None,
        "machine": machine_of(bench.device, bench.threads),
    }


def _subject(bench: Bench, plan: RowPlan) -> dict[str, Any]:
    """What the row depends on, besides data and protocol."""
    if plan.follows_from == "artifact":
        artifact_id = bench.artifact.artifact_id if bench.artifact else None
        subject: dict[str, Any] = {"artifact_id": artifact_id, "ipc": bench.ipc, "labels": plan.labels}
        if (plan.protocol or bench.protocol).learned_lr:  # which is no part of the artifact's id
            subject["lr"] = bench.learned_lr
        return subject
    if plan.follows_from == "bytes":
        return {"bytes": bench.artifact_bytes, "ipc": bench.ipc, "seed": bench.seed}
    return {"ipc": bench.ipc, "seed": bench.seed} if plan.follows_from == "ipc" else {}


def machine_of(device: torch.device, threads: int) -> dict[str, Any]:
    """The kind of machine on which a training repeats to the last bit."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else torch.backends.cpu.get_cpu_capability()
    return {
        "gendata": gendata.__version__,
        "packages": {name: _version(name) for name in _PACKAGES},
        "device": f"{device.type} {name}",
        "threads": threads,
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
