"""The one sentence above the page: true whoever wins."""

from __future__ import annotations

from collections.abc import Sequence
from math import hypot

from gendata.evaluation.page.table import main_rows
from gendata.evaluation.page.wording import counted, percent, plain, short_bytes
from gendata.evaluation.report import Report, Row


def headline(report: Report) -> str:
    """What the artifact teaches a network, beside real images at the same bytes and at the same count.

    Which of several artifact rows is spoken of is fixed (new samples at matched steps, then the stored set, then longer
    budgets), never the best one. "More" and "less" are said of a difference larger than the deviations of both.
    """
    rows = main_rows(report.rows)
    told = _spoken_of(rows)
    if told is None:
        return _without_artifact(rows, report)
    return f"{_claim(told, report)}{_comparisons(told, rows)}. {_caveat(told, rows)}".strip()


def _spoken_of(rows: Sequence[Row]) -> Row | None:
    artifact = [row for row in rows if row.name == "artifact"]
    for wanted in ("fresh-matched", "frozen", "fresh@"):
        for row in artifact:
            if row.mode.startswith(wanted):
                return row
    return artifact[0] if artifact else None


def _claim(row: Row, report: Report) -> str:
    size = f"this {short_bytes(row.bytes)} artifact" if row.bytes is not None else "this artifact"
    what = f"the {row.distinct_images:,} stored images" if row.mode.startswith("frozen") else "newly drawn samples"
    return (
        f"Trained on {what} of {size}, a network recognises {percent(row.mean)} % "
        f"of the test images of {plain(report.source, limit=60)}"
    )


def _comparisons(row: Row, rows: Sequence[Row]) -> str:
    """What real images teach at the same bytes, and at the same count: "; as many bytes ..."."""
    baselines = {other.option: other for other in rows if other.name != "artifact"}
    texts = []
    if (same_bytes := baselines.get("equal-bytes-real")) is not None:
        texts.append(f"as many bytes of compressed real images teach it {_verdict(row, same_bytes)}")
    if (random := baselines.get("random-real")) is not None:
        verb = "" if texts else " teach it"
        texts.append(f"{random.distinct_images:,} random real images{verb} {_verdict(row, random)}")
    if not texts and baselines:
        other = max(baselines.values(), key=lambda baseline: baseline.mean)
        texts.append(f"{plain(other.option)} teaches it {_verdict(row, other)}")
    return "".join(f"{mark}{text}" for mark, text in zip(("; ", ", "), texts, strict=False))


def _verdict(row: Row, other: Row) -> str:
    difference = other.mean - row.mean
    if abs(difference) <= hypot(row.std, other.std) or percent(row.mean) == percent(other.mean):
        word = "about as much"
    else:
        word = "more" if difference > 0 else "less"
    return f"{word} ({percent(other.mean)} %)"


def _caveat(row: Row, rows: Sequence[Row]) -> str:
    fewest, most = (pick(other.n for other in rows) for pick in (min, max))
    texts = [f"{counted(row.n, 'network')} per row" if fewest == most else f"{fewest} to {most} networks per row"]
    if row.n == 1:
        texts = ["One network was trained on it: differences have no error bar"]
    if row.selects_on_test:
        texts.append("this protocol selects on test data, which flatters every row")
    return "; ".join(texts) + "."


def _without_artifact(rows: Sequence[Row], report: Report) -> str:
    best = max(rows, key=lambda row: row.mean, default=None)
    if best is None:
        return "No row was measured."
    source = plain(report.source, limit=60)
    return (
        f"No row of the artifact was measured; of the baselines, {plain(best.option)} teaches a network most: "
        f"{percent(best.mean)} % of the test images of {source}. {_caveat(best, rows)}"
    )
