"""Sealed rows measured again."""

from __future__ import annotations

from collections.abc import Iterable
from math import isclose
from pathlib import Path
from typing import Any, Literal

import msgspec

from gendata.artifact.artifact import CondensedArtifact, open_artifact
from gendata.artifact.row_options import option_of
from gendata.artifact.seals import broken_seals
from gendata.errors import GendataError, SpecError
from gendata.evaluation import evaluate
from gendata.evaluation.evaluator import named_source
from gendata.evaluation.progress import Progress
from gendata.evaluation.protocols import PROTOCOLS, QUICK
from gendata.evaluation.report import Row
from gendata.evaluation.split_digest import split_digest
from gendata.evaluation.spread import mean_and_std
from gendata.sources.source import Source

_DEVIATIONS, _AT_LEAST = 3.0, 0.01  # how far two means may lie apart that are of other machines
_CORRUPTED_AT_LEAST, _CLASS_AT_LEAST = 0.05, 0.2  # the same, of one corruption and of one class
_SUM_ERROR = 1e-9  # of mean and deviation, which another Python may round otherwise

Verdict = Literal["equal", "within noise", "differs", "not measured"]  # equal: network by network, to the last bit


class _Sealed(msgspec.Struct, frozen=True, kw_only=True):
    """Of a sealed row, which may be a stranger's, what measuring it again takes."""

    row: str
    mode: str
    protocol: str
    network: str
    mean: float
    std: float
    n: int
    seed: int
    ipc: int
    bytes: int | None
    images_seen: int
    reported: tuple[float, ...]
    labels: str = "hard"
    selects_on_test: bool = False
    test_digest: str | None = None  # None: a row of before
    teacher: str | None = None  # its sha256; None: there is none, or a row of before
    per_class: tuple[float, ...] = ()  # empty: a row of before
    corrupted: dict[str, float] = {}


class Rechecked(msgspec.Struct, frozen=True, kw_only=True):
    """One row, then and now. Accuracies are fractions."""

    row: str
    mode: str
    protocol: str
    network: str
    sealed: float  # mean, as the artifact says
    again: float | None  # None: could not be measured here, or need not be
    verdict: Verdict
    reason: str = ""  # of "not measured", and of "differs" where it is not the accuracies that do
    selects_on_test: bool = False  # the accuracies were picked by looking at test data


def recheck(
    path: str | Path,
    *,
    data_root: Path | None = None,
    teacher: Path | None = None,
    progress: Progress | None = None,
    jobs: int = 1,
    device: str | None = None,
) -> list[Rechecked]:
    """Measures every row of an artifact's evaluations again, with its protocol, network, seed and number of networks.

    A row differs that contradicts itself, that shows its networks another number of images or costs other bytes, or
    whose mean lies further off than networks do here, or a corruption by more than 0.05 or a class by more than 0.2.
    What the row says of its own spread excuses nothing.

    Args:
        teacher: for the rows whose labels come from one; the others are measured without.
        data_root, progress, jobs, device: as of `evaluate`.

    Raises:
        SpecError: there is no row, or one is not what was sealed; nothing is measured then.
        As `evaluate`.
    """
    artifact = open_artifact(path)
    if faults := broken_seals(artifact):
        raise SpecError("; ".join(faults), where=str(path), expected="rows as `gendata evaluate --write` left them")
    rows = [_typed(row, where=str(path)) for row in artifact.evaluations()]
    if not rows:
        raise SpecError("holds no sealed rows", where=str(path), remedy="`gendata evaluate --write` makes them.")
    asked = {"progress": progress, "jobs": jobs, "device": device}
    return [_again(artifact, row, data_root=data_root, teacher=teacher, asked=asked) for row in rows]


def _typed(row: dict[str, Any], *, where: str) -> _Sealed:
    try:
        return msgspec.convert(row, _Sealed)
    except msgspec.ValidationError as error:
        raise SpecError(
            f"a sealed row cannot be read ({error})",
            where=where,
            expected="rows as `gendata evaluate --write` left them",
        ) from None


