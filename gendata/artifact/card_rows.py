"""What an artifact's measured rows say, for its card: a table, a claim, what was lost. Rows are strangers' data."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gendata.artifact.canonical import sha256_of
from gendata.artifact.row_options import option_of

_MEANINGS = {
    "frozen": "the stored set, the same in every pass: what papers mean by a number at this IPC",
    "fresh": "images drawn anew for every pass; at equal steps, with more different images",
    "fresh@": "images drawn anew for every pass, in more steps: not to be held against the other rows",
    "random-real": "as many random real images as the stored set has",
    "equal-bytes-real": "as many compressed real images as the artifact's bytes hold",
    "herding": "as many real images, chosen by herding",
    "k-center": "as many real images, chosen by k-center",
    "real-stream": "new real images in every pass, at the stored set's steps: what a true copy of the data would reach",
    "real-full": "all real training images",
}
_HARDEST = 3  # classes named as the hardest


@dataclass(frozen=True)
class CardRow:
    """One measured row, as far as it can be read."""

    row: str  # "artifact", or a baseline
    mode: str
    protocol: str
    network: str
    ipc: int | None
    labels: str  # that students learned: "hard", "soft", "teacher"
    mean: float | None  # fraction of the test set
    std: float
    n: int | None  # networks
    num_bytes: int | None
    num_distinct: int | None
    picked_on_test: bool
    is_sealed: bool
    per_class: tuple[float, ...]
    seed: int  # of the evaluation
    corruptions: tuple[str, ...]  # of the test images, on which it was tested as well

    @property
    def kind(self) -> str:
        """Of the artifact "frozen", "fresh" or, in more steps than all other rows, "fresh@"; else the row's name."""
        if self.row != "artifact":
            return option_of(self.row, self.mode)
        return next((kind for kind in ("frozen", "fresh@", "fresh") if self.mode.startswith(kind)), self.mode)

    @property
    def name(self) -> str:
        """What the table calls it."""
        told = f"this artifact, {self.mode}" if self.row == "artifact" else option_of(self.row, self.mode)
        return f"{told}, soft labels" if self.labels == "soft" else told

    @property
    def accuracy(self) -> str:
        """In percent, with what a reader must know of the number."""
        if self.mean is None:
            return "?"
        told = percent(self.mean)
        if self.n is not None and self.n > 1:
            told += f" ± {percent(self.std)}"
        if self.picked_on_test:
            told += ", picked on test data"
        return told if self.is_sealed else told + ", not sealed"

    def conditions(self, *, ipc: int, has_soft_labels: bool) -> str:
        """Options that `gendata evaluate` needs beside protocol, network, runs and row: " --seed 3", or nothing.

        Args:
            ipc: the artifact's own.
            has_soft_labels: whether the artifact has any, which its students learn unless they are told otherwise.
        """
        asked = {
            "ipc": None if self.ipc == ipc else self.ipc,
            "labels": "hard" if has_soft_labels and self.row == "artifact" and self.labels == "hard" else None,
            "teacher": "TEACHER" if self.labels == "teacher" else None,
            "corruptions": ",".join(self.corruptions),
            "seed": self.seed,
        }
        return "".join(f" --{name} {value}" for name, value in asked.items() if value)

    @property
    def bytes(self) -> str:
        return "–" if self.num_bytes is None else f"{self.num_bytes:,}"

    @property
    def distinct(self) -> str:
        return "–" if self.num_distinct is None else f"{self.num_distinct:,}"


def read_rows(rows: Iterable[Mapping[str, Any]], *, artifact_id: str) -> list[CardRow]:
    """Rows of evaluations.json; whatever is not of its kind counts as not said."""
    return [
        CardRow(
            row=_text(row, "row"),
            mode=_text(row, "mode"),
            protocol=_text(row, "protocol"),
            network=_text(row, "network"),
            ipc=_whole(row.get("ipc")),
            labels=_text(row, "labels") if "labels" in row else "hard",
            mean=_number(row.get("mean")),
            std=_number(row.get("std")) or 0.0,
            n=_whole(row.get("n")),
            num_bytes=_whole(row.get("bytes")),
            num_distinct=_whole(row.get("distinct_images")),
            picked_on_test=row.get("selects_on_test") is True,
            is_sealed=_is_sealed(row, artifact_id),
            per_class=_numbers(row.get("per_class")),
            seed=_whole(row.get("seed")) or 0,
            corruptions=_names(row.get("corrupted")),
        )
        for row in rows
    ]


def claim(rows: Sequence[CardRow], *, source: str) -> str:
    """One sentence: what a network learns from it, beside real images; which row speaks is fixed, never the best."""
    main = _comparable(rows)
    told = _of_kind(main, "fresh") or _of_kind(main, "frozen")
    if told is None or told.mean is None:
        return "What a network learns from it has not been measured yet."
    what = "newly drawn images" if told.kind == "fresh" else "the stored images"
    texts = []
    for kind, name in (("equal-bytes-real", "as many bytes of compressed real images"), ("random-real", "")):
        other = _of_kind(main, kind)
        if other is not None and other.mean is not None:
            name = name or f"{other.distinct} random real images"
            texts.append(f"{name} teach it {_compared(told, other)} ({percent(other.mean)} %)")
    beside = "; " + ", ".join(texts) if texts else ""
    return (
        f"Trained on {what}, {told.network} recognises {percent(told.mean)} % of the test images of {source}{beside}."
    )


