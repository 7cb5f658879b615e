"""Rows, one after the other, each over several networks."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import msgspec
import torch

from gendata._environment import environment
from gendata.artifact.artifact import CondensedArtifact, open_artifact
from gendata.errors import GendataError, RecipeError, SourceError, SpecError, unknown_name
from gendata.evaluation.baselines import random_real, real_full, real_stream
from gendata.evaluation.bench import Bench, RowPlan
from gendata.evaluation.equal_bytes import equal_bytes_real
from gendata.evaluation.measurement import measure
from gendata.evaluation.modes import fresh_matched, fresh_steps, frozen
from gendata.evaluation.progress import Progress, Silence
from gendata.evaluation.protocols import Protocol, get_protocol, require_runnable
from gendata.evaluation.report import Report, Row
from gendata.evaluation.training import Normaliser
from gendata.recipe import Choice, EvaluationPlan
from gendata.registry import typed_options
from gendata.sources.source import Source, open_source

_ROWS: dict[str, Callable[[Bench], RowPlan]] = {
    "frozen": frozen,
    "fresh-matched": fresh_matched,
    "random-real": random_real,
    "equal-bytes-real": equal_bytes_real,
    "real-stream": real_stream,
    "real-full": real_full,
}
_FRESH = re.compile(r"fresh@([1-9]\d{0,4})k")


def evaluate_rows(
    artifact: CondensedArtifact | str | Path,
    *,
    protocol: str | Protocol | None,
    runs: int | None,
    rows: Sequence[str] | None,
    source: Source | None,
    data_root: Path | None,
    network: str | None,
    device: str | None,
    progress: Progress | None,
    seed: int,
) -> Report:
    """See `gendata.evaluation.evaluate`."""
    planners = {name: _planner(name) for name in (_ROWS if rows is None else rows)}  # a wrong name fails at once
    opened = artifact if isinstance(artifact, CondensedArtifact) else open_artifact(artifact)
    if protocol is None:
        planned = _plan(opened)
        protocol, runs = planned.protocol, planned.runs if runs is None else runs
    record = _record(protocol, network)
    bench = _bench(opened, record, source or _named_source(opened, data_root), device, progress, seed)
    num_runs = record.runs if runs is None else runs
    measured: list[Row] = []
    faults: dict[str, GendataError] = {}
    for name, plan in planners.items():
        try:
            measured.append(measure(bench, plan(bench), runs=num_runs))
        except (SpecError, SourceError) as error:
            faults[name] = error  # named in the report: the rows measured before may have taken hours
    if faults and not measured:
        raise next(iter(faults.values()))
    return _report(bench, measured, {name: error.what for name, error in faults.items()})


def _plan(artifact: CondensedArtifact) -> EvaluationPlan:
    """What the artifact's recipe says about its evaluation; a stranger's manifest is checked like any recipe."""
    fields = (artifact.manifest.recipe or {}).get("evaluation", {})
    plan: EvaluationPlan = typed_options(EvaluationPlan, fields, where=f"{artifact.path}: recipe.evaluation")
    return plan


def _planner(name: str) -> Callable[[Bench], RowPlan]:
    if match := _FRESH.fullmatch(name):
        return partial(fresh_steps, thousands=int(match[1]))
    if name not in _ROWS:
        raise unknown_name("row", name, [*_ROWS, "fresh@10k"])
    return _ROWS[name]


def _record(protocol: str | Protocol, network: str | None) -> Protocol:
    record = get_protocol(protocol) if isinstance(protocol, str) else protocol
    require_runnable(record)
    return record if network is None else msgspec.structs.replace(record, network=network)


def _bench(
    artifact: CondensedArtifact,
    protocol: Protocol,
    source: Source,
    device: str | None,
    progress: Progress | None,
    seed: int,
) -> Bench:
    if (source.spec.shape, source.spec.num_classes) != (artifact.spec.shape, artifact.spec.num_classes):
        raise SpecError(
            f"images of {source.name} are {source.spec.shape} in {source.spec.num_classes} classes",
            where=str(artifact.path),
            expected=f"{artifact.spec.shape} in {artifact.spec.num_classes} classes, as the artifact's",
        )
    if artifact.manifest.labels.kind != "hard":
        raise SpecError(
            f"labels are {artifact.manifest.labels.kind}",
            where=str(artifact.path),
            expected="hard labels, which is what this evaluator trains with",
        )
    statistics = artifact.manifest.normalisation
    return Bench(
        protocol=protocol,
        source=source,
        spec=artifact.spec,
        ipc=artifact.ipc,
        artifact=artifact,
        artifact_bytes=artifact.artifact_bytes,
        normalise=Normaliser(tuple(statistics.mean), tuple(statistics.std)),
        seed=seed,
        device=torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu")),
        progress=progress or Silence(),
    )


def _named_source(artifact: CondensedArtifact, data_root: Path | None) -> Source:
    """The source that the manifest names, once it is shown to be the same data."""
    facts, where = artifact.manifest.source, str(artifact.path)
    if facts is None:
        raise SourceError(
            "the manifest names no source", where=where, remedy="Give the real data: evaluate(..., source=...)."
        )
    try:
        source = open_source(Choice(name=facts.name, options=facts.options), data_root=data_root)
        if facts.folder is not None and source.data_root is None:
            raise SourceError(
                f"made from the local folder {facts.folder!r}, whose path no artifact holds",
                where=where,
                remedy="Give it: --data FOLDER, in Python data_root=FOLDER.",
            )
    except RecipeError as error:
        raise SourceError(
            f"the source {facts.name!r} cannot be opened from the manifest alone ({error.what})",
            where=where,
            remedy="Give the real data: evaluate(..., source=...).",
        ) from None
    if source.fingerprint != facts.fingerprint:
        raise SourceError(
            f"the data found as {facts.name!r} have fingerprint {source.fingerprint[:12]}...",
            where=where,
            expected=f"{facts.fingerprint[:12]}..., the data that the artifact was made from",
            remedy="Point data_root at those data, or give others on purpose: evaluate(..., source=...).",
        )
    return source


def _report(bench: Bench, rows: list[Row], skipped: dict[str, str]) -> Report:
    return Report(
        protocol=bench.protocol.name,
        status=bench.protocol.status,
        network=bench.protocol.network,
        artifact_id=None if bench.artifact is None else bench.artifact.artifact_id,
        source=bench.source.name,
        fingerprint=bench.source.fingerprint,
        seed=bench.seed,
        device=str(bench.device),
        environment=environment(),
        rows=tuple(rows),
        skipped=skipped,
    )
