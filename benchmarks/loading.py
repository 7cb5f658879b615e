"""How fast samples reach a training loop: gendata beside the usual ways to load images, in one run on one machine.

Frozen set: a 64 x 64 RGB artifact through a plain DataLoader, against `datasets`, torchvision's ImageFolder, webdataset
and, where they are installed, MosaicML streaming and LitData, which decode JPEGs of the same size and number, with the
same batch and worker count, and an in-memory TensorDataset for scale. Through `ds.loader`, against indexing a float32
tensor in memory with shuffled indices. Every contender yields float32 images in [0, 1] and int64 labels.

Fresh sampling: new images per second, and what a batch of them costs beside a ConvNet-3 (width 128) training step on
the same batch; on CUDA, where there is one, how much longer steps take when their batches are made meanwhile.

Start: the first batch of 64 from a folder on disk, in a process that has imported what it needs, with an empty and with
a filled cache; and `import gendata` in a process that has imported nothing.

Goals: frozen at least 8 times the fastest decoder (20 times without workers) and 0.9 times TensorDataset; `ds.loader`
0.9 times indexing; fresh at least as fast as the fastest decoder, and at most 10 % of a step (3 % on CUDA); 150 ms to
the first batch; 60 ms to import.

Speed does not depend on what a generator has learned, so its weights are random here. JPEG decoding does depend on the
image: give real ones with --images, else "dead leaves" are drawn (discs that cover each other, whose edges and spectrum
are those of natural images; Lee, Mumford, Huang 2001).

    python benchmarks/loading.py
    python benchmarks/loading.py --images photos/ --rounds 9 --json
"""

from __future__ import annotations

import argparse
import io
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from decoders import DECODERS, installed_decoders, missing_decoders, plain_loader
from PIL import Image
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import TensorDataset, default_collate

from gendata.artifact.artifact import CondensedArtifact, Draft, save_artifact
from gendata.artifact.manifest import Normalisation
from gendata.dataset.batch import collate
from gendata.dataset.generated import GeneratedDataset
from gendata.networks import build_network
from gendata.registry import GENERATORS, LATENTS
from gendata.spec import SampleSpec

NUM_CLASSES = 10
JPEG_QUALITY = 90
FRESH_SIZES = ((1, 28), (3, 64))  # channels, pixels
CUDA_STEPS = 50  # in one measurement


class Sample(NamedTuple):
    """One line of the table."""

    name: str
    workers: int | None
    values: list[float]  # one per round
    unit: str

    @property
    def median(self) -> float:
        return statistics.median(self.values)


def main() -> None:
    args = _arguments()
    torch.manual_seed(0)
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["GENDATA_CACHE"] = f"{folder}/cache"
        jpegs = real_jpegs(args.images, args.samples, 64) if args.images else leaf_jpegs(args.samples, 64)
        frozen = frozen_rows(Path(folder), jpegs, args)
        fresh = fresh_rows(Path(folder), args)
        fresh += cuda_rows(Path(folder), args) if torch.cuda.is_available() else []
        start = start_rows(Path(folder), args)
    facts = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}, "
        f"{torch.get_num_threads()} threads",
        "jpegs": f"{len(jpegs)} of 64 x 64, {statistics.mean(map(len, jpegs)):.0f} bytes on average, "
        f"{'from ' + args.images.name if args.images else 'dead leaves'}, quality {JPEG_QUALITY}",
        "generator": f"conv-decoder {json.dumps(args.generator)}, random weights",
        "not installed": ", ".join(missing_decoders()) or "none",
        "cuda": torch.cuda.get_device_name() if torch.cuda.is_available() else "none, so its rows are missing",
        "minutes": round((time.perf_counter() - started) / 60, 1),
    }
    ratios = ratios_of(frozen, fresh) | {row.name.replace(" ", "_") + "_ms": round(row.median, 1) for row in start}
    rows = frozen + fresh + start
    if args.json:
        listed = [{**row._asdict(), "median": row.median, "n": len(row.values)} for row in rows]
        print(json.dumps({"ratios": ratios, "rows": listed, **facts}, indent=2))
    else:
        print_table(rows, ratios, facts)


