"""The report as Markdown: headline, table, what is missing, how to repeat it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from gendata.artifact.artifact import CondensedArtifact
from gendata.evaluation.page.headline import headline
from gendata.evaluation.page.reproduction import artifact_name, command, facts
from gendata.evaluation.page.sums import sums
from gendata.evaluation.page.table import COLUMNS, NUMERIC, cells, notes
from gendata.evaluation.page.wording import plain
from gendata.evaluation.report import Report

_MARKUP = re.compile(r"([\\`*_{}\[\]()#!|~$:@]|(?<=www)\.)", re.IGNORECASE)  # "@" and "www." would become links


def markdown(report: Report, artifact: CondensedArtifact | None, missing: Mapping[str, str]) -> str:
    """A page of Markdown; `missing`: what is not shown -> why."""
    title = artifact_name(artifact) if artifact is not None else f"Baselines on {report.source}"
    lines = [f"# {_text(title)}", "", _text(headline(report)), "", *_table(report), ""]
    lines += [f"- {_text(label)}: {_text(note)}" for label, note in notes(report.rows)]
    lines += [f"- {_text(text)}" for text in sums(report)]
    lines += ["", "Test accuracy: mean ± standard deviation over n networks. Bytes of real images are those of their "
              "pixels, or of the compressed sheet.", ""]  # fmt: skip
    if missing:
        lines += ["## Not shown", "", *(f"- {_text(what)}: {_text(why)}" for what, why in missing.items()), ""]
    lines += ["## Measure it again", "", "```bash", command(report, artifact), "```", ""]
    lines += _lines(("fact", "value"), ("---", "---"), facts(report))
    return "\n".join(lines) + "\n"


def _table(report: Report) -> list[str]:
    rule = ["---:" if column in NUMERIC else "---" for column in COLUMNS]
    return _lines(COLUMNS, rule, map(cells, report.rows))


def _lines(head: Sequence[str], rule: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    body = ([_text(cell) for cell in row] for row in rows)
    return ["| " + " | ".join(line) + " |" for line in (head, rule, *body)]


def _text(value: object) -> str:
    """`value` as one line of plain text: no Markdown, no HTML, no table cell's end."""
    line = plain(value, limit=2000).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _MARKUP.sub(r"\\\1", line)
