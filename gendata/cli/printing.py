"""How facts, tables and faults are printed; whatever a stranger wrote is cleaned first."""

from __future__ import annotations

import json
import re
import shlex
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import typer

from gendata.errors import GendataError
from gendata.recipe import Choice, Recipe

if TYPE_CHECKING:
    from gendata.artifact.artifact import CondensedArtifact
    from gendata.condensation import Plan
    from gendata.evaluation.report import Report


_NAMED_CLASSES = 10
_PICKED = ", picked on test data"


def print_plan(plan: Plan, *, as_json: bool) -> None:
    """What a condensation would do."""
    facts = {**msgspec.to_builtins(plan), "digest": plan.recipe.digest()}
    if as_json:
        print_json(**facts)
    else:
        recipe = plan.recipe
        chosen = {
            "recipe": recipe.summary,
            "generator": _choice_text(recipe.generator),
            "latent": _choice_text(recipe.latent),
            "ipc": recipe.artifact.ipc,
        }
        names = [*plan.classes[:_NAMED_CLASSES], *(["..."] if len(plan.classes) > _NAMED_CLASSES else [])]
        facts["classes"] = f"{len(plan.classes)}: {', '.join(names)}"
        stages = [f"{name}: {steps} steps" for name, steps in facts.pop("stages")]
        print_facts({**facts, **chosen, "stages": stages or "none"})
        typer.echo("Nothing was made: --dry-run.")


def _choice_text(choice: Choice) -> str:
    options = ", ".join(f"{name} {value}" for name, value in choice.options.items())
    return f"{choice.name} ({options})" if options else choice.name


def print_made(artifact: CondensedArtifact, *, data: str | Path | None = None, as_json: bool) -> None:
    """`data`: what `evaluate` must be told to find the real images again."""
    if as_json:
        print_json(**facts_of(artifact))
        return
    typer.echo(
        f"{clean(str(artifact.path))}: {artifact.artifact_bytes} bytes for {artifact.spec.num_classes} classes, "
        f"IPC {artifact.ipc}, id {artifact.artifact_id[:12]}"
    )
    path = clean(shlex.quote(str(artifact.path)))
    found = f" --data {clean(shlex.quote(str(data)))}" if data else ""
    typer.echo(f"Next: gendata sample {path} --grid grid.png; gendata evaluate {path}{found}")


def facts_of(artifact: CondensedArtifact) -> dict[str, Any]:
    """What `info` tells."""
    manifest = artifact.manifest
    return {
        "path": str(artifact.path),
        "artifact_id": artifact.artifact_id,
        "format_version": manifest.format_version,
        "artifact_bytes": artifact.artifact_bytes,
        "manifest_bytes": artifact.manifest_bytes,
        "folder_bytes": artifact.folder_bytes,
        "ipc": artifact.ipc,
        "max_ipc": artifact.max_ipc,
        "num_classes": artifact.spec.num_classes,
        "image_shape": list(artifact.spec.shape),
        "generator": manifest.generator.name,
        "macs_per_image": artifact.generator.macs_per_image(),
        "latent": manifest.latent.name,
        "dtype": manifest.sampling.dtype,
        "space": artifact.space,
        "whitening": None
        if not (manifest.space and manifest.space.whitening)
        else "stored"
        if manifest.space.whitening.stored
        else "named, fitted to train",
        "labels": manifest.labels.told,
        "lr": manifest.training.lr if manifest.training else None,
        "imported": None
        if manifest.imported is None
        else f"{manifest.imported.layout}: {', '.join(manifest.imported.files)}",
        "source": manifest.source.name if manifest.source else None,
        "license": manifest.license,
        "citation": manifest.citation,
        "recipe_digest": manifest.recipe_digest,
        "condensed_on": manifest.condensed_on.told if manifest.condensed_on else None,
        "evaluations": artifact.evaluations(),
    }


def print_report(report: Report, *, as_json: bool) -> None:
    """The rows of an evaluation as a table, or all of it as JSON."""
    if as_json:
        print_json(**report.to_dict())
        return
    print_table(report.columns(), report.cells())
    networks = ", ".join(report.networks)
    typer.echo(
        f"{report.protocol}, {clean(networks)}, {report.source}: {report.split} accuracy, mean ± std over n networks"
    )
    typer.echo("; ".join(_loops(report)))
    for row in report.rows:
        if row.note:
            typer.echo(f"{row.name} {row.mode}: {clean(row.note)}")
    for name, accuracy in report.summary.items():
        picked = _PICKED if name == "best" or report.rows[0].selects_on_test else ""
        typer.echo(f"{name} of {report.protocol}: {100 * accuracy:.1f} %{picked}")
    for row in report.rows:
        if row.corrupted:
            told = ", ".join(f"{name} {100 * accuracy:.1f}" for name, accuracy in row.corrupted.items())
            picked = _PICKED if row.selects_on_test else ""
            typer.echo(f"{row.name} {row.mode}, {row.network}, on corrupted test images: {told} %{picked}")
    if report.scores:
        picked = _PICKED if any(row.selects_on_test for row in report.rows) else ""
        told = ", ".join(f"{name} {score:.3f}" for name, score in report.scores.items())
        typer.echo(f"DD-Ranking's scores of the frozen set, as fractions: {told}{picked}")
    for name, reason in report.skipped.items():
        typer.echo(f"{name} was not measured: {clean(reason)}")


