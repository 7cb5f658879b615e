"""How fast a student is trained: gendata's loop beside the form in which the loop is published, in one run.

Published form, written here from the papers' description: an nn.Sequential of Conv2d, GroupNorm, ReLU and AvgPool2d, a
DataLoader that shuffles a TensorDataset of normalised floats, augmentation batch by batch, loss and accuracy read at
every step. Both train the same network from the same weights on the same real images (drawn at random, class-balanced)
by dsa/v1 with fewer passes, and test it on the same images; their shuffles and augmentations are drawn apart, so that
accuracies agree within noise, not to the digit. DSA itself is gendata's in both, which favours neither. Goal: at least
1.5 times as fast on a CPU.

Then milliseconds per step and where they go, and the same for 3 x 32 x 32, on random pixels.

Images are Fashion-MNIST's, from --data or GENDATA_DATA; without it, the digits that come with gendata, enlarged to
28 x 28, which changes accuracies and no timing.

    python benchmarks/evaluation.py
    python benchmarks/evaluation.py --data datasets/ --epochs 100 --seeds 5 --json
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # torch's profiler otherwise writes to stderr whenever it starts

import msgspec
import torch
from torch import Tensor, nn
from torch.autograd.profiler import profile
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from gendata.augmentation.dsa import Dsa
from gendata.evaluation.preparation import Normaliser, Preparation, preparation_of
from gendata.evaluation.protocols import DSA, Protocol
from gendata.evaluation.training import Feed, batches, tested, train
from gendata.networks import build_network
from gendata.recipe import Choice
from gendata.sources.locations import find_folder
from gendata.sources.source import balanced_indices, open_source
from gendata.sources.torchvision import FashionMnist
from gendata.spec import SampleSpec

OURS, PUBLISHED = "gendata", "published form"
STAGES = ("data", "augmentation", "forward", "backward", "optimiser")
CONVOLUTIONS = {"forward": "aten::mkldnn_convolution", "backward": "aten::convolution_backward"}


class Data(NamedTuple):
    """What a student is trained and tested on."""

    name: str
    spec: SampleSpec
    train: tuple[Tensor, Tensor]  # uint8 (N, C, H, W), int64 (N,)
    test: tuple[Tensor, Tensor]
    normalise: Normaliser


class Sample(NamedTuple):
    """One line of the table."""

    name: str
    values: list[float]  # one per round
    unit: str

    @property
    def median(self) -> float:
        return statistics.median(self.values)


def main() -> None:
    args = _arguments()
    started = time.perf_counter()
    grey = real_data(args)
    rgb = random_pixels(SampleSpec(channels=3, height=32, width=32, classes=grey.spec.classes), args)
    rows = trainings(grey, args)
    for data in (grey, rgb):
        rows += steps(data, args)
    rows += breakdown(grey, args)
    facts = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}, "
        f"{torch.get_num_threads()} threads",
        "data": f"{grey.name}, {args.ipc} images per class, tested on {len(grey.test[1])}",
        "network": f"convnet3-w{args.width}-in, {args.epochs + 1} passes, {len(grey.train[1])} images per step",
        "minutes": round((time.perf_counter() - started) / 60, 1),
    }
    ratios = ratios_of(rows)
    if args.json:
        listed = [{**row._asdict(), "median": row.median, "n": len(row.values)} for row in rows]
        print(json.dumps({"ratios": ratios, "rows": listed, **facts}, indent=2))
    else:
        print_table(rows, ratios, facts)


def ratios_of(rows: list[Sample]) -> dict[str, float]:
    """Speeds of gendata over those of the published form."""
    median = {row.name: row.median for row in rows}
    ratios = {
        "ours_vs_published_form": median[f"training, {OURS}"] / median[f"training, {PUBLISHED}"],
        "ours_vs_published_form_per_cpu_second": median[f"training per CPU second, {OURS}"]
        / median[f"training per CPU second, {PUBLISHED}"],
        "test_ours_vs_published_form": median[f"test, {OURS}"] / median[f"test, {PUBLISHED}"],
    }
    for shape in ("1x28x28", "3x32x32"):
        ratios[f"step_ours_vs_published_form_{shape}"] = (
            median[f"step {shape}, {PUBLISHED}"] / median[f"step {shape}, {OURS}"]
        )
    ratios["accuracy_difference"] = median[f"accuracy, {OURS}"] - median[f"accuracy, {PUBLISHED}"]
    return {name: float(f"{value:.3g}") for name, value in ratios.items()}


# --- Whole trainings ------------------------------------------------------------------------------------------------


def trainings(data: Data, args: argparse.Namespace) -> list[Sample]:
    """Images per second and accuracy of both forms, seed by seed in turn."""
    protocol = short(args)
    forms = {OURS: partial(ours, data, protocol), PUBLISHED: partial(published, data, protocol)}
    for form in forms.values():
        form(seed=0, passes=1)  # oneDNN compiles its kernels
    found: dict[str, list[float]] = {}
    for seed in range(args.seeds):
        for name, form in forms.items():
            wall, cpu = time.perf_counter(), time.process_time()
            test = form(seed=seed, passes=protocol.passes)
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            tested_at = time.perf_counter()
            accuracy = test()
            images = protocol.passes * len(data.train[1])
            found.setdefault(f"training, {name}", []).append(images / wall)
            found.setdefault(f"training per CPU second, {name}", []).append(images / cpu)
            found.setdefault(f"test, {name}", []).append(len(data.test[1]) / (time.perf_counter() - tested_at))
            found.setdefault(f"accuracy, {name}", []).append(100 * accuracy)
    return [Sample(name, values, "%" if name.startswith("acc") else "images/s") for name, values in found.items()]


def ours(data: Data, protocol: Protocol, *, seed: int, passes: int) -> Callable[[], float]:
    """Trains by gendata's loop; returns the test."""
    network = build_network(protocol.network, spec=data.spec, seed=seed)
    prepare = preparation(data, protocol)
    train(network, feed_of(data, msgspec.structs.replace(protocol, epochs=passes - 1)), seed=seed, prepare=prepare)
    return lambda: tested(network, data.test, prepare=prepare).accuracy


