"""DD-Ranking's scores from the rows of a report."""

from __future__ import annotations

from collections.abc import Sequence

from gendata.evaluation.report import Row
from gendata.evaluation.scores import hard_label_recovery, improvement_over_random, label_robust_score


def scores_of(rows: Sequence[Row]) -> dict[str, float]:
    """HLR, IOR and LRS of the first frozen row, as far as the rows beside it allow; fractions.

    HLR and LRS are of hard labels; IOR is of rows with the same kind of labels.
    """
    frozen = next((row for row in rows if row.name == "artifact" and row.mode.startswith("frozen(")), None)
    if frozen is None:
        return {}
    beside = {row.name: row for row in rows if (row.protocol, row.network) == (frozen.protocol, frozen.network)}
    scores = {}
    if "real-full" in beside and frozen.labels == "hard":
        scores["HLR"] = hard_label_recovery(real=beside["real-full"].mean, synthetic=frozen.mean)
    if "random-real" in beside and beside["random-real"].labels == frozen.labels:
        scores["IOR"] = improvement_over_random(synthetic=frozen.mean, random=beside["random-real"].mean)
    if len(scores) == 2:
        scores["LRS"] = label_robust_score(hlr=scores["HLR"], ior=scores["IOR"])
    return scores
