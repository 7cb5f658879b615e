"""README.md of an artifact, rendered from its manifest. Every text in it came from somebody: none is markup here.

The file is a head in YAML, which the Hub reads, and a block between two marks, `CARD_BEGIN` and `CARD_END`. Both are
rendered anew; whatever somebody writes outside of the block is theirs.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from gendata._resources import shipped
from gendata.artifact.card_rows import CardRow, claim, losses, meanings, read_rows
from gendata.artifact.layout import EVALUATIONS, PREVIEW, WEIGHTS
from gendata.artifact.manifest import Manifest
from gendata.artifact.row_options import option_of
from gendata.errors import GendataError
from gendata.licences import hub_identifier
from gendata.recipe import list_recipes, load_recipe

CARD_BEGIN = "<!-- gendata:begin, rendered from config.json and evaluations.json; write outside of this block -->"
CARD_END = "<!-- gendata:end -->"

_TEMPLATE = "artifact.md.jinja"
_HERE = "path/to/this/folder"
_MAX_TEXT = 300  # characters of one value
_MAX_ROWS = 200
_MARKUP = re.compile(r"([\\`*_{}\[\]()#!|~$:@]|(?<=www)\.)", re.IGNORECASE)  # "@" and "www." would become links
_URL = re.compile(r"https://[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+(/[A-Za-z0-9._~/%?=&+-]*)?")  # nothing Markdown would read
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/,@()-]{0,200}")  # of a command: safe in a shell and in a fence
BANKS = ("pixel-bank", "multi-formation-bank")  # stored images, no generator of new ones
_REAL_SUBSETS = ("random-real", "herding", "k-center")  # methods whose artifacts are real images
_SIZES = ((10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"), (10**7, "1M<n<10M"))

# What plain `datasets` is told where there is no parquet. Without any configuration it would take evaluations.json or
# preview.png for the data; with this one it says that it finds nothing, and the name tells why.
NO_TABLE: Mapping[str, Any] = {
    "config_name": "default",
    "data_files": [{"split": "train", "path": "data/no-images-stored-here-use-gendata.load_condensed-*.parquet"}],
}


class _Ours(str):
    """Text that may hold Markdown: ours, or escaped already."""


def render_card(manifest: Manifest, rows: Sequence[Mapping[str, Any]] = (), *, name: str = _HERE) -> bytes:
    """The card's bytes: the YAML head, then the block between its marks. The same arguments give the same bytes.

    Args:
        manifest: of the artifact.
        rows: of evaluations.json.
        name: what `load_condensed` is given: the repository's "org/name", or a folder.
    """
    return f"---\n{card_head(manifest)}---\n\n{card_block(manifest, rows, name=name)}\n".encode()


def card_head(manifest: Manifest) -> str:
    """The keys that describe the data set to the Hub, as YAML; of data files, whoever writes them tells."""
    import yaml

    fields: dict[str, Any] = {"pretty_name": f"Condensed {_unmarked(_title(manifest))}, IPC {manifest.frozen.ipc}"}
    if manifest.license:
        license = _unmarked(manifest.license)
        known = hub_identifier(license)
        fields |= {"license": known} if known else {"license": "other", "license_name": license}
    fields |= {
        "task_categories": ["image-classification"],
        "size_categories": [next((name for most, name in _SIZES if manifest.num_frozen < most), "n>10M")],
        "tags": ["gendata", "dataset-condensation", "dataset-distillation"],
    }
    if not any(name.startswith("data/") for name in manifest.files):
        fields["configs"] = [NO_TABLE]
    text: str = yaml.safe_dump(fields, sort_keys=False, allow_unicode=True, width=1000)
    return text


def card_block(manifest: Manifest, rows: Sequence[Mapping[str, Any]] = (), *, name: str = _HERE) -> str:
    """What the card says, from `CARD_BEGIN` to `CARD_END`, both included; no final newline."""
    from jinja2 import Environment, StrictUndefined

    # Not autoescape, which knows HTML alone: whatever the template prints is escaped for Markdown and HTML both.
    environment = Environment(
        undefined=StrictUndefined, finalize=_escaped, autoescape=False, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string((shipped("hub") / "cards" / _TEMPLATE).read_text(encoding="utf-8"))
    body = re.sub("\n{3,}", "\n\n", template.render(_view(manifest, rows, name=name))).strip()
    return f"{CARD_BEGIN}\n{body}\n{CARD_END}"


def _view(manifest: Manifest, rows: Sequence[Mapping[str, Any]], *, name: str) -> dict[str, Any]:
    """Everything the template prints; a plain str is a stranger's, and is escaped."""
    spec, read = manifest.spec, read_rows(rows, artifact_id=manifest.artifact_id)
    values = " in [0, 1]" if manifest.sampling.dtype == "uint8" else ""
    language, code = _recipe_code(manifest)
    return {
        "title": _title(manifest),
        "what": _what(manifest),
        "claim": claim(read, source=_title(manifest)),
        "has_preview": PREVIEW in manifest.files,
        "glance": list(_glance(manifest)),
        "place": _Ours(json.dumps(_unmarked(name)).strip('"')),
        "shape": _Ours(f"(N, {spec.channels}, {spec.height}, {spec.width})"),
        "values": _Ours(values),
        "modes": _modes(manifest),
        "results": read[:_MAX_ROWS],
        "more_results": max(0, len(read) - _MAX_ROWS),
        "bold": _Ours("**"),
        "evaluations": _Ours(f"`{EVALUATIONS}`"),
        "footnotes": meanings(read[:_MAX_ROWS]),
        "limitations": list(_limitations(manifest, read)),
        "remaking": _remaking(manifest, language),
        "recipe_language": _Ours(language),
        "recipe_code": _Ours(code),
        "commands": _Ours("\n".join(_commands(read, manifest, name=name))),
        "rights": list(_rights(manifest)),
        "facts": list(_facts(manifest)),
    }


