"""equal-bytes-real: as many real images as one compressed sheet no larger than the artifact holds.

Codec, quality and resolution are chosen on images held out of train, every candidate by one trial of equal length.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import torch
from torch import Tensor

from gendata._threads import torch_threads
from gendata.errors import SpecError
from gendata.evaluation.bench import Bench, RowPlan
from gendata.evaluation.modes import by_steps
from gendata.evaluation.preparation import preparation_of
from gendata.evaluation.protocol import Protocol
from gendata.evaluation.protocols import QUICK
from gendata.evaluation.seeds import derive, generator
from gendata.evaluation.sheets import SheetFormat, decode_sheet, encode_sheet, fits_picture
from gendata.evaluation.training import Feed, Images, tested, train
from gendata.networks import build_network
from gendata.recipe import Choice
from gendata.sources.balance import balanced_indices

_CODECS: tuple[tuple[str, int | None], ...] = (
    ("PNG", None),
    ("WEBP", None),
    ("WEBP", 75),
    ("WEBP", 40),
    ("WEBP", 10),
    ("JPEG", 60),
    ("JPEG", 20),
)
CANDIDATES = tuple(SheetFormat(codec, quality, shrink) for shrink in (1, 2) for codec, quality in _CODECS)

_CHOICE = "equal-bytes-real"  # among a bench's decisions
_DRAWS = 3  # sheets, at least: how good one is depends on which images it holds

_TRIAL = msgspec.structs.replace(
    QUICK,
    name="equal-bytes-trial",
    epochs=150,  # steps: one stands for a pass; more where a sheet holds more images than these steps see
    batch=64,
    schedule=Choice(name="drop", options={"after": "two-thirds", "factor": 0.1}),
)
_MOST_TRIAL_STEPS = 1000


@dataclass(frozen=True)
class Sheet:
    """A class-balanced draw of real images, as it comes out of its file."""

    how: SheetFormat
    per_class: int
    num_bytes: int  # of the file; labels cost nothing, the order is class by class
    x: Tensor  # uint8 (num_classes * per_class, C, H, W)
    y: Tensor


def equal_bytes_real(bench: Bench) -> RowPlan:
    """The row: another draw for every network, at the optimiser steps and images per step of the frozen row.

    A sheet may hold more images than the frozen set, or fewer; every pass is dealt as many of them as the frozen row's
    passes have, so that `images_seen` equals that row's. The sheet goes round, shuffled anew each time.
    """
    return _plan(bench, bench.protocol, mode="real", count=bench.num_images, steps_per_pass=bench.steps_per_pass)


def equal_bytes_steps(bench: Bench, *, thousands: int) -> RowPlan:
    """The same sheets at the budget of fresh@<thousands>k, to stand beside that row."""
    protocol = by_steps(bench.protocol, 1000 * thousands)
    return _plan(bench, protocol, mode=f"real@{thousands}k", count=protocol.batch, steps_per_pass=1)


def _plan(bench: Bench, protocol: Protocol, *, mode: str, count: int, steps_per_pass: int) -> RowPlan:
    def feed(seed: int) -> Feed:
        if _CHOICE not in bench.decided:  # made when the first network asks, once for all rows and processes
            with torch_threads(bench.threads):
                bench.decided[_CHOICE] = _chosen_format(bench)
        how: SheetFormat = bench.decided[_CHOICE]
        sheet = fill_sheet(bench, how, seed=derive(seed, "equal-bytes"))
        return Feed(
            images=lambda index: _dealt(sheet, index, count=count, seed=seed),
            protocol=protocol,
            steps_per_pass=steps_per_pass,
            distinct_images=min(len(sheet.y), count * protocol.passes),
            num_bytes=sheet.num_bytes,
            note=str(how),
        )

    return RowPlan(
        name="equal-bytes-real", mode=mode, feed=feed, follows_from="bytes", protocol=protocol, least_runs=_DRAWS
    )


def _dealt(sheet: Sheet, index: int, *, count: int, seed: int) -> Images:
    """The `count` images of pass `index`: every image of the sheet has its turn before one returns."""
    total, start = len(sheet.y), index * count
    first, last = start // total, (start + count - 1) // total
    rounds = [
        torch.randperm(total, generator=generator(seed, "equal-bytes-round", turn)) for turn in range(first, last + 1)
    ]
    chosen = torch.cat(rounds)[start - first * total :][:count]
    return sheet.x[chosen], sheet.y[chosen]


def fill_sheet(bench: Bench, how: SheetFormat, *, seed: int) -> Sheet:
    """The largest class-balanced draw of the pool whose sheet costs at most `artifact_bytes`.

    Raises:
        SpecError: not even one image per class fits.
    """
    num_classes = bench.spec.num_classes
    available = int(torch.bincount(bench.pool.y, minlength=num_classes).min())
    order = torch.from_numpy(
        balanced_indices(bench.pool.y, per_class=available, seed=seed, purpose="equal-bytes")
    ).view(num_classes, available)

    def encoded(per_class: int) -> bytes | None:
        """The sheet of so many images per class; None: it is too large."""
        if not fits_picture(num_classes * per_class, bench.spec.shape[1:], how):
            return None
        data = encode_sheet(bench.pool.x[order[:, :per_class].reshape(-1)], how)
        return data if len(data) <= bench.artifact_bytes else None

    per_class, data = _largest(encoded, available)
    if data is None:
        raise SpecError(f"a {how} sheet of one image per class is larger than {bench.artifact_bytes} bytes")
    y = torch.arange(num_classes).repeat_interleave(per_class)
    x = decode_sheet(data, how, shape=bench.spec.shape, count=len(y))
    return Sheet(how, per_class, len(data), x, y)


def _largest(encoded: Callable[[int], bytes | None], most: int) -> tuple[int, bytes | None]:
    """The largest count that fits, by doubling and then halving; sheets grow with their count, nearly always."""
    fits, data, fails = 0, None, 1
    while fails <= most and (attempt := encoded(fails)) is not None:
        fits, data, fails = fails, attempt, min(2 * fails, most) if fails < most else most + 1
    while fails - fits > 1:
        middle = (fits + fails) // 2
        attempt = encoded(middle)
        fits, data, fails = (middle, attempt, fails) if attempt is not None else (fits, data, middle)
    return fits, data


def _chosen_format(bench: Bench) -> SheetFormat:
    """The candidate whose images teach a small network best, judged on held-out train images."""
    sheets = _worthwhile(bench)
    if not sheets:
        raise SpecError(f"no sheet of one image per class fits {bench.artifact_bytes} bytes")
    if len(sheets) == 1:
        return sheets[0].how
    trial = _trial_for(sheets)
    bench.progress.begin("equal-bytes-real", "choosing a codec", steps=len(sheets) * trial.passes)
    return max(sheets, key=lambda sheet: _tried(bench, sheet, trial)).how


def _trial_for(sheets: list[Sheet]) -> Protocol:
    """One length for all candidates: steps enough to see every image of the largest sheet once.

    A shorter trial would favour few good images over many poor ones.
    """
    steps = -(-max(len(sheet.y) for sheet in sheets) // _TRIAL.batch)
    return msgspec.structs.replace(_TRIAL, epochs=max(_TRIAL.epochs, min(steps, _MOST_TRIAL_STEPS)))


def _worthwhile(bench: Bench) -> list[Sheet]:
    """One sheet per candidate that fits at all, without those that a gentler format beats in count too."""
    sheets: list[Sheet] = []
    for how in CANDIDATES:  # per resolution and codec from gentle to harsh
        try:
            sheet = fill_sheet(bench, how, seed=derive(bench.seed, "equal-bytes-choice"))
        except SpecError:
            continue
        gentler = [
            s for s in sheets if s.how.shrink == how.shrink and (s.how.quality is None or s.how.codec == how.codec)
        ]
        if all(sheet.per_class > other.per_class for other in gentler):
            sheets.append(sheet)
    return sheets


def _tried(bench: Bench, sheet: Sheet, trial: Protocol) -> float:
    """Validation accuracy of one small network, the same number of steps for every candidate."""
    seed = derive(bench.seed, "equal-bytes-trial")
    network = build_network(trial.network, spec=bench.spec, seed=seed).to(bench.device)
    images: Images = (sheet.x, sheet.y)
    feed = Feed(
        images=lambda index: images, protocol=trial, steps_per_pass=1, distinct_images=len(sheet.y), num_bytes=None
    )
    prepare = preparation_of(trial, source_name=bench.source.name, normalise=bench.normalise)
    train(network, feed, seed=seed, prepare=prepare)
    bench.progress.advance(feed.steps)
    return tested(network, bench.validation, prepare=prepare).accuracy
