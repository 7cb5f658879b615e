"""What several rows come to together: the scores of DD-Ranking, the sums of a suite."""

from __future__ import annotations

from gendata.evaluation.page.wording import listed, percent, plain
from gendata.evaluation.report import Report

_SCORES = {
    "HLR": "the gap to real-full, smaller is better",
    "IOR": "the gain over random-real, larger is better",
    "LRS": "both on a scale from 0 to 1, larger is better",
}
_SUMS = {"best": "the best of its protocols", "mean": "their mean", "transfer": "the mean over other networks"}


def sums(report: Report) -> list[str]:
    """Sentences, plain text; none where nothing was summed up."""
    scores = [f"{name} {report.scores[name]:.3f} ({what})" for name, what in _SCORES.items() if name in report.scores]
    parts = [f"{percent(report.summary[name])} % is {what}" for name, what in _SUMS.items() if name in report.summary]
    told = [f"DD-Ranking's scores of the frozen set, as fractions: {listed(scores)}."] if scores else []
    return told + ([f"{plain(report.protocol)}, first row: {listed(parts)}."] if parts else [])