def _title(manifest: Manifest) -> str:
    source = manifest.source
    if source is None:
        return "unknown source"
    which = source.options.get("name")  # a source that reads many sets is known by which of them it read
    return _plain((which if isinstance(which, str) else None) or source.folder or source.name)[:80]


def _what(manifest: Manifest) -> str:
    spec, kind = manifest.spec, _kind(manifest)
    holds = (
        f"{manifest.num_frozen:,} stored images" if kind == "bank" else "a small generator that makes labelled images"
    )
    size = _short_bytes(manifest.files[WEIGHTS].size)
    return (
        f"{holds[0].upper()}{holds[1:]} in {size}, to train a classifier with in place of {_title(manifest)}: "
        f"{_counted(spec.num_classes, 'class', 'classes')}, {spec.height} x {spec.width} px, {_colour(manifest)}."
    )


def _kind(manifest: Manifest) -> str:
    return "bank" if manifest.generator.name in BANKS else "generator"


def _colour(manifest: Manifest) -> str:
    return {1: "grey", 3: "colour"}.get(manifest.spec.channels, f"{manifest.spec.channels} channels")


def _glance(manifest: Manifest) -> Iterator[tuple[str, str]]:
    size = manifest.files[WEIGHTS].size
    pixels = manifest.num_frozen * manifest.spec.num_pixels
    yield "weights file", f"{size:,} bytes"
    yield "stored set", f"{_counted(manifest.num_frozen, 'image')}, {manifest.frozen.ipc} per class (IPC)"
    if _kind(manifest) == "generator":
        yield "new images", f"as many as you draw; the stored set as pixels would take {pixels:,} bytes"
    yield "labels", manifest.labels.told
    yield "licence", manifest.license or "not stated"


def _modes(manifest: Manifest) -> _Ours:
    told = f"`ds` is the stored set, {_counted(manifest.num_frozen, 'image')}, the same on every machine of a kind."
    if _kind(manifest) == "generator":
        told += " `ds.fresh(samples_per_class=100)` draws new images for every epoch."
    if manifest.labels.kind == "soft":
        which = "either" if manifest.labels.head else "the stored set"
        told += f' `.with_labels("soft")` gives {which} soft labels.'
    return _Ours(f"{told} `gendata view` shows them.")