def _again(
    artifact: CondensedArtifact, row: _Sealed, *, data_root: Path | None, teacher: Path | None, asked: dict[str, Any]
) -> Rechecked:
    told = {name: getattr(row, name) for name in ("row", "mode", "protocol", "network", "selects_on_test")}
    then = {**told, "sealed": row.mean}
    if fault := _contradiction(row):
        return Rechecked(**then, again=None, verdict="differs", reason=fault)
    try:
        source, teacher = named_source(artifact, data_root), teacher if row.labels == "teacher" else None
        _require_the_same(row, source, teacher)
        report = evaluate(
            artifact,
            protocol=row.protocol,
            networks=(row.network,),
            rows=(option_of(row.row, row.mode),),
            runs=row.n,
            ipc=row.ipc,
            seed=row.seed,
            labels="hard" if row.labels == "hard" else "own",
            corruptions=tuple(row.corrupted),
            source=source,
            teacher=teacher,
            resume=False,
            **asked,
        )
    except GendataError as error:
        return Rechecked(**then, again=None, verdict="not measured", reason=error.what)
    verdict, reason = _compared(row, report.rows[0], budget=artifact.artifact_bytes)
    return Rechecked(**then, again=report.rows[0].mean, verdict=verdict, reason=reason)


def _contradiction(row: _Sealed) -> str:
    """What of a row does not follow from the accuracies that it holds; empty: all does."""
    if not row.reported or not all(0 <= accuracy <= 1 for accuracy in row.reported):
        return "`reported` holds no accuracies"
    if not all(0 <= accuracy <= 1 for accuracy in (*row.per_class, *row.corrupted.values())):
        return "`per_class` or `corrupted` holds what is no accuracy"
    if "all" in row.corrupted:  # which asks for every one
        return "`corrupted` names no corruption"
    mean, std = mean_and_std(row.reported, PROTOCOLS.get(row.protocol, QUICK).spread)
    follow = {
        "n": row.n == len(row.reported),
        "mean": isclose(row.mean, mean, abs_tol=_SUM_ERROR),
        "std": isclose(row.std, std, abs_tol=_SUM_ERROR),
    }
    wrong = [name for name, follows in follow.items() if not follows]
    return f"does not follow from `reported`: {', '.join(wrong)}" if wrong else ""


def _require_the_same(row: _Sealed, source: Source, teacher: Path | None) -> None:
    """Raises unless the test images and the teacher are those that the row was measured with, where it tells them."""
    if row.test_digest and split_digest(source.split("test")) != row.test_digest:
        raise SpecError(f"the test images of {source.name} found here are not those that it was tested on")
    if row.teacher and teacher is not None:
        from gendata.labels.teacher import open_teacher

        if open_teacher(teacher).sha256 != row.teacher:
            raise SpecError(f"the teacher given is not the one of sha256 {row.teacher[:12]}...")


def _compared(then: _Sealed, now: Row, *, budget: int) -> tuple[Verdict, str]:
    """The verdict, and its reason where that is not the accuracy."""
    if now.images_seen != then.images_seen:
        return "differs", f"{now.images_seen} images are seen, not {then.images_seen}"
    if now.bytes != then.bytes and not _is_another_sheet(then, now, budget=budget):
        return "differs", f"costs {now.bytes} bytes, not {then.bytes}"
    per_class = then.per_class or now.per_class  # rows of before tell none
    if (now.reported, now.corrupted, now.per_class) == (then.reported, then.corrupted, per_class):
        return "equal", ""
    if abs(now.mean - then.mean) > max(_AT_LEAST, _DEVIATIONS * now.std):
        return "differs", ""
    if _furthest(then.corrupted.values(), [now.corrupted[name] for name in then.corrupted]) > _CORRUPTED_AT_LEAST:
        return "differs", "other accuracies on corrupted images"
    if len(per_class) != len(now.per_class) or _furthest(per_class, now.per_class) > _CLASS_AT_LEAST:
        return "differs", "other accuracies per class"
    return "within noise", ""


def _furthest(then: Iterable[float], now: Iterable[float]) -> float:
    return max((abs(a - b) for a, b in zip(then, now, strict=True)), default=0.0)


def _is_another_sheet(then: _Sealed, now: Row, *, budget: int) -> bool:
    """Whether the images are of a compressed sheet, which another machine may write, or choose, otherwise."""
    fits = then.bytes is not None and 0 < then.bytes <= budget
    return then.row == "equal-bytes-real" and fits and now.reported != then.reported