def meanings(rows: Iterable[CardRow]) -> list[str]:
    """What the rows that are shown mean, each kind once."""
    return [f"{kind}: {_MEANINGS[kind]}." for kind in dict.fromkeys(row.kind for row in rows) if kind in _MEANINGS]


def losses(rows: Sequence[CardRow], classes: Sequence[str]) -> Iterator[tuple[str, str]]:
    """(lead, sentence) of what the rows say was lost."""
    main = _comparable(rows)
    ours = [row for row in main if row.kind in ("frozen", "fresh") and row.mean is not None]
    if not ours:
        yield "What was lost is not known.", "No row of this artifact was measured against real data in as many steps."
        return
    best = max(ours, key=lambda row: row.mean or 0)
    yield "What was lost.", _lost(best, main)
    same_bytes = _of_kind(main, "equal-bytes-real")
    if same_bytes is not None and same_bytes.mean is not None and _compared(best, same_bytes) != "less":
        verdict = "teach more" if _compared(best, same_bytes) == "more" else "teach about as much"
        told = f"({percent(same_bytes.mean)} % against {percent(best.mean or 0)} %)"
        yield "Plain compression is a rival.", f"As many bytes of compressed real images {verdict} {told}."
    frozen, drawn = _of_kind(main, "frozen"), _of_kind(main, "random-real")
    if frozen and drawn and frozen.mean is not None and drawn.mean is not None and _compared(frozen, drawn) == "more":
        told = f"({percent(drawn.mean)} % against {percent(frozen.mean)} %)"
        yield "The stored set is beaten.", f"As many random real images teach more {told}."
    if len(best.per_class) == len(classes) > 1:
        hardest = sorted(range(len(classes)), key=lambda label: best.per_class[label])[:_HARDEST]
        named = ", ".join(f"{classes[label][:40]} ({percent(best.per_class[label])} %)" for label in hardest)
        yield "Classes differ.", f"Hardest in the row {best.mode}: {named}."
    yield from _doubts(main)


def percent(fraction: float) -> str:
    """0.8392 -> "83.9"."""
    return f"{100 * fraction:.1f}"


def _lost(best: CardRow, main: Sequence[CardRow]) -> str:
    bounds = {
        "real-full": "Trained on all real images",
        "real-stream": "Trained on real images, others in every pass,",
    }
    for kind, how in bounds.items():
        bound = _of_kind(main, kind)
        if bound is not None and bound.mean is not None and best.mean is not None:
            points = 100 * (bound.mean - best.mean)
            end = f"{points:.1f} points are lost" if points >= 0.05 else "nothing is lost"
            return (
                f"{how} the same network reaches {percent(bound.mean)} %; on this artifact at best "
                f"{percent(best.mean)} % ({best.mode}): {end}."
            )
    return "Neither real-full nor real-stream was measured, so nobody knows how much accuracy real data would add."


def _doubts(main: Sequence[CardRow]) -> Iterator[tuple[str, str]]:
    single = [row.mode if row.row == "artifact" else row.row for row in main if row.n == 1]
    if single and len(single) == len(main):
        yield "No error bars.", "One network per row: small differences mean nothing."
    elif single:
        named = ", ".join(single)
        yield "Some rows have no error bar.", f"One network each: {named}; small differences mean nothing there."
    if any(row.picked_on_test for row in main):
        yield "Picked on test data.", "This protocol picks its number by looking at test accuracy, which flatters it."
    if any(not row.is_sealed for row in main):
        yield "Not sealed.", "Rows marked so were not written, or were changed after, by gendata evaluate."


def _comparable(rows: Sequence[CardRow]) -> list[CardRow]:
    """Rows of the first artifact row's protocol, network and IPC: these alone may share a sentence.

    All real data are no matter of IPC.
    """
    first = next((row for row in rows if row.row == "artifact"), rows[0] if rows else None)
    if first is None:
        return []
    same_loop = [row for row in rows if (row.protocol, row.network) == (first.protocol, first.network)]
    return [row for row in same_loop if row.ipc == first.ipc or row.kind == "real-full"]


def _of_kind(rows: Iterable[CardRow], kind: str) -> CardRow | None:
    return next((row for row in rows if row.kind == kind), None)


def _compared(row: CardRow, other: CardRow) -> str:
    """One of "more", "less" and "about as much": what `other` teaches beside `row`."""
    difference = (other.mean or 0) - (row.mean or 0)
    if abs(difference) <= math.hypot(row.std, other.std) or percent(row.mean or 0) == percent(other.mean or 0):
        return "about as much"
    return "more" if difference > 0 else "less"


def _is_sealed(row: Mapping[str, Any], artifact_id: str) -> bool:
    unsealed = {name: value for name, value in row.items() if name != "seal"}
    try:
        return row.get("seal") == sha256_of({"artifact_id": artifact_id, "row": unsealed})
    except (TypeError, ValueError):
        return False


def _text(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    return "?" if value is None else str(value)


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if abs(value) < 1e6 else None


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63 else None


def _numbers(values: object) -> tuple[float, ...]:
    numbers = [_number(value) for value in values] if isinstance(values, (list, tuple)) else []
    return tuple(number for number in numbers if number is not None)


def _names(values: object) -> tuple[str, ...]:
    return tuple(name for name in values if isinstance(name, str)) if isinstance(values, Mapping) else ()
