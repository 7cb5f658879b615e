"""The page itself: everything the template shows, and the template filled in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.resources import files
from typing import TYPE_CHECKING

import msgspec

from gendata.artifact.artifact import CondensedArtifact
from gendata.evaluation.corruptions import scale_of
from gendata.evaluation.page.accuracy_chart import accuracy_chart
from gendata.evaluation.page.class_chart import MAX_CLASSES, class_chart
from gendata.evaluation.page.curve_chart import curve_chart
from gendata.evaluation.page.feature_chart import feature_panels
from gendata.evaluation.page.headline import headline
from gendata.evaluation.page.materials import Materials
from gendata.evaluation.page.pictures import gallery
from gendata.evaluation.page.published import Series, published
from gendata.evaluation.page.reproduction import artifact_name, command, facts
from gendata.evaluation.page.sums import sums
from gendata.evaluation.page.table import (
    COLUMNS,
    NUMERIC,
    across_networks,
    cells,
    main_rows,
    notes,
    row_label,
    under_corruptions,
)
from gendata.evaluation.page.wording import counted, listed, percent, plain, short_bytes, spread
from gendata.evaluation.report import Report
from gendata.spec import SampleSpec

if TYPE_CHECKING:
    from markupsafe import Markup

_TEMPLATE = "page.html.jinja"


def page(report: Report, given: Materials) -> str:
    """The HTML page; the same arguments give the same bytes."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    rows = main_rows(report.rows)
    classes = given.spec.classes if given.spec is not None else ()
    series, quotes = _published(report, given)
    charts = {
        "bytes": _both(partial(accuracy_chart, rows, series)),
        "classes": _both(partial(class_chart, rows, classes)),
        "curves": _both(partial(curve_chart, rows)),
    }
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(percent=percent, plain=plain, row_label=row_label, short_bytes=short_bytes)
    template = files("gendata.evaluation.page").joinpath(_TEMPLATE).read_text(encoding="utf-8")
    return environment.from_string(template).render(
        report=report,
        artifact=given.artifact,
        title=artifact_name(given.artifact) if given.artifact is not None else f"Baselines on {plain(report.source)}",
        subtitle=_subtitle(report, given),
        headline=headline(report),
        tiles=_tiles(report, given),
        numbers=NUMERIC,
        lines=[(row, dict(zip(COLUMNS, cells(row), strict=True))) for row in report.rows],
        charts=charts,
        series=series,
        readings=_readings(series),
        notes=notes(report.rows),
        quotes=quotes,
        sums=sums(report),
        gallery=gallery(given.artifact, given.source) if given.artifact is not None else None,
        panels=[(panel.name, Markup(panel.svg)) for panel in feature_panels(given.features, classes)]
        if given.features is not None
        else [],
        features_how=given.features.how if given.features is not None else "",
        num_classes=len(classes),
        most_classes=MAX_CLASSES,
        matrix=across_networks(report.rows),
        spread=spread,
        corruptions=under_corruptions(report.rows),
        corruptions_how=_corruptions_how(given.spec),
        command=command(report, given.artifact),
        facts=facts(report),
        recipe=_recipe(given.artifact),
        missing=missing(report, given),
    )


def _both(draw: Callable[..., str | None]) -> list[Markup]:
    """The chart for wide and for narrow windows; nothing where there is nothing to draw."""
    from markupsafe import Markup

    return [Markup(svg) for narrow in (False, True) if (svg := draw(narrow=narrow)) is not None]


def missing(report: Report, given: Materials) -> dict[str, str]:
    """What the page does not show -> why."""
    told = {plain(name): plain(why) for name, why in report.skipped.items()}
    if given.artifact is None:
        told["samples"] = "no artifact was given"
    elif given.source is None:
        told["real images beside the samples"] = plain(given.no_source)
    if given.features is None:
        told["real against synthetic features"] = "no network trained on real images was given"
    if not any(row.per_class for row in report.rows):
        told["accuracy per class"] = "these rows were measured without it"
    if not any(len(row.curve) > 1 for row in report.rows):
        told["training curves"] = "these rows were measured without them"
    return told


def _subtitle(report: Report, given: Materials) -> str:
    if given.artifact is None:
        return f"{plain(report.protocol)}, {listed([plain(network) for network in report.networks])}"
    spec, source = given.artifact.spec, given.artifact.manifest.source
    return (
        f"A condensed dataset of {plain(source.name if source else report.source, limit=60)}: "
        f"{counted(spec.num_classes, 'class', 'classes')}, {spec.height} × {spec.width} px, "
        f"{'grey' if spec.channels == 1 else 'colour' if spec.channels == 3 else f'{spec.channels} channels'}"
    )


