"""Protocols, networks and rows, one after the other; each row over several networks."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, get_args

import msgspec

from gendata._environment import environment
from gendata.artifact.artifact import CondensedArtifact, open_artifact
from gendata.errors import GendataError, RecipeError, SourceError, SpecError, unknown_name
from gendata.evaluation.adaptation import adapted
from gendata.evaluation.baselines import random_real, real_full, real_stream
from gendata.evaluation.bench import Bench, LabelChoice, RowPlan, TestedOn
from gendata.evaluation.corrupted_test import known_corruptions
from gendata.evaluation.devices import device_of
from gendata.evaluation.equal_bytes import equal_bytes_real, equal_bytes_steps
from gendata.evaluation.kept import evaluations_folder
from gendata.evaluation.ledger import Ledger
from gendata.evaluation.measurement import measure
from gendata.evaluation.modes import fresh_matched, fresh_steps, frozen
from gendata.evaluation.preparation import BankSpace, Normaliser
from gendata.evaluation.processes import runner, threads_per_job
from gendata.evaluation.progress import Progress, Silence
from gendata.evaluation.protocols import SUITES, Protocol, members_of, require_own_name, require_runnable
from gendata.evaluation.report import Report, Row
from gendata.evaluation.scoring import scores_of
from gendata.evaluation.selected_real import herding, k_center
from gendata.evaluation.statistics import Statistics, statistics_of
from gendata.evaluation.unfinished import forget_old
from gendata.networks import count_parameters
from gendata.recipe import Choice, EvaluationPlan
from gendata.registry import typed_options
from gendata.sources.source import Source, open_source, pixel_statistics
from gendata.spec import SampleSpec

if TYPE_CHECKING:
    from gendata.labels.teacher import Teacher

_ROWS: dict[str, Callable[[Bench], RowPlan]] = {
    "frozen": frozen,
    "fresh-matched": fresh_matched,
    "random-real": random_real,
    "equal-bytes-real": equal_bytes_real,
    "real-stream": real_stream,
    "real-full": real_full,
}
_ON_REQUEST: dict[str, Callable[[Bench], RowPlan]] = {"herding": herding, "k-center": k_center}
_MOST_RUNS = 10_000  # a stranger's manifest must not ask for all memory
_BY_STEPS = re.compile(r"(?P<row>fresh|equal-bytes-real)@(?P<thousands>[1-9]\d{0,4})k")


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What is evaluated: an artifact, or a budget for real images alone."""

    source: Source
    ipc: int
    artifact: CondensedArtifact | None = None
    artifact_bytes: int = 0  # what equal-bytes-real may cost


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """How it is evaluated; see `gendata.evaluation.evaluate`."""

    runs: int | None = None
    rows: Sequence[str] | None = None
    ipc: int | None = None  # of an artifact's rows; None: its own
    labels: LabelChoice = "own"
    networks: Sequence[str] | None = None
    teacher: Path | None = None
    corruptions: Sequence[str] = ()
    device: str | None = None
    progress: Progress | None = None
    jobs: int = 1
    resume: bool = True
    split: TestedOn = "test"
    seed: int = 0


def evaluate_artifact(
    artifact: CondensedArtifact | str | Path,
    conditions: Conditions,
    *,
    protocol: str | Protocol | None,
    source: Source | None,
    data_root: Path | None,
) -> Report:
    """See `gendata.evaluation.evaluate`."""
    _check_rows(conditions)
    opened = artifact if isinstance(artifact, CondensedArtifact) else open_artifact(artifact)
    if protocol is None:
        planned = _plan(opened)
        runs = planned.runs if conditions.runs is None else conditions.runs
        protocol, conditions = planned.protocol, replace(conditions, runs=runs)
    subject = Subject(
        source=source or named_source(opened, data_root),
        ipc=opened.ipc if conditions.ipc is None else conditions.ipc,
        artifact=opened,
        artifact_bytes=opened.artifact_bytes,
    )
    return evaluate_subject(subject, conditions, protocol=protocol)


