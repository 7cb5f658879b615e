"""Facts, results and the manifest of an artifact as HTML."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable

from gendata.artifact.artifact import CondensedArtifact
from gendata.artifact.canonical import pretty
from gendata.artifact.card_rows import CardRow, claim, losses, meanings, read_rows
from gendata.artifact.layout import MANIFEST
from gendata.artifact.manifest import read_fields
from gendata.latents.law import LatentLaw
from gendata.sources.split import Split
from gendata.viewing.pictures import class_names, plain

_MAX_ROWS = 200


def title(artifact: CondensedArtifact) -> str:
    """The source's name, or the folder's. Not escaped."""
    source = artifact.manifest.source
    return plain(source.name if source else artifact.path.resolve().name, limit=80)


def header(artifact: CondensedArtifact) -> str:
    """Title and the few numbers that matter."""
    spec = artifact.spec
    colour = {1: "grey", 3: "colour"}.get(spec.channels, f"{spec.channels} channels")
    tiles = (
        ("artifact", f"{artifact.artifact_bytes:,} bytes"),
        ("stored set", f"{artifact.ipc:,} per class"),
        ("classes", f"{spec.num_classes:,}"),
        ("images", f"{spec.height} × {spec.width} px, {colour}"),
        ("licence", artifact.manifest.license or "not stated"),
    )
    listed = "".join(f"<div><dt>{name}</dt><dd>{_text(value)}</dd></div>" for name, value in tiles)
    return (
        f'<header class="gd-header"><h1>{_text(title(artifact))}</h1>'
        f"<p>A condensed dataset. {_text(claim(_rows(artifact), source=title(artifact)))}</p><dl>{listed}</dl></header>"
    )


def results(artifact: CondensedArtifact) -> str:
    """The sealed rows with what they mean and what was lost."""
    rows = _rows(artifact)
    if not rows:
        return '<p class="gd-note">Not measured yet: <code>gendata evaluate</code>.</p>'
    names = ("trained on", "test accuracy %", "n", "bytes", "different images", "protocol", "network")
    head = "".join(f'<th scope="col"{_number(at)}>{name}</th>' for at, name in enumerate(names))
    body = "".join(map(_line, rows[:_MAX_ROWS]))
    told = [f"<li>{_text(text)}</li>" for text in meanings(rows)]
    classes = class_names(artifact.spec.classes)
    lost = [f"<li><b>{_text(lead)}</b> {_text(text)}</li>" for lead, text in losses(rows, classes)]
    return (
        '<div class="gd-scroll" tabindex="0" role="region" aria-label="Results">'
        f'<table class="gd-table"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
        f'<ul class="gd-note">{"".join(lost)}</ul><ul class="gd-note">{"".join(told)}</ul>'
    )


def facts(artifact: CondensedArtifact, *, real: Split | None, no_real: str) -> str:
    """Bytes beside what they stand for, identity, and the whole manifest.

    Args:
        artifact: what it is about.
        real: the source's training images; None: not at hand.
        no_real: why not.
    """
    manifest, spec = artifact.manifest, artifact.spec
    sizes = [
        ("this artifact", "gd-synthetic", artifact.artifact_bytes),
        ("its stored set, as pixels", "", manifest.num_frozen * spec.num_pixels),
        ("its folder", "", artifact.folder_bytes),
    ]
    if real is not None:
        sizes.append(("the training images, as pixels", "gd-real", len(real.y) * spec.num_pixels))
    source = manifest.source
    told = (
        ("artifact id", artifact.artifact_id),
        ("generator", f"{manifest.generator.name}, {artifact.generator.macs_per_image():,} MACs per image"),
        ("latent law", f"{manifest.latent.name}, {_numbers(artifact.law)}"),
        ("labels", manifest.labels.told),
        ("made by", f"gendata {manifest.versions.gendata}, torch {manifest.versions.torch}"),
        ("recipe digest", manifest.recipe_digest or "none"),
        ("source", source.name if source else "unknown"),
        ("licence of the source", (source and source.license) or "unknown"),
        ("please cite", manifest.citation or (source and source.citation) or "nothing given"),
        ("real images", "train, beside the samples" if real is not None else f"not shown: {no_real}"),
    )
    listed = "".join(f"<dt>{name}</dt><dd>{_text(value)}</dd>" for name, value in told)
    text = html.escape(_visible(pretty(read_fields(artifact.path)).decode("utf-8")))
    return (
        f'<div class="gd-bars">{"".join(_bars(sizes))}</div><dl class="gd-facts">{listed}</dl>'
        f'<details class="gd-manifest"><summary>{MANIFEST}</summary><pre tabindex="0">{text}</pre></details>'
    )


def _rows(artifact: CondensedArtifact) -> list[CardRow]:
    return read_rows(artifact.evaluations(), artifact_id=artifact.artifact_id)


def _line(row: CardRow) -> str:
    kind = "synthetic" if row.row == "artifact" else "real"
    share = min(max(row.mean or 0, 0), 1)
    cells = (row.accuracy, row.n, row.bytes, row.distinct, row.protocol, row.network)
    rest = "".join(f"<td{_number(at)}>{_text(cell)}</td>" for at, cell in enumerate(cells[1:], start=2))
    return (
        f'<tr><th scope="row" class="gd-{kind}-word">{_text(row.name)}</th>'
        f'<td class="gd-number gd-bar gd-{kind}" style="--share:{share:.3f}">{_text(cells[0])}</td>{rest}</tr>'
    )


def _bars(sizes: Iterable[tuple[str, str, int]]) -> list[str]:
    """(name, kind, bytes) as lines of a length in proportion to the largest."""
    listed = sorted(sizes, key=lambda size: size[2])
    most = max(1, listed[-1][2])
    return [
        f'<div><span>{name}</span><span class="gd-line {kind}" style="--share:{size / most:.4f}"></span>'
        f'<span class="gd-number">{size:,} bytes</span></div>'
        for name, kind, size in listed
    ]


def _number(column: int) -> str:
    return ' class="gd-number"' if 1 <= column <= 4 else ""


def _visible(text: str) -> str:
    """JSON `text` with characters that cannot be seen, or turn others around, as the escapes that JSON has for them."""
    return "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text)


def _numbers(law: LatentLaw) -> str:
    noise = f" and {law.num_noise} of noise" if law.num_noise else ""
    return f"{law.dim - law.num_noise} numbers{noise}"


def _text(value: object) -> str:
    return html.escape(plain("–" if value is None else value))
