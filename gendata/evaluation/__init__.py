"""How good an artifact is, repeatably: protocols as data, one loop that they drive, baselines beside every number."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gendata.artifact.artifact import CondensedArtifact
    from gendata.evaluation.progress import Progress
    from gendata.evaluation.protocols import Protocol
    from gendata.evaluation.report import Report
    from gendata.sources.source import Source


def evaluate(
    artifact: CondensedArtifact | str | Path,
    *,
    protocol: str | Protocol | None = None,
    runs: int | None = None,
    rows: Sequence[str] | None = None,
    source: Source | None = None,
    data_root: Path | None = None,
    network: str | None = None,
    device: str | None = None,
    progress: Progress | None = None,
    seed: int = 0,
) -> Report:
    """Trains students on the artifact and on its baselines, and tests them on real images.

    The same arguments give the same numbers again on the same machine. The test set is touched once per network,
    after the last pass, unless the protocol says otherwise.

    Args:
        artifact: an opened artifact, or the path of its folder.
        protocol: a name ("dsa/v1"; "dsa" is its newest version) or a record; None: the one that the artifact's recipe
            names, else "quick/v1".
        runs: networks per row; None: as the recipe says where the protocol is its own, else as the protocol says.
        rows: which to measure, in this order: "frozen", "fresh-matched", "fresh@10k" (any count of thousand steps),
            "random-real", "equal-bytes-real", "real-stream", "real-full"; None: all but fresh@.
        source: the real data; None: the source that the manifest names.
        data_root: where local copies of that source are; None: see `gendata.sources`.
        network: another student than the protocol's.
        device: of training: "cpu", "cuda"; None: a GPU if there is one.
        progress: is told about rows and steps; None: silence.
        seed: of everything random: initialisations, shuffles, augmentations, baselines' draws.

    Raises:
        UnknownNameError: a protocol, row or network nobody knows.
        SpecError: the protocol is only declared, the source's images are not like the artifact's, or no row could be
            measured; one that could not beside others that could is in `skipped`.
        SourceError: the real data is missing, or is not the data that the manifest names.
    """
    from gendata.evaluation.evaluator import evaluate_rows

    return evaluate_rows(
        artifact,
        protocol=protocol,
        runs=runs,
        rows=rows,
        source=source,
        data_root=data_root,
        network=network,
        device=device,
        progress=progress,
        seed=seed,
    )
