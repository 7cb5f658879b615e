"""Claim: a generator's bytes hardly grow with classes and resolution, and a step costs twice one of pixels at IPC 10.

    python benchmarks/scaling.py [--classes 10 50 200 1000] [--sides 28 64 128 224] [--rounds 3] [--plot scaling.png]

The same recipe for every number of classes and every side: `conv-decoder` (class embedding 16, rank 64, width 64, one
convolution per level) with codebook latents (20 numbers, 32 codes per class) or normal ones, int8; against pixel banks
of 1 and 10 images per class, uint8. Bytes of generators are those of a saved artifact, bytes of pixels those of the
pixels. Images are RGB.

A step is the same for all: 10 classes, 32 real images of each, one embedding network (ConvNet of width 32, as many
blocks as reach 7 x 7 or 8 x 8) drawn anew, one Siamese augmentation, class-wise means of all blocks matched, backward,
Adam. Generators draw 16 images per class, banks show what they store. Banks hold in memory the touched classes alone,
and Adam moves only those, which favours them. What a step cannot show: a pass over all classes takes classes / 10 steps
for either.

Only cost is measured: weights are fresh, real images are random pixels. Contenders take turns, round by round; medians.
On a CPU one thread is used and its own time counts, so that other people's work on the machine does not.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from gendata.artifact.artifact import Draft, Normalisation, save_artifact
from gendata.augmentation.dsa import Dsa
from gendata.generators.conv_decoder import ConvDecoder, ConvDecoderConfig
from gendata.latents.codebook import Codebook, CodebookConfig
from gendata.latents.law import LatentLaw
from gendata.latents.normal import Normal, NormalConfig
from gendata.losses.embedded import Embedded, embed
from gendata.losses.mean import Mean, MeanConfig
from gendata.methods.draws import draw_latents, keyed_generator
from gendata.networks import build_network
from gendata.spec import SampleSpec

CLASSES_PER_STEP, REAL_PER_CLASS, SAMPLES_PER_CLASS = 10, 32, 16
DECODER = ConvDecoderConfig(class_dim=16, rank=64, widths=(64,), depths=(1,))
IPCS = (1, 10)
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")

Step = Callable[[int], None]
clock = time.perf_counter if DEVICE.type == "cuda" else time.process_time


class Row(NamedTuple):
    """One contender at one size."""

    contender: str
    classes: int
    side: int
    bytes: int
    step_ms: list[float]  # one per round

    @property
    def median_ms(self) -> float:
        return statistics.median(self.step_ms)


class Pixels(nn.Module):
    """The stored images of the classes that a step touches."""

    def __init__(self, ipc: int, spec: SampleSpec) -> None:
        super().__init__()
        self.images = nn.Parameter(torch.rand(CLASSES_PER_STEP * ipc, *spec.shape))

    def forward(self, i: int) -> Tensor:
        return self.images


class Sampler(nn.Module):
    """New images of the first classes."""

    def __init__(self, law: LatentLaw, spec: SampleSpec) -> None:
        super().__init__()
        self.law, self.generator = law, ConvDecoder(DECODER, spec=spec, latent_dim=law.dim)
        law.prepare()

    def forward(self, i: int) -> Tensor:
        y = torch.arange(CLASSES_PER_STEP, device=DEVICE).repeat_interleave(SAMPLES_PER_CLASS)
        images: Tensor = self.generator(draw_latents(self.law, y, seed=0, stream="match", step=i), y)
        return images


def step_of(images: nn.Module, real_u8: Tensor, spec: SampleSpec) -> Step:
    """One optimiser step of `images`, whose call gives a class-major batch."""
    images.to(DEVICE)
    blocks = round(math.log2(spec.height / 7)) + 1
    network_name = f"convnet{blocks}-w32-in"
    optimiser, dsa = torch.optim.Adam(images.parameters(), lr=1e-3), Dsa(strategy="color_crop_cutout_flip_scale_rotate")
    with torch.device("meta"):
        num_features = build_network(network_name, spec=spec).classifier.in_features
    loss = Mean(MeanConfig(estimator="plain"), num_features=num_features)

    def seen(network: nn.Module, x: Tensor) -> Embedded:
        y = torch.arange(CLASSES_PER_STEP, device=DEVICE).repeat_interleave(len(x) // CLASSES_PER_STEP)
        return embed(network, x, y, num_classes=CLASSES_PER_STEP)  # type: ignore[arg-type]

    def step(i: int) -> None:
        rng = keyed_generator("scaling", i)
        network = build_network(network_name, spec=spec, seed=i).requires_grad_(False).to(DEVICE).eval()
        augment = dsa.draw(rng, 1, shared=True)
        with torch.no_grad():
            real = seen(network, augment(real_u8.float() / 127.5 - 1))
        optimiser.zero_grad(set_to_none=True)
        loss(seen(network, augment(images(i) * 2 - 1)), real, rng).backward()
        optimiser.step()
        if DEVICE.type == "cuda":
            torch.cuda.synchronize()

    return step


def spec_of(classes: int, side: int) -> SampleSpec:
    return SampleSpec(channels=3, height=side, width=side, classes=tuple(f"class {c}" for c in range(classes)))


def law_of(name: str, classes: int) -> LatentLaw:
    if name == "normal":
        return Normal(NormalConfig(dim=20), num_classes=classes)
    return Codebook(CodebookConfig(dim=20, codes=32), num_classes=classes)


def artifact_bytes(law_name: str, classes: int, side: int) -> int:
    """Of a saved artifact with fresh weights."""
    spec, law = spec_of(classes, side), law_of(law_name, classes)
    draft = Draft(
        generator_name="conv-decoder",
        generator=ConvDecoder(DECODER, spec=spec, latent_dim=law.dim),
        latent_name=law_name,
        law=law,
        spec=spec,
        ipc=1,
        frozen_seed=0,
        micro_batch=8,
        storage="int8",
        normalisation=Normalisation(mean=(0.5,) * 3, std=(0.5,) * 3),
        recipe=None,
        source=None,
    )
    with tempfile.TemporaryDirectory() as folder:
        return save_artifact(Path(folder) / "a", draft).artifact_bytes


def measured(args: argparse.Namespace) -> list[Row]:
    rows: list[Row] = []
    for side in args.sides:
        torch.manual_seed(0)
        real_u8 = torch.randint(
            256, (CLASSES_PER_STEP * REAL_PER_CLASS, 3, side, side), dtype=torch.uint8, device=DEVICE
        )
        steps: list[tuple[Row, Step]] = []
        for classes in args.classes:
            for law_name in ("codebook", "normal"):
                size = artifact_bytes(law_name, classes, side)
                row = Row(f"generator, {law_name}", classes, side, size, [])
                spec = spec_of(classes, side)
                steps.append((row, step_of(Sampler(law_of(law_name, classes), spec), real_u8, spec)))
        spec = spec_of(max(args.classes), side)
        banks = {ipc: step_of(Pixels(ipc, spec), real_u8, spec) for ipc in IPCS}
        times = {ipc: list[float]() for ipc in IPCS}
        for turn in range(args.rounds + 1):  # the first compiles kernels and does not count
            for row, step in steps:
                row.step_ms.extend(timed(step, turn))
            for ipc, step in banks.items():
                times[ipc].extend(timed(step, turn))
        rows += [row for row, _ in steps]
        for classes in args.classes:
            rows += [Row(f"pixels, IPC {ipc}", classes, side, classes * ipc * 3 * side**2, times[ipc]) for ipc in IPCS]
    return rows


def timed(step: Step, turn: int) -> list[float]:
    """Milliseconds of a step; none of the first."""
    begun = clock()
    step(turn)
    return [1000 * (clock() - begun)] if turn else []


def plot(rows: list[Row], path: Path) -> None:
    """Bytes against classes, one line per contender and side; step time against side."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.4), dpi=130, layout="constrained")
    FigureCanvasAgg(figure)
    sizes, times = figure.subplots(1, 2)
    names, sides = list(dict.fromkeys(row.contender for row in rows)), sorted({row.side for row in rows})
    most = max(row.classes for row in rows)
    for number, name in enumerate(names):
        for depth, side in enumerate(sides):
            line = [(row.classes, row.bytes) for row in rows if (row.contender, row.side) == (name, side)]
            alpha, label = 0.3 + 0.7 * (depth + 1) / len(sides), name if side == sides[-1] else None
            sizes.loglog(*zip(*line, strict=True), color=f"C{number}", marker=".", alpha=alpha, label=label)
        line = [(row.side, row.median_ms) for row in rows if (row.contender, row.classes) == (name, most)]
        times.loglog(*zip(*line, strict=True), color=f"C{number}", marker="o", label=name)
    sizes.set(xlabel=f"classes (lines: {', '.join(map(str, sides))} pixels a side, darker is larger)", ylabel="bytes")
    times.set(xlabel="pixels a side", ylabel=f"ms per step of {CLASSES_PER_STEP} classes ({most} in all)")
    for axes, ticks in ((sizes, sorted({row.classes for row in rows})), (times, sides)):
        axes.set_xticks(ticks, list(map(str, ticks)))
        axes.tick_params(axis="x", which="minor", bottom=False, labelbottom=False)
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)
    figure.savefig(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--classes", type=int, nargs="+", default=[10, 50, 200, 1000], help="each at least 10")
    parser.add_argument("--sides", type=int, nargs="+", default=[28, 64, 128, 224], help="pixels")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--plot", type=Path, help="a PNG to write; needs matplotlib")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    if min(args.classes) < CLASSES_PER_STEP:
        parser.error(f"a step takes {CLASSES_PER_STEP} classes")
    if DEVICE.type == "cpu":
        torch.set_num_threads(1)
    rows = measured(args)
    if args.plot:
        plot(rows, args.plot)
    device = torch.cuda.get_device_name() if DEVICE.type == "cuda" else platform.machine()
    machine = f"{device}, {os.cpu_count()} cores, torch {torch.__version__}, {torch.get_num_threads()} threads"
    if args.json:
        told = [{**row._asdict(), "median_ms": row.median_ms, "n": len(row.step_ms)} for row in rows]
        print(json.dumps({"rows": told, "ratios": ratios(rows), "machine": machine}, indent=1))
        return
    print(f"Bytes\n\n{bytes_table(rows)}\n")
    print(f"Milliseconds of a step, {max(args.classes):,} classes\n\n{steps_table(rows)}\n")
    for name, ratio in ratios(rows).items():
        print(f"{name}: {ratio}")
    print(f"medians of {args.rounds}; {machine}")


def bytes_table(rows: list[Row]) -> str:
    """A line per contender and number of classes, a column per side."""
    lines: dict[tuple[str, ...], list[str]] = {}
    for row in sorted(rows, key=lambda row: (row.contender, row.classes, row.side)):
        lines.setdefault((row.contender, f"{row.classes:,}"), []).append(f"{row.bytes:,}")
    return _markdown(["", "classes"], rows, lines)


def steps_table(rows: list[Row]) -> str:
    """A line per contender, at the largest number of classes; a column per side."""
    most, lines = max(row.classes for row in rows), dict[tuple[str, ...], list[str]]()
    for row in sorted(rows, key=lambda row: (row.contender, row.side)):
        if row.classes == most:
            lines.setdefault((row.contender,), []).append(f"{row.median_ms:,.0f}")
    return _markdown([""], rows, lines)


def _markdown(first: list[str], rows: list[Row], lines: Mapping[tuple[str, ...], list[str]]) -> str:
    header = [*first, *(f"{side} px" for side in sorted({row.side for row in rows}))]
    table = [header, ["---"] * len(header), *([*names, *cells] for names, cells in lines.items())]
    return "\n".join("| " + " | ".join(line) + " |" for line in table)


def ratios(rows: list[Row]) -> dict[str, float]:
    """What the largest size costs over the smallest, per contender; and pixels over the generator at the largest."""
    small, large = (extreme((row.classes, row.side) for row in rows) for extreme in (min, max))
    at = {(row.contender, row.classes, row.side): row for row in rows}
    names = list(dict.fromkeys(row.contender for row in rows))
    found: dict[str, float] = {}
    for name in names:
        found[f"bytes, {name}, largest / smallest"] = at[(name, *large)].bytes / at[(name, *small)].bytes
        found[f"step, {name}, largest / smallest"] = at[(name, *large)].median_ms / at[(name, *small)].median_ms
    for name in names[2:]:
        base = at[(names[0], *large)]
        found[f"bytes, {name} / {names[0]}, largest"] = at[(name, *large)].bytes / base.bytes
        found[f"step, {name} / {names[0]}, largest"] = at[(name, *large)].median_ms / base.median_ms
    return {name: float(f"{value:.3g}") for name, value in found.items()}


if __name__ == "__main__":
    main()