def published(data: Data, protocol: Protocol, *, seed: int, passes: int) -> Callable[[], float]:
    """Trains by the published form; returns the test."""
    torch.manual_seed(seed)
    network, (x, y) = plain_network(data, protocol, seed), data.train
    loader = DataLoader(TensorDataset(data.normalise(x), y), batch_size=protocol.batch, shuffle=True)
    drop, lr = (passes - 1) // 2 + 1, protocol.lr
    optimiser = torch.optim.SGD(network.parameters(), lr=lr, momentum=0.9, weight_decay=0.0005)
    for finished in range(passes):
        plain_pass(network, loader, optimiser, Dsa())
        if finished == drop:
            optimiser = torch.optim.SGD(network.parameters(), lr=0.1 * lr, momentum=0.9, weight_decay=0.0005)
    return partial(plain_test, network, data)


def plain_pass(network: nn.Module, loader: Any, optimiser: torch.optim.Optimizer, dsa: Dsa) -> tuple[float, float]:
    """Mean loss and accuracy of one pass."""
    network.train()
    loss_sum, right, seen = 0.0, 0, 0
    for x, y in loader:
        logits = network(dsa.draw(torch.default_generator, len(y))(x))
        loss = F.cross_entropy(logits, y)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        loss_sum += loss.item() * len(y)
        right += int((logits.argmax(1) == y).sum())
        seen += len(y)
    return loss_sum / seen, right / seen


@torch.no_grad()
def plain_test(network: nn.Module, data: Data) -> float:
    """Accuracy over normalised floats, 256 at a time."""
    network.eval()
    loader = DataLoader(TensorDataset(data.normalise(data.test[0]), data.test[1]), batch_size=256)
    return sum(int((network(x).argmax(1) == y).sum()) for x, y in loader) / len(data.test[1])