def _limitations(manifest: Manifest, rows: Sequence[CardRow]) -> Iterator[tuple[str, str]]:
    if _kind(manifest) == "generator":
        yield "Fresh is not IPC.", _fresh_text(manifest, rows)
    yield from losses(rows, [_plain(name) for name in manifest.spec.classes])
    networks = list(dict.fromkeys(row.network for row in rows))
    if len(networks) == 1:
        yield "One architecture.", f"Measured with {networks[0]} alone; others may learn less from it."
    if manifest.space is not None:
        told = f"Samples are values in the space {manifest.space.name}; artifact.to_space brings real images there."
        yield "Not pixels.", told
    if _method(manifest) in _REAL_SUBSETS:
        yield "It holds real images.", "They are training images of the source, under the source's licence."
    elif _kind(manifest) == "generator":
        yield "No promise of privacy.", "It was fitted to real images, and samples may resemble some of them."
    yield (
        "For training classifiers.",
        ("Samples were made to teach, not to look real; gaps and biases of the source are in them too."),
    )
    if manifest.probes is not None:
        made = manifest.probes.made_on
        yield (
            "Bits.",
            (
                f"Images are bit-equal on machines like the maker's (torch {made.torch}, {made.device}, {made.isa}); "
                f"elsewhere a value may differ by {manifest.probes.tolerance} of 255."
            ),
        )


def _fresh_text(manifest: Manifest, rows: Sequence[CardRow]) -> str:
    fresh = next((row for row in rows if row.kind == "fresh"), None)
    seen = f" (here {fresh.distinct} different ones)" if fresh is not None and fresh.num_distinct else ""
    return (
        f"Newly drawn images show a network many more different images{seen} than the {manifest.num_frozen:,} of the "
        f"stored set. Only the row frozen({manifest.num_frozen}) may stand beside numbers published at "
        f"IPC {manifest.frozen.ipc}."
    )


def _method(manifest: Manifest) -> str | None:
    method = (manifest.recipe or {}).get("method")
    name = method.get("name") if isinstance(method, dict) else None
    return name if isinstance(name, str) else None


def _remaking(manifest: Manifest, language: str) -> str:
    if manifest.imported is not None:
        return f"Imported from published files ({manifest.imported.layout}): {', '.join(manifest.imported.files)}."
    versions = f"gendata {_plain(manifest.versions.gendata)} and torch {_plain(manifest.versions.torch)}"
    if manifest.condensed_on is not None:  # elsewhere the last bits of the weights are others
        versions += f" on {_plain(manifest.condensed_on.told)}"
    if language == "bash":
        return f"Condensed by a recipe that comes with gendata, with {versions}:"
    if language == "python":
        return f"Condensed by the recipe in config.json, with {versions}; a local source needs data_root as well:"
    return f"Not made by a recipe; saved with {versions}."


def _recipe_code(manifest: Manifest) -> tuple[str, str]:
    """(language, code) that makes the artifact again; two empty texts where no recipe is known."""
    if manifest.recipe is None:
        return "", ""
    machine = manifest.condensed_on
    threads = machine.threads if machine is not None and machine.is_cpu else None
    if shipped_name := _shipped_recipe(manifest):
        told = f"OMP_NUM_THREADS={threads} " if threads else ""
        return "bash", f"{told}gendata recipe run {shipped_name} --out again"
    lines = (
        f"import gendata, json, msgspec{', torch' if threads else ''}",
        "",
        *([f"torch.set_num_threads({threads})"] if threads else []),
        'recipe = json.load(open("config.json"))["recipe"]',
        'gendata.condense(msgspec.convert(recipe, gendata.Recipe), out="again")',
    )
    return "python", "\n".join(lines)


def _shipped_recipe(manifest: Manifest) -> str | None:
    """The shipped recipe that makes this artifact."""
    fields = manifest.recipe or {}
    for name in list_recipes():
        try:
            recipe = load_recipe(name)
            # Resolving imports what a recipe names: only where the parts have the same names.
            same_parts = _names(msgspec.to_builtins(recipe)) == _names(fields)
            if same_parts and recipe.resolved().made(fields, manifest.recipe_digest):
                return name
        except GendataError:
            continue
    return None


def _names(recipe: Mapping[str, Any]) -> list[object]:
    parts = (recipe.get(part) for part in ("source", "generator", "latent", "method"))
    return [part.get("name") if isinstance(part, dict) else None for part in parts]