def evaluate_subject(subject: Subject, conditions: Conditions, *, protocol: str | Protocol) -> Report:
    """Every row under every protocol and network that is asked for."""
    _check_rows(conditions)
    records = (protocol,) if isinstance(protocol, Protocol) else members_of(protocol)
    for record in records:
        require_runnable(record)
        require_own_name(record)
    _check_runs(conditions.runs)
    if conditions.split not in get_args(TestedOn):
        raise SpecError(f"split is {conditions.split!r}", expected=" or ".join(map(repr, get_args(TestedOn))))
    if conditions.labels not in get_args(LabelChoice):
        raise SpecError(f"labels are {conditions.labels!r}", expected=" or ".join(map(repr, get_args(LabelChoice))))
    if conditions.teacher is not None and not any(record.teacher for record in records):
        raise SpecError(
            f"{_full_name(protocol)} takes no labels from a teacher",
            expected="a protocol that does, such as rded/v1",
            remedy="Leave --teacher out, or choose another protocol.",
        )
    for network in conditions.networks or ():
        _check_known(network, subject.source.spec)
    benches = [_bench(subject, conditions, record) for record in _with_networks(records, conditions.networks)]
    facts, kept = subject.source.facts(), evaluations_folder() if conditions.resume else None
    ledger = Ledger(kept)
    forget_old(kept)
    measured: list[Row] = []
    faults: dict[str, GendataError] = {}
    with runner(conditions.jobs, planner_of=planner_of) as run:
        for bench, name in ((bench, name) for bench in benches for name in _row_names(subject, conditions)):
            try:
                plan = replace(planner_of(name)(bench), row=name)
                runs = max(plan.least_runs, bench.protocol.runs if conditions.runs is None else conditions.runs)
                measured.append(measure(bench, plan, runs=runs, ledger=ledger, run=run))
            except GendataError as error:
                label = name if len(benches) == 1 else f"{bench.protocol.name}, {bench.protocol.network}: {name}"
                faults[label] = error  # named in the report: the rows measured before may have taken hours
    if faults and not measured:
        raise next(iter(faults.values()))
    return Report(
        protocol=_full_name(protocol),
        networks=tuple(dict.fromkeys(bench.protocol.network for bench in benches)),
        ipc=subject.ipc,
        artifact_id=None if subject.artifact is None else subject.artifact.artifact_id,
        source=facts.name,
        source_options=facts.options,
        source_folder=facts.folder,
        fingerprint=facts.fingerprint,
        test_digest=benches[0].test_digest,
        teacher=next((bench.teacher.sha256 for bench in benches if bench.teacher), None),
        max_bytes=subject.artifact_bytes or None if subject.artifact is None else None,
        seed=conditions.seed,
        device=str(benches[0].device),
        threads=benches[0].threads if benches[0].device.type == "cpu" else None,
        environment=environment(),
        rows=tuple(measured),
        skipped={name: error.what for name, error in faults.items()},
        summary=_summary(measured, _full_name(protocol)),
        scores=scores_of(measured),
    )


def _check_rows(conditions: Conditions) -> None:
    """A wrong name fails at once, before data are read."""
    for name in conditions.rows or ():
        planner_of(name)


def _check_runs(runs: int | None) -> None:
    if runs is not None and not (type(runs) is int and 1 <= runs <= _MOST_RUNS):
        raise SpecError(f"runs is {runs!r}", expected=f"1 to {_MOST_RUNS} networks per row")


def _check_known(network: str, spec: SampleSpec) -> None:
    """A wrong name fails before hours of training; a network that does not suit these images leaves out its rows."""
    with suppress(SpecError):
        count_parameters(network, spec=spec)


def planner_of(name: str) -> Callable[[Bench], RowPlan]:
    """The row of that name.

    Raises:
        UnknownNameError: with the nearest names.
    """
    if match := _BY_STEPS.fullmatch(name):
        steps = fresh_steps if match["row"] == "fresh" else equal_bytes_steps
        return partial(steps, thousands=int(match["thousands"]))
    known = {**_ROWS, **_ON_REQUEST}
    if name not in known:
        raise unknown_name("row", name, [*known, "fresh@10k", "equal-bytes-real@10k"])
    return known[name]


def _plan(artifact: CondensedArtifact) -> EvaluationPlan:
    """What the artifact's recipe says about its evaluation; a stranger's manifest is checked like any recipe."""
    fields = (artifact.manifest.recipe or {}).get("evaluation", {})
    plan: EvaluationPlan = typed_options(EvaluationPlan, fields, where=f"{artifact.path}: recipe.evaluation")
    return plan


def _row_names(subject: Subject, conditions: Conditions) -> Sequence[str]:
    if conditions.rows is not None:
        return conditions.rows
    if subject.artifact is not None:
        return tuple(_ROWS)
    needs = {"frozen", "fresh-matched"} | ({"equal-bytes-real"} if not subject.artifact_bytes else set())
    return tuple(name for name in _ROWS if name not in needs)


def _full_name(protocol: str | Protocol) -> str:
    if isinstance(protocol, Protocol):
        return protocol.name
    members = members_of(protocol)
    if len(members) == 1:
        return members[0].name
    return next(name for name in SUITES if name == protocol or name.partition("/")[0] == protocol)


def _with_networks(records: Sequence[Protocol], networks: Sequence[str] | None) -> Iterator[Protocol]:
    for record in records:
        for network in networks or (record.network,):
            yield msgspec.structs.replace(record, network=network)