def ratios_of(frozen: list[Sample], fresh: list[Sample]) -> dict[str, float]:
    """Each as measured, then the worst over worker counts or sizes, which is what a claim must stand on."""
    speed = {(row.name, row.workers): row.median for row in frozen}
    counts = sorted({workers for _, workers in speed})
    cost = {row.name: row.median for row in fresh}
    ratios: dict[str, float] = {}
    for count in counts:
        decoder = max(speed[name, count] for name in DECODERS if (name, count) in speed)
        ratios[f"frozen_vs_fastest_decoder_{count}w"] = speed["gendata", count] / decoder
        ratios[f"frozen_vs_tensordataset_{count}w"] = speed["gendata", count] / speed["TensorDataset", count]
        ratios[f"fresh_vs_fastest_decoder_{count}w"] = speed["gendata fresh", count] / decoder
    if 0 in counts:
        ratios["loader_vs_indexing"] = speed["gendata loader", 0] / speed["tensor indexing", 0]
    for _, size in FRESH_SIZES:
        share = cost[f"fresh batch {size}x{size}"] / cost[f"training step {size}x{size}"]
        ratios[f"fresh_step_overhead_{size}x{size}"] = share
    for claim, worst in (
        ("frozen_vs_fastest_decoder", min),
        ("frozen_vs_tensordataset", min),
        ("fresh_vs_fastest_decoder", min),
        ("fresh_step_overhead", max),
    ):
        ratios[claim] = worst(value for name, value in ratios.items() if name.startswith(f"{claim}_"))
    if "step on CUDA" in cost:
        ratios["fresh_cuda_overhead"] = cost["step with fresh batches on CUDA"] / cost["step on CUDA"] - 1
    return {name: float(f"{value:.3g}") for name, value in ratios.items()}


# --- Frozen set against decoders ------------------------------------------------------------------------------------


