"""README.md of an artifact, rendered from its manifest. Every text in it came from somebody: none is markup here."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gendata.artifact.layout import EVALUATIONS, PREVIEW, WEIGHTS
from gendata.artifact.manifest import Manifest

_MAX_TEXT = 300  # characters of one value
_MAX_ROWS = 200
_MARKUP = re.compile(r"([\\`*_{}\[\]()#!|~$:@]|(?<=www)\.)", re.IGNORECASE)  # "@" and "www." would become links

_PAGE = """# Condensed dataset: {title}

{num_classes} classes, {height} x {width} px, {channels} channel(s), {ipc} image(s) per class: a generator that
makes the images, in {artifact_bytes} bytes.

```python
import gendata

ds = gendata.load_condensed("path/to/this/folder")
x, y = ds[0]  # ({channels}, {height}, {width}) float32{values}, int
```

{preview}
## Facts

| | |
|---|---|
| artifact id | `{artifact_id}` |
| bytes needed to make samples and labels | {artifact_bytes} |
| generator | {generator} |
| latent law | {latent}, {dim} numbers |
| labels | {labels} |
{told}| made by | gendata {gendata}, torch {torch} |
| recipe digest | {recipe} |
| source | {source} |
| licence of this artifact | {license} |
| licence of the source | {source_license} |
| please cite | {citation} |

## Results

{results}
"""


def render_card(manifest: Manifest, rows: Sequence[Mapping[str, Any]] = ()) -> bytes:
    """The card's bytes (Markdown) from the manifest and the rows of evaluations.json."""
    source = manifest.source
    citations = (text for text in (manifest.citation, source.citation if source else None) if text)
    return _PAGE.format(
        title=_text(source.name) if source else "unknown source",
        num_classes=manifest.spec.num_classes,
        height=manifest.spec.height,
        width=manifest.spec.width,
        channels=manifest.spec.channels,
        ipc=manifest.frozen.ipc,
        artifact_bytes=manifest.files[WEIGHTS].size,
        preview="![A sheet of samples](preview.png)\n" if PREVIEW in manifest.files else "",
        artifact_id=manifest.artifact_id,
        generator=_text(manifest.generator.name),
        latent=_text(manifest.latent.name),
        dim=manifest.latent.dim,
        labels=_labels(manifest),
        values=" in [0, 1]" if manifest.sampling.dtype == "uint8" else "",
        told="".join(f"| {name} | {_text(value)} |\n" for name, value in _told(manifest)),
        gendata=_text(manifest.versions.gendata),
        torch=_text(manifest.versions.torch),
        recipe=_text(manifest.recipe_digest or "none"),
        source=_source(manifest),
        license=_text(manifest.license or "not stated"),
        source_license=_text((source and source.license) or "unknown"),
        results=_results(rows),
        citation="<br>".join(map(_text, citations)) or "nothing given",
    ).encode("utf-8")


def _labels(manifest: Manifest) -> str:
    return "hard" if manifest.labels.kind == "hard" else f"soft: {manifest.labels.values}"


def _told(manifest: Manifest) -> Iterator[tuple[str, str]]:
    """Rows that only some artifacts need."""
    if manifest.space is not None:
        yield "values", f"{manifest.space.name}, not pixels: artifact.to_space brings real images there"
    elif manifest.sampling.dtype == "float32":
        yield "values", "floats as they are, 0 black and 1 white, unclamped"
    if manifest.training and manifest.training.lr is not None:
        yield "learning rate made with it", f"{manifest.training.lr:g}"
    if manifest.imported is not None:
        yield "imported from", f"{', '.join(manifest.imported.files)} ({manifest.imported.layout})"


def _source(manifest: Manifest) -> str:
    facts = manifest.source
    if facts is None:
        return "unknown"
    told = (facts.name, facts.revision and f"revision {facts.revision}", facts.homepage)
    return ", ".join(_text(text) for text in told if text)


def _results(rows: Sequence[Mapping[str, Any]]) -> str:
    if not rows:
        return "Not measured yet: `gendata evaluate`."
    lines = ["| row | mode | protocol | test accuracy | networks | bytes |", "|---|---|---|---|---|---|"]
    for row in rows[:_MAX_ROWS]:
        cells = (row.get("row"), row.get("mode"), row.get("protocol"), _accuracy(row), row.get("n"), row.get("bytes"))
        lines.append("| " + " | ".join("" if cell is None else _text(cell) for cell in cells) + " |")
    if len(rows) > _MAX_ROWS:
        lines.append(f"\n{len(rows) - _MAX_ROWS} more in {EVALUATIONS}.")
    return "\n".join(lines)


def _accuracy(row: Mapping[str, Any]) -> str:
    mean, std = row.get("mean"), row.get("std")
    if not isinstance(mean, (int, float)):
        return "?"
    spread = f" ± {100 * std:.2f}" if isinstance(std, (int, float)) else ""
    return f"{100 * mean:.2f}{spread} %"


def _text(value: object) -> str:
    """`value` as one line of plain text: no Markdown, no HTML, no table cell's end, no control characters."""
    line = " ".join("".join(c if c.isprintable() else " " for c in str(value)).split())
    if len(line) > _MAX_TEXT:
        line = line[:_MAX_TEXT] + "…"
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _MARKUP.sub(r"\\\1", line)
