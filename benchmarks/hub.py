"""What loading by name costs beside the client's own download, and how much of a repository it fetches.

An artifact of about 10 MB (random weights: nothing compresses them) is pushed, with its frozen set as parquet, to a
Hub on the loopback interface that runs in another process. Then, round by round in turn and each time with a cache of
its own: `snapshot_download` of the very files that sampling needs, and `gendata.load_condensed`; first with an empty
cache, then with that one again (the best of three in a row). Hashing, which no download does, and opening (reading and
hashing the weights, which are decoded at first use) are measured on the same files alone.

Goal: load_condensed takes at most 1.1 times snapshot_download and hashing together, cold and warm.

    python benchmarks/hub.py
    python benchmarks/hub.py --mb 10 --rounds 9 --json
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import multiprocessing
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

os.environ["HF_HUB_DISABLE_XET"] = "1"  # the loopback Hub has LFS alone; read when the client is imported
os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"

REPO = "org/benchmark"
NEEDED = ["config.json", "generator.safetensors"]

Contender = tuple[str, Callable[[], Any]]


def main() -> None:
    args = _arguments()
    with tempfile.TemporaryDirectory() as folder:
        here, there = multiprocessing.Pipe()
        server = multiprocessing.get_context("spawn").Process(target=_serve, args=(f"{folder}/hub", there), daemon=True)
        server.start()
        endpoint = here.recv()
        try:
            published = _publish(Path(folder), endpoint, megabytes=args.mb)
            times = _measure(Path(folder), endpoint, rounds=args.rounds)
            fetched = _bytes(Path(folder), endpoint, here)
        finally:
            with suppress(BrokenPipeError):
                here.send("stop")
            server.join(10)
    medians = {name: statistics.median(values) for name, values in times.items()}
    report = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}",
        "artifact_bytes": published,
        "bytes": fetched,
        "milliseconds": {name: round(1000 * value, 1) for name, value in medians.items()},
        "ratios": _ratios(medians, fetched),
        "n": args.rounds,
    }
    print(json.dumps(report, indent=2) if args.json else _table(report, times))


def _measure(folder: Path, endpoint: str, *, rounds: int) -> dict[str, list[float]]:
    """Seconds of each contender, one per round; the first round, which imports and connects, does not count."""
    import gendata
    from gendata.artifact.artifact import open_artifact

    def snapshot(cache: Path) -> Path:
        from huggingface_hub import snapshot_download

        return Path(
            snapshot_download(
                REPO, repo_type="dataset", cache_dir=cache, endpoint=endpoint, token=False, allow_patterns=NEEDED
            )
        )

    def load(cache: Path) -> Any:
        return gendata.load_condensed(REPO, cache_dir=cache, endpoint=endpoint, token=False)

    times: dict[str, list[float]] = {}
    for number in range(-1, rounds):
        one, other = folder / f"snapshot{number}", folder / f"load{number}"
        cold: list[Contender] = [
            ("snapshot_download cold", lambda one=one: snapshot(one)),
            ("load_condensed cold", lambda other=other: load(other)),
        ]
        for name, contender in cold if number % 2 else cold[::-1]:
            times.setdefault(name, []).append(_seconds(contender))
        held = snapshot(one)
        warm: list[Contender] = [
            ("snapshot_download warm", lambda one=one: snapshot(one)),
            ("load_condensed warm", lambda other=other: load(other)),
            ("opening", lambda held=held: open_artifact(held)),
            ("hashing", lambda held=held: _hash(held)),
        ]
        for name, contender in warm if number % 2 else warm[::-1]:
            # What a cold one leaves behind, pages to write and memory to find again, slows the first that follows.
            times.setdefault(name, []).append(min(_seconds(contender) for _ in range(3)))
    return {name: values[1:] for name, values in times.items()}


def _ratios(medians: dict[str, float], fetched: dict[str, int]) -> dict[str, float]:
    ratios = {"bytes_for_sampling_vs_repository": fetched["load_condensed"] / fetched["whole repository"]}
    for cache in ("cold", "warm"):
        alone, ours = medians[f"snapshot_download {cache}"], medians[f"load_condensed {cache}"]
        ratios[f"load_vs_snapshot_and_hashing_{cache}"] = ours / (alone + medians["hashing"])
        ratios[f"fetching_vs_snapshot_{cache}"] = (ours - medians["opening"]) / alone
    return {name: float(f"{value:.3g}") for name, value in ratios.items()}


def _publish(folder: Path, endpoint: str, *, megabytes: float) -> int:
    """Pushes an artifact; gives its bytes."""
    import torch

    from gendata.artifact.artifact import Draft, Normalisation, save_artifact
    from gendata.artifact.manifest import Imported
    from gendata.publish.push import push_to_hub
    from gendata.registry import GENERATORS, LATENTS
    from gendata.spec import SampleSpec, SourceFacts

    spec = SampleSpec(channels=3, height=32, width=32, classes=tuple("0123456789"))
    slots = max(1, round(megabytes * 1e6 / spec.num_pixels / spec.num_classes))
    law = LATENTS.load("slot")(LATENTS.config("slot", {"slots": slots}, where="benchmark"), num_classes=10)
    options = GENERATORS.config("pixel-bank", {"slots": slots}, where="benchmark")
    bank = GENERATORS.load("pixel-bank")(options, spec=spec, latent_dim=1)
    bank.images.copy_(torch.randint(256, bank.images.shape, generator=torch.Generator().manual_seed(0)))
    draft = Draft(
        generator_name="pixel-bank",
        generator=bank,
        latent_name="slot",
        law=law,
        spec=spec,
        ipc=slots,
        frozen_seed=0,
        micro_batch=32,
        storage="f16",
        normalisation=Normalisation(mean=(0.5,) * 3, std=(0.29,) * 3),
        recipe=None,
        source=SourceFacts(name="noise", fingerprint=""),
        license="CC0-1.0",
        imported=Imported(layout="dc", files={}),
    )
    artifact = save_artifact(folder / "artifact", draft)
    push_to_hub(artifact, REPO, endpoint=endpoint, token=_loopback().WRITER)
    return artifact.artifact_bytes


def _bytes(folder: Path, endpoint: str, hub: Connection) -> dict[str, int]:
    """Of bodies that the server sent."""
    from huggingface_hub import snapshot_download

    import gendata

    sent = {}
    hub.send("clear")
    gendata.load_condensed(REPO, cache_dir=folder / "sampling", endpoint=endpoint, token=False)
    hub.send("bytes")
    sent["load_condensed"] = hub.recv()
    hub.send("clear")
    snapshot_download(REPO, repo_type="dataset", cache_dir=folder / "all", endpoint=endpoint, token=False)
    hub.send("bytes")
    sent["whole repository"] = hub.recv()
    return sent


def _serve(root: str, pipe: Connection) -> None:
    """The Hub, in a process of its own, so that it takes no time from the client under test."""
    with _loopback().serving(Path(root)) as hub:
        pipe.send(hub.url)
        while (wish := pipe.recv()) != "stop":
            if wish == "clear":
                hub.requests.clear()
            else:
                pipe.send(hub.bytes_sent())


def _loopback() -> Any:
    path = Path(__file__).resolve().parents[1] / "tests" / "hub" / "loopback.py"
    spec = importlib.util.spec_from_file_location("loopback", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["loopback"] = module
    spec.loader.exec_module(module)
    return module


def _hash(folder: Path) -> None:
    for name in NEEDED:
        hashlib.sha256((folder / name).read_bytes()).hexdigest()


def _seconds(call: Callable[[], Any]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def _table(report: dict[str, Any], times: dict[str, list[float]]) -> str:
    lines = [f"{report['machine']}; artifact of {report['artifact_bytes']:,} bytes; n={report['n']}"]
    for name, values in times.items():
        low, high = min(values), max(values)
        median = report["milliseconds"][name]
        lines.append(f"{name:<24}{median:>9.1f} ms   {1000 * low:.1f} to {1000 * high:.1f}")
    lines += [f"{name:<24}{value:>12,} bytes" for name, value in report["bytes"].items()]
    lines += [f"{name:<40}{value:>8}" for name, value in report["ratios"].items()]
    return "\n".join(lines)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Loading by name beside the client's own download.")
    parser.add_argument("--mb", type=float, default=10.0, help="size of the artifact")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