def frozen_rows(folder: Path, jpegs: list[bytes], args: argparse.Namespace) -> list[Sample]:
    """Images per second of every contender, round by round in turn, so that a busy machine slows all alike."""
    labels = [index * NUM_CLASSES // len(jpegs) for index in range(len(jpegs))]
    frozen = GeneratedDataset(random_artifact(folder / "frozen", 3, 64, len(jpegs) // NUM_CLASSES, args.generator))
    fresh = frozen.fresh(samples_per_class=-(-4 * args.batch // NUM_CLASSES))  # a short epoch: speed is the same
    build = {
        "gendata": lambda count: plain_loader(frozen, count, args.batch, collate),
        "gendata, default_collate": lambda count: plain_loader(frozen, count, args.batch, default_collate),
        "gendata fresh": lambda count: plain_loader(fresh, count, args.batch, collate),
        "TensorDataset": lambda count: plain_loader(TensorDataset(*frozen[:]), count, args.batch, default_collate),
        **installed_decoders(folder, jpegs, labels, args.batch),
    }
    alone = {
        "gendata loader": lambda count: frozen.loader(batch_size=args.batch),
        "tensor indexing": lambda count: Indexing(*frozen[:], args.batch),
    }
    rows = []
    for count in args.workers:
        loaders = {name: make(count) for name, make in (build if count else build | alone).items()}
        for loader in loaders.values():
            images_per_second(loader, args.seconds)  # starts the workers, fills caches, generates the frozen set
        speeds = {name: [] for name in loaders}
        for _ in range(args.rounds):
            for name, loader in loaders.items():
                speeds[name].append(images_per_second(loader, args.seconds))
        rows += [Sample(name, count, values, "images/s") for name, values in speeds.items()]
        del loaders  # and with it the workers
    return rows


class Indexing:
    """Batches of float32 images in memory, by shuffled indices: the least that a loader can do."""

    def __init__(self, x: Tensor, y: Tensor, batch: int) -> None:
        self.x, self.y, self.batch = x, y, batch

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for chosen in torch.randperm(len(self.x)).split(self.batch):
            yield self.x[chosen], self.y[chosen]


def images_per_second(loader: Iterable[Any], seconds: float) -> float:
    """Whole epochs until `seconds` have passed."""
    num_images, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        for x, y in loader:
            assert x.dtype == torch.float32 and y.dtype == torch.int64
            num_images += len(x)
    return num_images / (time.perf_counter() - started)


# --- Fresh sampling beside training ---------------------------------------------------------------------------------


def fresh_rows(folder: Path, args: argparse.Namespace) -> list[Sample]:
    """Milliseconds of a fresh batch and of a training step on it, in turn."""
    rows = []
    for channels, size in FRESH_SIZES:
        artifact = random_artifact(folder / f"fresh{size}", channels, size, 10, args.generator)
        fresh = GeneratedDataset(artifact).fresh(samples_per_class=args.batch * 1000)
        batches, step = _batches(fresh, args.batch), training_step(artifact.spec)
        step(*next(batches))
        milliseconds: dict[str, list[float]] = {"fresh batch": [], "training step": []}
        for _ in range(args.rounds):
            before = time.perf_counter()
            x, y = next(batches)
            between = time.perf_counter()
            step(x, y)
            milliseconds["fresh batch"].append(1000 * (between - before))
            milliseconds["training step"].append(1000 * (time.perf_counter() - between))
        rows += [Sample(f"{name} {size}x{size}", None, values, "ms") for name, values in milliseconds.items()]
        speeds = [1000 * args.batch / value for value in milliseconds["fresh batch"]]
        rows.append(Sample(f"fresh images {size}x{size}", None, speeds, "images/s"))
    return rows


def cuda_rows(folder: Path, args: argparse.Namespace) -> list[Sample]:
    """Milliseconds of a training step on CUDA on one batch that lies there, and on batches that are made meanwhile."""
    channels, size = FRESH_SIZES[-1]
    artifact = random_artifact(folder / "cuda", channels, size, 10, args.generator)
    loader = GeneratedDataset(artifact).fresh(num_samples=10**8).loader(batch_size=args.batch, device="cuda")
    batches, step = iter(loader), training_step(artifact.spec, device="cuda")
    fixed = next(batches)
    milliseconds: dict[str, list[float]] = {"step on CUDA": [], "step with fresh batches on CUDA": []}
    for number in range(args.rounds + 1):
        for name, take in (("step on CUDA", lambda: fixed), ("step with fresh batches on CUDA", lambda: next(batches))):
            torch.cuda.synchronize()
            before = time.perf_counter()
            for _ in range(CUDA_STEPS):
                step(*take())
            torch.cuda.synchronize()
            if number:  # the first round is for the kernels to be chosen
                milliseconds[name].append(1000 * (time.perf_counter() - before) / CUDA_STEPS)
    return [Sample(name, None, values, "ms") for name, values in milliseconds.items()]


def _batches(fresh: GeneratedDataset, batch: int) -> Iterator[tuple[Tensor, Tensor]]:
    order = np.random.default_rng(0)
    while True:
        yield fresh[order.integers(len(fresh), size=batch)]


def training_step(spec: SampleSpec, device: str = "cpu") -> Callable[[Tensor, Tensor], None]:
    """SGD with momentum on a ConvNet-3 of width 128 with instance norm."""
    network = build_network("convnet3-w128-in", spec=spec).to(device)
    optimiser = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9)

    def step(x: Tensor, y: Tensor) -> None:
        optimiser.zero_grad()
        F.cross_entropy(network(x), y).backward()
        optimiser.step()

    return step


# --- Start ----------------------------------------------------------------------------------------------------------

FIRST_BATCH = """
import sys, time
import torch
import gendata.generators.conv_decoder, gendata.latents.normal, gendata.dataset.loader, gendata.dataset.generated
from gendata import load_condensed

started = time.perf_counter()
x, y = next(iter(load_condensed(sys.argv[1]).loader(batch_size=64)))
print(1000 * (time.perf_counter() - started))
"""
IMPORT = """
import time
started = time.perf_counter()
import gendata
print(1000 * (time.perf_counter() - started))
"""


def start_rows(folder: Path, args: argparse.Namespace) -> list[Sample]:
    """Milliseconds until something can be used, each time in a new process."""
    artifact = random_artifact(folder / "first", 3, 64, 100, args.generator)
    filled, empty = f"{folder}/filled", f"{folder}/empty"

    def milliseconds(code: str, cache: str) -> float:
        command = [sys.executable, "-c", code, str(artifact.path)]
        printed = subprocess.run(command, env={**os.environ, "GENDATA_CACHE": cache}, capture_output=True, check=True)
        return float(printed.stdout)

    os.environ["GENDATA_CACHE"] = filled
    len(GeneratedDataset(artifact)[:][1])
    values: dict[str, list[float]] = {"first batch": [], "first batch cached": [], "import": []}
    for _ in range(args.rounds):
        values["first batch"].append(milliseconds(FIRST_BATCH, empty))  # one batch fills no cache
        values["first batch cached"].append(milliseconds(FIRST_BATCH, filled))
        values["import"].append(milliseconds(IMPORT, empty))
    return [Sample(name, None, numbers, "ms") for name, numbers in values.items()]


# --- Material -------------------------------------------------------------------------------------------------------


def random_artifact(out: Path, channels: int, size: int, ipc: int, options: dict[str, Any]) -> CondensedArtifact:
    """A conv-decoder as it is initialised, with standard normal latents."""
    spec = SampleSpec(
        channels=channels, height=size, width=size, classes=tuple(f"class {number}" for number in range(NUM_CLASSES))
    )
    law = LATENTS.load("normal")(LATENTS.config("normal", {}, where="latent"), num_classes=NUM_CLASSES)
    config = GENERATORS.config("conv-decoder", options, where="--generator")
    draft = Draft(
        generator_name="conv-decoder",
        generator=GENERATORS.load("conv-decoder")(config, spec=spec, latent_dim=law.dim),
        latent_name="normal",
        law=law,
        spec=spec,
        ipc=ipc,
        frozen_seed=0,
        micro_batch=64,
        storage="f16",
        normalisation=Normalisation(mean=(0.5,) * channels, std=(0.25,) * channels),
        recipe=None,
        source=None,
    )
    return save_artifact(out, draft)


def leaf_jpegs(count: int, size: int) -> list[bytes]:
    """Dead leaves: 60 discs each, radius density 1 / r**3 from 2 pixels up, colours uniform."""
    rng = np.random.default_rng(0)
    row, column = np.mgrid[:size, :size]
    images = []
    for _ in range(count):
        pixels = np.broadcast_to(rng.integers(0, 256, 3, dtype=np.uint8), (size, size, 3)).copy()
        for radius in 2 / np.sqrt(1 - rng.random(60) * 0.999):
            centre = rng.random(2) * size
            disc = (row - centre[0]) ** 2 + (column - centre[1]) ** 2 < radius**2
            pixels[disc] = rng.integers(0, 256, 3, dtype=np.uint8)
        images.append(_jpeg(Image.fromarray(pixels)))
    return images


def real_jpegs(folder: Path, count: int, size: int) -> list[bytes]:
    """The images under `folder`, scaled to size x size, repeated up to `count`."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in {".jpg", ".jpeg", ".png", ".webp"})
    if not paths:
        sys.exit(f"{folder}: holds no .jpg, .jpeg, .png or .webp image")
    images = [_jpeg(Image.open(path).convert("RGB").resize((size, size))) for path in paths[:count]]
    return [images[index % len(images)] for index in range(count)]


def _jpeg(image: Image.Image) -> bytes:
    data = io.BytesIO()
    image.save(data, "JPEG", quality=JPEG_QUALITY)
    return data.getvalue()


def print_table(rows: list[Sample], ratios: dict[str, float], facts: dict[str, Any]) -> None:
    for name, fact in facts.items():
        print(f"{name}: {fact}")
    print(f"\n{'':32}{'workers':>8}{'median':>12}{'min':>12}{'max':>12}  {'n':>3}")
    for row in rows:
        workers = "" if row.workers is None else row.workers
        numbers = "".join(f"{value:12,.1f}" for value in (row.median, min(row.values), max(row.values)))
        print(f"{row.name:32}{workers:>8}{numbers}  {len(row.values):>3}  {row.unit}")
    print()
    for name, value in ratios.items():
        print(f"{name:36}{value:>10,.3g}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, help="folder of real images for the JPEGs (default: dead leaves)")
    parser.add_argument("--samples", type=int, default=4000, help="images in the set (default: 4000)")
    parser.add_argument("--batch", type=int, default=256, help="images per batch (default: 256)")
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 2], help="worker counts (default: 0 2)")
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each contender (default: 5)")
    parser.add_argument("--seconds", type=float, default=1.0, help="least time per measurement (default: 1.0)")
    parser.add_argument(
        "--generator", type=json.loads, default={"widths": [32, 16], "rank": 32, "shuffle": 4},
        help="options of conv-decoder as JSON",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help='print one JSON object, with "ratios"')
    return parser.parse_args()


if __name__ == "__main__":
    main()