def plain_network(data: Data, protocol: Protocol, seed: int) -> nn.Sequential:
    """The student as a list of modules, with the weights that gendata's has under this seed."""
    student = build_network(protocol.network, spec=data.spec, seed=seed)
    layers: list[nn.Module] = []
    for block in student.blocks:
        width = block.conv.out_channels
        conv = nn.Conv2d(block.conv.in_channels, width, 3, padding=block.conv.padding)
        layers += [conv, nn.GroupNorm(width, width), nn.ReLU(inplace=True), nn.AvgPool2d(2)]
    network = nn.Sequential(*layers, nn.Flatten(), nn.Linear(student.classifier.in_features, data.spec.num_classes))
    with torch.no_grad():
        for copy, weight in zip(network.parameters(), student.parameters(), strict=True):
            copy.copy_(weight)
    return network


# --- Single steps ---------------------------------------------------------------------------------------------------


def steps(data: Data, args: argparse.Namespace) -> list[Sample]:
    """Milliseconds of a step of both forms, in turn."""
    protocol, shape = short(args), "x".join(map(str, data.spec.shape))
    took: dict[str, list[float]] = {}
    stages = {OURS: our_stages(data, protocol), PUBLISHED: plain_stages(data, protocol)}
    for round_ in range(args.rounds + 1):
        for name, run in stages.items():
            before = time.perf_counter()
            for stage in STAGES:
                run[stage]()
            if round_:
                took.setdefault(f"step {shape}, {name}", []).append(1000 * (time.perf_counter() - before))
    return [Sample(name, values, "ms") for name, values in took.items()]


def breakdown(data: Data, args: argparse.Namespace) -> list[Sample]:
    """Milliseconds of each stage of a step, and of the convolutions in it."""
    protocol, took = short(args), {}
    stages = {OURS: our_stages(data, protocol), PUBLISHED: plain_stages(data, protocol)}
    for round_ in range(args.rounds + 1):
        for name, run in stages.items():
            for stage in STAGES:
                spent, convolutions = _profiled(run[stage], CONVOLUTIONS.get(stage))
                if round_:
                    took.setdefault(f"{stage}, {name}", []).append(spent)
                if round_ and convolutions is not None:
                    took.setdefault(f"{stage}: oneDNN convolutions, {name}", []).append(convolutions)
    return [Sample(name, values, "ms") for name, values in took.items()]


def _profiled(run: Callable[[], None], operator: str | None) -> tuple[float, float | None]:
    """Milliseconds of `run`, and of one operator in it."""
    with profile(enabled=operator is not None) as profiler:
        before = time.perf_counter()
        run()
        spent = 1000 * (time.perf_counter() - before)
    if operator is None:
        return spent, None
    return spent, sum(event.self_cpu_time_total for event in profiler.key_averages() if event.key == operator) / 1000


def our_stages(data: Data, protocol: Protocol) -> dict[str, Callable[[], None]]:
    """The parts of a step of gendata's loop, one after the other."""
    network = build_network(protocol.network, spec=data.spec, seed=0)
    stream, prepare = batches(feed_of(data, protocol), seed=0), preparation(data, protocol)
    state: dict[str, Any] = {"step": 0}

    def fetch() -> None:
        state["batch"] = next(stream)

    def augment() -> None:
        x, y = state["batch"]
        state["batch"] = prepare(x, y, seed=0, step=state["step"])
        state["step"] += 1

    def logits() -> Tensor:
        batch = state["batch"]
        return F.cross_entropy(network(batch.x), batch.y)

    return {"data": fetch, "augmentation": augment, **_learning(network, logits, protocol)}


def plain_stages(data: Data, protocol: Protocol) -> dict[str, Callable[[], None]]:
    """The parts of a step of the published form."""
    network, (x, y) = plain_network(data, protocol, 0), data.train
    loader = DataLoader(TensorDataset(data.normalise(x), y), batch_size=protocol.batch, shuffle=True)
    state: dict[str, Any] = {}

    def fetch() -> None:
        state["x"], state["y"] = next(iter(loader))

    def augment() -> None:
        state["x"] = Dsa().draw(torch.default_generator, len(state["y"]))(state["x"])

    return {
        "data": fetch,
        "augmentation": augment,
        **_learning(network, lambda: F.cross_entropy(network(state["x"]), state["y"]), protocol),
    }


