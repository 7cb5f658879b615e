"""How good an artifact is, repeatably: protocols as data, one loop that they drive, baselines beside every number."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gendata.artifact.artifact import CondensedArtifact
    from gendata.evaluation.bench import LabelChoice, TestedOn
    from gendata.evaluation.progress import Progress
    from gendata.evaluation.protocol import Protocol
    from gendata.evaluation.report import Report
    from gendata.sources.source import Source


def evaluate(
    artifact: CondensedArtifact | str | Path,
    *,
    protocol: str | Protocol | None = None,
    runs: int | None = None,
    rows: Sequence[str] | None = None,
    ipc: int | None = None,
    labels: LabelChoice = "own",
    networks: Sequence[str] | None = None,
    source: Source | None = None,
    data_root: Path | None = None,
    teacher: Path | None = None,
    corruptions: Sequence[str] = (),
    device: str | None = None,
    progress: Progress | None = None,
    jobs: int = 1,
    resume: bool = True,
    split: TestedOn = "test",
    seed: int = 0,
) -> Report:
    """Trains students on the artifact and on its baselines, and tests them on real images.

    The same arguments give the same numbers again on the same machine. The test set is touched once per network,
    after the last pass, unless the protocol says otherwise; then every line of the report says so.

    Args:
        artifact: an opened artifact, or the path of its folder.
        protocol: a name ("dsa/v1"; "dsa" is its newest version), a suite's name ("dc-bench/v1") or a record; None: the
            one that the artifact's recipe names, else "quick/v1".
        runs: networks per row; None: as the recipe says where the protocol is its own, else as the protocol says.
        rows: which to measure, in this order: "frozen", "fresh-matched", "fresh@10k" (any count of thousand steps),
            "random-real", "herding", "k-center", "equal-bytes-real", "real-stream", "real-full"; None: all but fresh@,
            herding and k-center.
        ipc: images per class of a pass, of the frozen set its first ones; None: all of the frozen set's. Fresh rows may
            ask for more than that.
        labels: what students of the artifact learn: "own", its soft labels if it has any; "hard", classes in any case.
        networks: students, each for every row; None: the protocol's. `gendata.networks.TRANSFER` are the usual ones of
            a cross-architecture table.
        source: the real data; None: the source that the manifest names.
        data_root: where local copies of that source are; None: see `gendata.sources`.
        teacher: a teacher's folder, for protocols whose labels come from one; its bytes count.
        corruptions: of test images, on which every network is tested as well: names of
            `gendata.evaluation.corruptions.CORRUPTIONS`, or "all"; five severities each.
        device: of training: "cpu", "cuda"; None: a GPU if there is one.
        progress: is told about rows and steps; None: silence.
        jobs: processes that train networks side by side.
        resume: networks that an earlier evaluation finished on this machine, with everything equal, are not trained
            again, and those that were killed go on after the last pass that was kept, two minutes before or, where
            passes take longer, one pass; on a CPU they end with the same bits. All this is in
            $GENDATA_CACHE/evaluations, unfinished networks for thirty days.
        split: whose images score the networks: "test", or "validation", what condensations hold out of train, on which
            settings are chosen. Such rows are never kept beside an artifact. An artifact from elsewhere may have been
            made from those images.
        seed: of everything random: initialisations, shuffles, augmentations, baselines' draws.

    Raises:
        UnknownNameError: a protocol, row or network nobody knows.
        MissingExtraError: a network or a corruption needs a package that is not installed.
        SpecError: the protocol is only declared, the source's images are not like the artifact's or the teacher's,
            there is no such device, or no row could be measured; one that could not beside others that could is in
            `skipped`.
        SourceError: the real data is missing, or is not the data that the manifest names.
    """
    from gendata.evaluation.evaluator import Conditions, evaluate_artifact

    conditions = Conditions(
        runs=runs,
        rows=rows,
        ipc=ipc,
        labels=labels,
        networks=networks,
        teacher=teacher,
        corruptions=corruptions,
        device=device,
        progress=progress,
        jobs=jobs,
        resume=resume,
        split=split,
        seed=seed,
    )
    return evaluate_artifact(artifact, conditions, protocol=protocol, source=source, data_root=data_root)


def evaluate_real(
    source: Source,
    *,
    ipc: int,
    num_bytes: int = 0,
    protocol: str | Protocol = "quick/v1",
    runs: int | None = None,
    rows: Sequence[str] | None = None,
    networks: Sequence[str] | None = None,
    teacher: Path | None = None,
    corruptions: Sequence[str] = (),
    device: str | None = None,
    progress: Progress | None = None,
    jobs: int = 1,
    resume: bool = True,
    split: TestedOn = "test",
    seed: int = 0,
) -> Report:
    """The rows of real images alone, for a budget that no artifact has to have.

    Args:
        source: the real data.
        ipc: images per class of a pass.
        num_bytes: what equal-bytes-real may cost; 0: that row is left out.
        protocol, runs, rows, networks, teacher, corruptions, device, progress, jobs, resume, split, seed: as of
            `evaluate`.

    Raises:
        As `evaluate`.
    """
    from gendata.evaluation.evaluator import Conditions, Subject, evaluate_subject

    conditions = Conditions(
        runs=runs,
        rows=rows,
        networks=networks,
        teacher=teacher,
        corruptions=corruptions,
        device=device,
        progress=progress,
        jobs=jobs,
        resume=resume,
        split=split,
        seed=seed,
    )
    subject = Subject(source=source, ipc=ipc, artifact_bytes=num_bytes)
    return evaluate_subject(subject, conditions, protocol=protocol)