def _bench(subject: Subject, conditions: Conditions, record: Protocol) -> Bench:
    source, artifact = subject.source, subject.artifact
    if artifact is not None:
        _check_same_kind(source, artifact)
    protocol = adapted(record, ipc=subject.ipc, spec=source.spec, source_name=source.name)
    own = _own_statistics(subject)
    train, test = statistics_of(protocol.statistics, own, spec=source.spec, source_name=source.name)
    normalise: Normaliser | BankSpace = Normaliser(*train)
    space = f"{train} {test}"
    if artifact is not None and artifact.space != "image":
        normalise, test = BankSpace(artifact.space_transform(source.split("train").x)), train
        space = f"bank {artifact.artifact_id}"
    return Bench(
        protocol=protocol,
        source=source,
        spec=source.spec,
        ipc=subject.ipc,
        artifact=artifact,
        artifact_bytes=subject.artifact_bytes,
        normalise=normalise,
        test_normalise=None if test == train else Normaliser(*test),
        space=space,
        teacher=_teacher(protocol, conditions.teacher, spec=source.spec),
        learned_lr=_learned_lr(artifact),
        hard_labels=conditions.labels == "hard",
        corruptions=known_corruptions(conditions.corruptions, spec=source.spec),
        tested_on=conditions.split,
        seed=conditions.seed,
        device=device_of(conditions.device),
        threads=threads_per_job(conditions.jobs),
        unfinished=evaluations_folder() if conditions.resume else None,
        progress=conditions.progress or Silence(),
    )


def _teacher(protocol: Protocol, path: Path | None, *, spec: SampleSpec) -> Teacher | None:
    if not protocol.teacher:
        return None
    if path is None:
        raise SpecError(
            f"the labels of {protocol.name} come from a teacher",
            remedy="Give one: --teacher DIR; `gendata teacher train` makes it.",
        )
    from gendata.labels.teacher import open_teacher

    teacher = open_teacher(path)
    if (teacher.spec.shape, teacher.spec.classes) != (spec.shape, spec.classes):
        raise SpecError(
            f"the teacher answers for {_told(teacher.spec)}",
            where=str(path),
            expected=f"{_told(spec)}, in this order, as the real data",
            remedy="Train one on those data: gendata teacher train.",
        )
    return teacher


def _told(spec: SampleSpec) -> str:
    first = ", ".join(spec.classes[:3])
    return f"images of {spec.shape} in {spec.num_classes} classes ({first}{', ...' if spec.num_classes > 3 else ''})"


def _learned_lr(artifact: CondensedArtifact | None) -> float | None:
    training = None if artifact is None else artifact.manifest.training
    return None if training is None else training.lr


def _own_statistics(subject: Subject) -> Statistics:
    if subject.artifact is None:
        return Statistics(*pixel_statistics(subject.source.split("train")))
    normalisation = subject.artifact.manifest.normalisation
    return Statistics(tuple(normalisation.mean), tuple(normalisation.std))


def _check_same_kind(source: Source, artifact: CondensedArtifact) -> None:
    if (source.spec.shape, source.spec.num_classes) != (artifact.spec.shape, artifact.spec.num_classes):
        raise SpecError(
            f"images of {source.name} are {source.spec.shape} in {source.spec.num_classes} classes",
            where=str(artifact.path),
            expected=f"{artifact.spec.shape} in {artifact.spec.num_classes} classes, as the artifact's",
        )
    if source.spec.classes != artifact.spec.classes and set(source.spec.classes) == set(artifact.spec.classes):
        raise SpecError(
            f"the artifact's classes are those of {source.name} in another order",
            where=str(artifact.path),
            expected=f"{', '.join(source.spec.classes[:10])}, in this order: labels are numbers",
        )


def named_source(artifact: CondensedArtifact, data_root: Path | None) -> Source:
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
    if facts.fingerprint and source.fingerprint != facts.fingerprint:  # an import may know the name alone
        raise SourceError(
            f"the data found as {facts.name!r} have fingerprint {source.fingerprint[:12]}...",
            where=where,
            expected=f"{facts.fingerprint[:12]}..., the data that the artifact was made from",
            remedy="Point --data (data_root) at those data, or give others on purpose: evaluate(..., source=...).",
        )
    return source


def _summary(rows: Sequence[Row], name: str) -> dict[str, float]:
    """Of a suite, for its first artifact row: best and mean over protocols, and mean over the other networks."""
    if name not in SUITES or not rows:
        return {}
    first = [row for row in rows if (row.name, row.mode) == (rows[0].name, rows[0].mode)]
    own = [row.mean for row in first if row.network == rows[0].network]
    others = [row.mean for row in first if row.network != rows[0].network]
    summed = {"best": max(own), "mean": fmean(own)}
    return {**summed, "transfer": fmean(others)} if others else summed