def _tiles(report: Report, given: Materials) -> list[tuple[str, str, str]]:
    """(name, value, remark) of the few facts on top."""
    tiles = []
    if given.artifact is not None:
        remark = ""
        if given.source is not None:
            pixels = len(given.source.split("train").y) * given.artifact.spec.num_pixels
            remark = f"1/{max(1, round(pixels / given.artifact.artifact_bytes)):,} of the training pixels"
        tiles.append(("artifact", f"{given.artifact.artifact_bytes:,} bytes", remark))
        tiles.append(
            ("stored set", f"{report.ipc} per class", "images of one pass (IPC)")
        )  # of the rows; it may hold more
    tiles.append(("protocol", plain(report.protocol), _protocol_remark(report)))
    tiles.append(("student", listed([plain(network) for network in report.networks]), _count_remark(report)))
    return tiles


def _protocol_remark(report: Report) -> str:
    remark = "ours"
    if not report.protocol.startswith("quick/"):
        remark = _loop_remark(report)
    return remark + ("; selects on test data" if any(row.selects_on_test for row in report.rows) else "")


def _loop_remark(report: Report) -> str:
    ours = [row for row in report.rows if row.status != "exact"]
    if report.rows and not ours:
        return "shown equal to the published loop"
    if len(ours) == len(report.rows) or len({row.protocol for row in report.rows}) > 1:
        return "not shown equal to the published loop"
    return f"shown equal to the published loop, not so {listed(list(dict.fromkeys(map(row_label, ours))))}"


def _count_remark(report: Report) -> str:
    counts = sorted({row.n for row in report.rows}) or [0]
    if counts[0] == counts[-1]:
        return f"{counted(counts[0], 'network')} per row"
    return f"{counts[0]} to {counts[-1]} networks per row"


def _corruptions_how(spec: SampleSpec | None) -> str:
    told = "Accuracy in percent, mean over five severities of the common corruptions (Hendrycks, Dietterich 2019)"
    if spec is None:
        return told + "."
    strengths = {"cifar-10-c": "CIFAR-10-C", "imagenet-c": "ImageNet-C"}[scale_of(spec.height, spec.width)]
    return f"{told}, with the strengths of {strengths}."


def _published(report: Report, given: Materials) -> tuple[tuple[Series, ...], list[tuple[str, str]]]:
    """Comparable series, and texts that quote published baselines which were not measured here."""
    known, data_set = published(), _data_set(report, given)
    if not report.rows:
        return (), []
    first = report.rows[0]
    series = known.comparable(data_set, protocol=first.protocol, network=first.network)
    measured, quotes = {row.name for row in report.rows}, []
    for method in ("random-real", "real-full"):
        if method not in measured and (quoted := known.quoted(data_set, network=first.network, method=method)):
            numbers = (
                f"{point.accuracy}{f' ± {point.std}' if point.std is not None else ''} %"
                + (f" (IPC {point.ipc})" if point.ipc else "")
                for point in quoted.points
            )
            titles = listed([known.sources[key].title for key in quoted.source])
            quotes.append((method, f"published: {', '.join(numbers)}, protocol not stated. {titles}"))
    return series, quotes


def _data_set(report: Report, given: Materials) -> str | None:
    """Under which name the data set's numbers are published."""
    if given.spec is None:
        return None
    names = [report.source]
    if given.source is not None:
        names += [value for value in msgspec.to_builtins(given.source.config).values() if isinstance(value, str)]
    return next(filter(None, (published().data_set_of(name, given.spec) for name in names)), None)


def _readings(series: Sequence[Series]) -> list[tuple[str, list[tuple[str, str | None]], str]]:
    """Per series: its method, titles and addresses of its sources, a note."""
    sources = published().sources
    return [(one.method, [(sources[key].title, sources[key].url) for key in one.source], one.note) for one in series]


def _recipe(artifact: CondensedArtifact | None) -> Mapping[str, str]:
    if artifact is None:
        return {}
    manifest = artifact.manifest
    told = {
        "its recipe": f"digest {manifest.recipe_digest}" if manifest.recipe_digest else "",
        "condensed by": f"gendata {manifest.versions.gendata}, torch {manifest.versions.torch}",
        "generator": f"{manifest.generator.name}, latent law {manifest.latent.name}",
        "licence of the artifact": manifest.license or "not stated",
        "please cite": manifest.citation or "",
    }
    return {name: plain(value) for name, value in told.items() if value}
