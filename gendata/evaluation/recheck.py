"""Sealed rows measured again."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import msgspec

from gendata.artifact.artifact import CondensedArtifact, open_artifact
from gendata.artifact.row_options import option_of
from gendata.artifact.seals import broken_seals
from gendata.errors import GendataError, SpecError
from gendata.evaluation import evaluate
from gendata.evaluation.progress import Progress
from gendata.evaluation.report import Row

_DEVIATIONS, _AT_LEAST = 3.0, 0.01  # how far two means may lie apart that are of other machines


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
    reported: tuple[float, ...]
    labels: str = "hard"
    selects_on_test: bool = False


class Rechecked(msgspec.Struct, frozen=True, kw_only=True):
    """One row, then and now. Accuracies are fractions."""

    row: str
    mode: str
    protocol: str
    network: str
    sealed: float  # mean, as the artifact says
    again: float | None  # None: could not be measured here
    verdict: Literal["equal", "within noise", "differs", "not measured"]  # equal: network by network, to the last bit
    reason: str = ""  # of "not measured"
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
    asked = {"data_root": data_root, "teacher": teacher, "progress": progress, "jobs": jobs, "device": device}
    return [_again(artifact, row, asked) for row in rows]


def _typed(row: dict[str, Any], *, where: str) -> _Sealed:
    try:
        return msgspec.convert(row, _Sealed)
    except msgspec.ValidationError as error:
        raise SpecError(
            f"a sealed row cannot be read ({error})",
            where=where,
            expected="rows as `gendata evaluate --write` left them",
        ) from None


def _again(artifact: CondensedArtifact, row: _Sealed, asked: dict[str, Any]) -> Rechecked:
    then = {name: getattr(row, name) for name in ("row", "mode", "protocol", "network", "selects_on_test")}
    try:
        report = evaluate(
            artifact,
            protocol=row.protocol,
            networks=(row.network,),
            rows=(option_of(row.row, row.mode),),
            runs=row.n,
            ipc=row.ipc,
            seed=row.seed,
            labels="hard" if row.labels == "hard" else "own",
            resume=False,
            **asked,
        )
    except GendataError as error:
        return Rechecked(**then, sealed=row.mean, again=None, verdict="not measured", reason=error.what)
    return Rechecked(**then, sealed=row.mean, again=report.rows[0].mean, verdict=_verdict(row, report.rows[0]))


def _verdict(then: _Sealed, now: Row) -> Literal["equal", "within noise", "differs"]:
    if now.reported == then.reported:
        return "equal"
    allowed = max(_AT_LEAST, _DEVIATIONS * max(now.std, then.std))
    return "within noise" if abs(now.mean - then.mean) <= allowed else "differs"