def _loops(report: Report) -> Iterator[str]:
    """Which loops were shown equal to published ones; of a protocol whose rows differ in that, which rows' loops."""
    loops = {"exact": "shown equal to the published loop", "implemented": "not shown equal to a published loop"}
    rows: dict[tuple[str, str], list[str]] = {}
    for row in report.rows:
        rows.setdefault((row.protocol, row.status), []).append(row.option)
    protocols = [protocol for protocol, _ in rows]
    for (protocol, status), options in rows.items():
        which = f": {clean(', '.join(dict.fromkeys(options)))}" if protocols.count(protocol) > 1 else ""
        yield f"{protocol} is {loops.get(status, status)}{which}"


def print_json(**facts: Any) -> None:
    """One JSON object on one line."""
    typer.echo(json.dumps(msgspec.to_builtins(facts)))


def print_facts(facts: dict[str, Any]) -> None:
    """Names and values, one per line."""
    width = max(len(name) for name in facts)
    for name, value in facts.items():
        text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else "-" if value is None else str(value)
        typer.echo(f"{clean(name):<{width}}  {clean(text)}")


def print_evaluations(rows: Iterable[dict[str, Any]], *, artifact_id: str) -> None:
    """What was measured; the rows are a stranger's data: what cannot be read of them is told as such."""
    from gendata.artifact.card_rows import read_rows

    columns = ["row", "mode", "accuracy %", "n", "bytes", "distinct", "protocol", "network"]
    typer.echo()
    print_table(
        columns,
        [
            [
                row.row[:60],
                f"{row.mode[:60]}, {row.labels[:60]} labels" if row.labels != "hard" else row.mode[:60],
                row.accuracy,
                "?" if row.n is None else str(row.n),
                row.bytes,
                row.distinct,
                row.protocol[:60],
                row.network[:60],
            ]
            for row in read_rows(rows, artifact_id=artifact_id)
        ],
    )


def print_table(header: list[str], rows: Iterable[list[str]]) -> None:
    """Columns as wide as their widest cell."""
    lines = [header, *[[clean(cell) for cell in row] for row in rows]]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    for line in lines:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def clean(text: str, *, keep: str = "") -> str:
    """`text` without control and format characters: a stranger's recipe or manifest must not steer a terminal."""
    return "".join(c for c in text if c in keep or unicodedata.category(c) not in ("Cc", "Cf"))


def fault_text(error: GendataError) -> str:
    """The message of an error that a user can mend."""
    return f"{type(error).__name__}: {clean(str(error), keep=chr(10))}"


def measured_text(recipe: Recipe) -> str:
    """A reference row of what the recipe makes, in words: of new samples at equal steps, where there is one, as on
    the card; else the first. One network shows no spread.
    """
    if not recipe.measured:
        return "not measured"
    told = next((row for row in recipe.measured if row.mode == "fresh-matched"), recipe.measured[0])
    spread = f" ± {100 * told.std:.1f}" if told.n > 1 else ""
    return f"{100 * told.mean:.1f}{spread} % ({told.mode}, {told.protocol}, n={told.n})"


def yaml_text(recipe: Recipe) -> str:
    """The recipe as a YAML file."""
    import yaml

    text: str = yaml.safe_dump(msgspec.to_builtins(recipe), sort_keys=False, allow_unicode=True)
    return text


_UNITS = {"": 1, "b": 1, "kb": 1000, "mb": 1000**2, "gb": 1000**3, "kib": 1024, "mib": 1024**2, "gib": 1024**3}


def parse_bytes(text: str) -> int:
    """Bytes that a text such as "100kB" means."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)", text.strip())
    unit = _UNITS.get(match[2].lower()) if match else None
    if match is None or unit is None or float(match[1]) * unit < 1:
        raise typer.BadParameter(f"{text!r} is not a size; write 100kB or 1MB", param_hint="--bytes")
    return int(float(match[1]) * unit)