def _commands(rows: Iterable[CardRow], manifest: Manifest, *, name: str) -> Iterator[str]:
    """Commands that measure the rows again, one per protocol, network and conditions.

    None for words that are no plain names.
    """
    fetched = bool(_WORD.fullmatch(name)) and name != _HERE
    groups: dict[tuple[str, str, int | None, str], list[str]] = {}
    for row in rows:
        if not all(map(_WORD.fullmatch, row.corruptions)):
            continue
        option = option_of(row.row, row.mode)
        asked = row.conditions(ipc=manifest.frozen.ipc, has_soft_labels=manifest.labels.kind == "soft")
        names = groups.setdefault((row.protocol, row.network, row.n, asked), [])
        if _WORD.fullmatch(option) and option not in names:
            names.append(option)
    place = "ARTIFACT" if fetched else "."
    if groups and fetched:
        yield f"gendata pull {name} --out {place}"
    for (protocol, network, n, asked), names in groups.items():
        if names and n and _WORD.fullmatch(protocol) and _WORD.fullmatch(network):
            yield (
                f"gendata evaluate {place} --protocol {shlex.quote(protocol)} --networks {shlex.quote(network)} "
                f"--runs {n}{asked} \\\n    --rows {shlex.quote(','.join(names))}"
            )


def _rights(manifest: Manifest) -> Iterator[tuple[str, str]]:
    source = manifest.source
    yield "Licence of this artifact", manifest.license or "not stated"
    yield "Licence of the source", (source and source.license) or "unknown"
    if source is not None:
        yield "Source", f"{source.name}, revision {source.revision}" if source.revision else source.name
        if source.homepage:
            yield "Homepage", _link(source.homepage)
    citations = dict.fromkeys(text for text in (manifest.citation, source and source.citation) if text)
    for text in citations:
        yield "Please cite", text


def _facts(manifest: Manifest) -> Iterator[tuple[str, str]]:
    yield "artifact id", _Ours(f"`{manifest.artifact_id}`")
    yield "generator", manifest.generator.name
    num_noise = int(manifest.latent.config.get("noise", 0))
    noise = f" and {num_noise} of noise" if num_noise else ""
    yield "latent law", f"{manifest.latent.name}, {_counted(manifest.latent.dim - num_noise, 'number')}{noise}"
    if manifest.space is not None:
        yield "values", f"{manifest.space.name}, not pixels: artifact.to_space brings real images there"
    elif manifest.sampling.dtype == "float32":
        yield "values", "floats as they are, 0 black and 1 white, unclamped"
    if manifest.training and manifest.training.lr is not None:
        yield "learning rate made with it", f"{manifest.training.lr:g}"
    if manifest.imported is not None:
        yield "imported from", f"{', '.join(manifest.imported.files)} ({manifest.imported.layout})"
    yield "made by", f"gendata {manifest.versions.gendata}, torch {manifest.versions.torch}"
    yield "recipe digest", manifest.recipe_digest or "none"
    if manifest.source is not None and manifest.source.fingerprint:
        yield "fingerprint of the source", manifest.source.fingerprint


def _link(url: str) -> str:
    return _Ours(f"<{url}>") if _URL.fullmatch(url) and len(url) <= _MAX_TEXT else url


def _plain(value: object) -> str:
    """`value` as one line without control or format characters. No markup is escaped here."""
    line = " ".join("".join(c if c.isprintable() else " " for c in str(value)).split())
    return line if len(line) <= _MAX_TEXT else line[:_MAX_TEXT] + "…"


def _unmarked(value: str) -> str:
    """`value` for the head and for code, where nothing can be escaped: without what marks and fences are made of."""
    return re.sub("[<>`]", "", _plain(value))


def _escaped(value: object) -> str:
    """`value` as text alone: no Markdown, no HTML, no table cell's end, no control characters."""
    if isinstance(value, _Ours):
        return str(value)
    line = _plain("" if value is None else value).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _MARKUP.sub(r"\\\1", line)


def _short_bytes(count: int) -> str:
    """219204 -> "219 kB": powers of 1000, three digits."""
    value, unit = float(count), 0
    units = ("bytes", "kB", "MB", "GB")
    while value >= 999.5 and unit < len(units) - 1:
        value, unit = value / 1000, unit + 1
    text = f"{value:.{0 if value >= 100 or unit == 0 else 1}f}"
    return f"{text.removesuffix('.0')} {units[unit]}"


def _counted(count: int, one: str, many: str | None = None) -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"
