"""How to get the numbers again: command, versions, hardware, seeds."""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from gendata.artifact.artifact import CondensedArtifact
from gendata.catalog import read_catalog
from gendata.evaluation.corruptions import CORRUPTIONS
from gendata.evaluation.page.wording import plain
from gendata.evaluation.protocols import PROTOCOLS
from gendata.evaluation.report import Report, Row


def artifact_name(artifact: CondensedArtifact | None) -> str:
    """The folder's own name, without the way to it, which belongs to one machine."""
    return plain(artifact.path.resolve().name, limit=80) if artifact is not None else "ARTIFACT"


def command(report: Report, artifact: CondensedArtifact | None) -> str:
    """A command that measures these rows again. The artifact has its name if it comes with gendata, and is else called
    ARTIFACT: a folder's name could be that of another one where the command is given.
    """
    words = ["gendata", "evaluate", _shipped_name(artifact) or "ARTIFACT"]
    if report.artifact_id is None:
        words = ["gendata", "baseline", *_data_set(report), "--ipc", str(report.ipc)]
        words += ["--bytes", str(report.max_bytes)] if report.max_bytes else []
    elif artifact is not None and report.ipc != artifact.ipc:
        words += ["--ipc", str(report.ipc)]
    if artifact is not None and artifact.manifest.labels.kind == "soft" and _learn_hard_labels(report):
        words += ["--labels", "hard"]
    words += ["--protocol", plain(report.protocol)]
    if any(row.labels == "teacher" for row in report.rows):
        words += ["--teacher", "TEACHER"]
    if report.rows:
        runs = min(row.n for row in report.rows)  # some rows take more than they are asked for
        words += ["--runs", str(runs), "--rows", ",".join(_options(report.rows))]
    own = PROTOCOLS.get(report.protocol)
    if own is None or report.networks != (own.network,):
        words += ["--networks", ",".join(map(plain, report.networks))]
    if corruptions := list(dict.fromkeys(plain(name) for row in report.rows for name in row.corrupted)):
        words += ["--corruptions", "all" if tuple(corruptions) == CORRUPTIONS else ",".join(corruptions)]
    if report.seed:
        words += ["--seed", str(report.seed)]
    if artifact is not None and artifact.manifest.source and artifact.manifest.source.folder:
        words += ["--data", "DIR"]
    return shlex.join(words)


def _data_set(report: Report) -> list[str]:
    """What `gendata baseline` is told to find the data: a folder's name is not told, as of artifacts."""
    options = report.source_options
    name = "FOLDER" if report.source_folder else plain(options.get("dataset") or report.source)
    resize = options.get("resize")
    return [name, "--resize", str(resize)] if isinstance(resize, int) else [name]


def _shipped_name(artifact: CondensedArtifact | None) -> str | None:
    shipped = {entry.manifest: name for name, entry in read_catalog().items() if entry.is_shipped}
    return shipped.get(artifact.manifest.digest) if artifact is not None else None


def _learn_hard_labels(report: Report) -> bool:
    return any(row.name == "artifact" and row.labels == "hard" for row in report.rows)


def facts(report: Report) -> list[tuple[str, str]]:
    """(what, value) pairs, plain text."""
    environment = report.environment
    packages = environment.get("packages", {})
    versions = [f"gendata {environment.get('gendata')}", f"Python {environment.get('python')}"]
    versions += [f"{name} {packages[name]}" for name in ("torch", "torchvision", "numpy") if packages.get(name)]
    hardware = [environment.get("processor") or environment.get("platform"), _counted(environment.get("cpus"), "CPU")]
    hardware += [environment.get("cpu_capability"), *environment.get("accelerators", ())]
    hardware.append(_counted(report.threads, "torch thread"))
    told = [
        ("versions", ", ".join(versions)),
        ("hardware", ", ".join(str(fact) for fact in hardware if fact)),
        ("device", report.device),
        ("seed", str(report.seed)),
        ("real data", ", ".join([report.source, *_set_options(report), f"fingerprint {report.fingerprint}"])),
        ("artifact id", report.artifact_id or "none: baselines alone"),
    ]
    return [(name, plain(value)) for name, value in told]


def _set_options(report: Report) -> list[str]:
    return [f"{name} {value}" for name, value in report.source_options.items() if value is not None]


def _counted(count: object, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}" if count else ""


def _options(rows: Iterable[Row]) -> list[str]:
    """Names under which `--rows` knows these rows; each once, in order."""
    return list(dict.fromkeys(plain(row.option) for row in rows))