def _learning(network: nn.Module, loss: Callable[[], Tensor], protocol: Protocol) -> dict[str, Callable[[], None]]:
    optimiser = torch.optim.SGD(network.parameters(), lr=protocol.lr, momentum=0.9, weight_decay=0.0005)
    state: dict[str, Tensor] = {}

    def forward() -> None:
        state["loss"] = loss()

    def backward() -> None:
        optimiser.zero_grad()
        state["loss"].backward()

    return {"forward": forward, "backward": backward, "optimiser": optimiser.step}


# --- Material -------------------------------------------------------------------------------------------------------


def short(args: argparse.Namespace) -> Protocol:
    """dsa/v1 with fewer passes."""
    return msgspec.structs.replace(DSA, epochs=args.epochs, network=f"convnet3-w{args.width}-in")


def preparation(data: Data, protocol: Protocol) -> Preparation:
    return preparation_of(protocol, source_name=None, normalise=data.normalise)


def feed_of(data: Data, protocol: Protocol) -> Feed:
    count = len(data.train[1])
    return Feed(
        images=lambda index: data.train,
        protocol=protocol,
        steps_per_pass=-(-count // protocol.batch),
        distinct_images=count,
        num_bytes=None,
    )


def real_data(args: argparse.Namespace) -> Data:
    """Fashion-MNIST where it lies on this machine, else the digits, enlarged."""
    root = args.data or os.environ.get("GENDATA_DATA")
    root = Path(root) if root else None
    there = find_folder(FashionMnist.files, name=FashionMnist.name, root=root, inner=FashionMnist.inner)
    source = open_source(Choice(name="fashion-mnist" if there else "digits"), data_root=root)
    (x, y), (x_test, y_test) = source.split("train"), source.split("test")
    chosen = balanced_indices(y, per_class=args.ipc, seed=0)
    spec = SampleSpec(channels=1, height=28, width=28, classes=source.spec.classes)
    return Data(
        name=source.name + ("" if there else ", enlarged to 28 x 28"),
        spec=spec,
        train=(_sized(x[chosen]), y[chosen]),
        test=(_sized(x_test[: args.test]), y_test[: args.test]),
        normalise=Normaliser((0.2861,), (0.3530,)),
    )


def _sized(x: Tensor) -> Tensor:
    return x if x.shape[2] == 28 else F.interpolate(x.float(), (28, 28), mode="bilinear").round().to(torch.uint8)


def random_pixels(spec: SampleSpec, args: argparse.Namespace) -> Data:
    """Nothing to learn; for timing."""
    y = torch.arange(args.ipc * spec.num_classes) % spec.num_classes
    x = torch.randint(0, 256, (len(y), *spec.shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    statistics = (0.5,) * spec.channels, (0.25,) * spec.channels
    return Data(name="random pixels", spec=spec, train=(x, y), test=(x, y), normalise=Normaliser(*statistics))


def print_table(rows: list[Sample], ratios: dict[str, float], facts: dict[str, Any]) -> None:
    for name, fact in facts.items():
        print(f"{name}: {fact}")
    print(f"\n{'':48}{'median':>10}{'min':>10}{'max':>10}  {'n':>3}")
    for row in rows:
        numbers = "".join(f"{value:10,.2f}" for value in (row.median, min(row.values), max(row.values)))
        print(f"{row.name:48}{numbers}  {len(row.values):>3}  {row.unit}")
    print()
    for name, value in ratios.items():
        print(f"{name:48}{value:>10,.3g}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with fashion-mnist (default: GENDATA_DATA)")
    parser.add_argument("--ipc", type=int, default=10, help="images per class (default: 10)")
    parser.add_argument("--width", type=int, default=128, help="of the ConvNet (default: 128)")
    parser.add_argument("--epochs", type=int, default=30, help="of a training, one pass more (default: 30)")
    parser.add_argument("--seeds", type=int, default=5, help="trainings by each form (default: 5)")
    parser.add_argument("--rounds", type=int, default=9, help="steps measured one by one (default: 9)")
    parser.add_argument("--test", type=int, default=2000, help="test images (default: 2000)")
    parser.add_argument("--json", action="store_true", help='print one JSON object, with "ratios"')
    return parser.parse_args()


if __name__ == "__main__":
    main()
