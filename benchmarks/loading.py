"""How fast samples reach a training loop: gendata beside the usual ways to load images, in one run on one machine.

Frozen set: a 64 x 64 RGB artifact through a plain DataLoader, against `datasets`, torchvision's ImageFolder and
webdataset that decode JPEGs of the same size and number, with the same batch and worker count, and an in-memory
TensorDataset for scale. Every contender yields float32 images in [0, 1] and int64 labels. Goal: at least 10 times the
fastest decoder.

Fresh sampling: new images per second, and what a batch of them costs beside a ConvNet-3 (width 128) training step on
the same batch. Goal: at most 10 % of the step on CPU.

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
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset, default_collate

from gendata.artifact.artifact import CondensedArtifact, Draft, save_artifact
from gendata.artifact.manifest import Normalisation
from gendata.dataset.batch import collate
from gendata.dataset.generated import GeneratedDataset
from gendata.networks import build_network
from gendata.registry import GENERATORS, LATENTS
from gendata.spec import SampleSpec

NUM_CLASSES = 10
JPEG_QUALITY = 90
DECODERS = ("datasets", "ImageFolder", "webdataset")
FRESH_SIZES = ((1, 28), (3, 64))  # channels, pixels


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
        jpegs = real_jpegs(args.images, args.samples, 64) if args.images else leaf_jpegs(args.samples, 64)
        frozen = frozen_rows(Path(folder), jpegs, args)
        fresh = fresh_rows(Path(folder), args)
    facts = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}, "
        f"{torch.get_num_threads()} threads",
        "jpegs": f"{len(jpegs)} of 64 x 64, {statistics.mean(map(len, jpegs)):.0f} bytes on average, "
        f"{'from ' + args.images.name if args.images else 'dead leaves'}, quality {JPEG_QUALITY}",
        "generator": f"conv-decoder {json.dumps(args.generator)}, random weights",
        "minutes": round((time.perf_counter() - started) / 60, 1),
    }
    ratios = ratios_of(frozen, fresh)
    if args.json:
        rows = [{**row._asdict(), "median": row.median, "n": len(row.values)} for row in frozen + fresh]
        print(json.dumps({"ratios": ratios, "rows": rows, **facts}, indent=2))
    else:
        print_table(frozen, fresh, ratios, facts)


def ratios_of(frozen: list[Sample], fresh: list[Sample]) -> dict[str, float]:
    """Each as measured, then the worst over worker counts or sizes, which is what a claim must stand on."""
    speed = {(row.name, row.workers): row.median for row in frozen}
    counts = sorted({workers for _, workers in speed})
    cost = {row.name: row.median for row in fresh}
    ratios: dict[str, float] = {}
    for count in counts:
        decoder = max(speed[name, count] for name in DECODERS)
        ratios[f"frozen_vs_fastest_decoder_{count}w"] = speed["gendata", count] / decoder
        ratios[f"frozen_vs_tensordataset_{count}w"] = speed["gendata", count] / speed["TensorDataset", count]
        ratios[f"fresh_vs_fastest_decoder_{count}w"] = speed["gendata fresh", count] / decoder
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
        "datasets": datasets_loader(folder / "parquet", jpegs, labels, args.batch),
        "ImageFolder": image_folder_loader(folder / "folder", jpegs, labels, args.batch),
        "webdataset": webdataset_loader(folder / "shards", jpegs, labels, args.batch),
    }
    rows = []
    for count in args.workers:
        loaders = {name: make(count) for name, make in build.items()}
        for loader in loaders.values():
            images_per_second(loader, args.seconds)  # starts the workers, fills caches, generates the frozen set
        speeds = {name: [] for name in loaders}
        for _ in range(args.rounds):
            for name, loader in loaders.items():
                speeds[name].append(images_per_second(loader, args.seconds))
        rows += [Sample(name, count, values, "images/s") for name, values in speeds.items()]
        del loaders  # and with it the workers
    return rows


def images_per_second(loader: Iterable[Any], seconds: float) -> float:
    """Whole epochs until `seconds` have passed."""
    num_images, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        for x, y in loader:
            assert x.dtype == torch.float32 and y.dtype == torch.int64
            num_images += len(x)
    return num_images / (time.perf_counter() - started)


def plain_loader(dataset: Any, workers: int, batch: int, collate_fn: Any, **options: Any) -> DataLoader[Any]:
    return DataLoader(
        dataset, batch_size=batch, num_workers=workers, persistent_workers=workers > 0, collate_fn=collate_fn, **options
    )


def image_folder_loader(folder: Path, jpegs: list[bytes], labels: list[int], batch: int) -> Callable[[int], Any]:
    from torchvision.datasets import ImageFolder
    from torchvision.transforms import ToTensor

    for index, (jpeg, label) in enumerate(zip(jpegs, labels, strict=True)):
        path = folder / f"{label:02d}" / f"{index:06d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(jpeg)
    return lambda workers: plain_loader(ImageFolder(str(folder), transform=ToTensor()), workers, batch, default_collate)


def datasets_loader(folder: Path, jpegs: list[bytes], labels: list[int], batch: int) -> Callable[[int], Any]:
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    import datasets

    datasets.disable_progress_bars()
    folder.mkdir()
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(NUM_CLASSES)})
    rows = {"image": [{"bytes": jpeg, "path": None} for jpeg in jpegs], "label": labels}
    datasets.Dataset.from_dict(rows, features=features).to_parquet(folder / "train.parquet")
    data = datasets.Dataset.from_parquet(str(folder / "train.parquet"), cache_dir=str(folder / "cache"))
    return lambda workers: plain_loader(data.with_format("torch"), workers, batch, _columns)


def _columns(rows: list[dict[str, Tensor]]) -> tuple[Tensor, Tensor]:
    batch = default_collate(rows)  # uint8 until here: one conversion per batch
    return batch["image"].to(torch.float32).div_(255), batch["label"]


def webdataset_loader(folder: Path, jpegs: list[bytes], labels: list[int], batch: int) -> Callable[[int], Any]:
    import webdataset

    folder.mkdir()
    with webdataset.ShardWriter(f"{folder}/%04d.tar", maxcount=-(-len(jpegs) // 8), verbose=0) as writer:
        for index, (jpeg, label) in enumerate(zip(jpegs, labels, strict=True)):
            writer.write({"__key__": f"{index:06d}", "jpg": jpeg, "cls": str(label).encode()})
    shards = [str(path) for path in sorted(folder.glob("*.tar"))]

    def loader(workers: int) -> Any:
        data = webdataset.WebDataset(shards, shardshuffle=False).decode("torchrgb").to_tuple("jpg", "cls")
        return plain_loader(data, workers, batch, default_collate)

    return loader


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


def _batches(fresh: GeneratedDataset, batch: int) -> Iterator[tuple[Tensor, Tensor]]:
    order = np.random.default_rng(0)
    while True:
        yield fresh[order.integers(len(fresh), size=batch)]


def training_step(spec: SampleSpec) -> Callable[[Tensor, Tensor], None]:
    """SGD with momentum on a ConvNet-3 of width 128 with instance norm."""
    network = build_network("convnet3-w128-in", spec=spec)
    optimiser = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9)

    def step(x: Tensor, y: Tensor) -> None:
        optimiser.zero_grad()
        F.cross_entropy(network(x), y).backward()
        optimiser.step()

    return step


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
        micro_batch=16,
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


def print_table(frozen: list[Sample], fresh: list[Sample], ratios: dict[str, float], facts: dict[str, Any]) -> None:
    for name, fact in facts.items():
        print(f"{name}: {fact}")
    print(f"\n{'':28}{'workers':>8}{'median':>12}{'min':>12}{'max':>12}  {'n':>3}")
    for row in frozen + fresh:
        workers = "" if row.workers is None else row.workers
        numbers = "".join(f"{value:12,.1f}" for value in (row.median, min(row.values), max(row.values)))
        print(f"{row.name:28}{workers:>8}{numbers}  {len(row.values):>3}  {row.unit}")
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
