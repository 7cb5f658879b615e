from __future__ import annotations

from collections.abc import Callable

import pytest

from gendata.evaluation.page.headline import headline
from gendata.evaluation.report import Report, Row

Make = Callable[..., Row]
MakeReport = Callable[..., Report]


@pytest.mark.parametrize(
    ("artifact", "compressed", "verdict"),
    [(0.90, 0.80, "less (80.0 %)"), (0.80, 0.90, "more (90.0 %)"), (0.80, 0.805, "about as much (80.5 %)")],
)
def test_the_sentence_is_true_whoever_wins(
    row: Make, report_of: MakeReport, artifact: float, compressed: float, verdict: str
) -> None:
    report = report_of(row("artifact", "fresh-matched", artifact), row("equal-bytes-real", mean=compressed))
    told = headline(report)
    assert f"{100 * artifact:.1f} % of the test images" in told
    assert f"as many bytes of compressed real images teach it {verdict}" in told


def test_a_difference_within_the_deviations_is_no_difference(row: Make, report_of: MakeReport) -> None:
    rows = row("artifact", "fresh-matched", 0.80, std=0.03), row("random-real", mean=0.83, std=0.03)
    assert "30 random real images teach it about as much (83.0 %)" in headline(report_of(*rows))


def test_which_artifact_row_is_spoken_of_does_not_depend_on_who_is_best(row: Make, report_of: MakeReport) -> None:
    frozen, fresh = row("artifact", "frozen(30)", 0.9), row("artifact", "fresh-matched", 0.5)
    assert "newly drawn samples" in headline(report_of(frozen, fresh))
    assert "50.0 %" in headline(report_of(fresh, frozen))
    assert "the 30 stored images" in headline(report_of(frozen))


def test_one_network_has_no_error_bar_and_the_sentence_says_so(row: Make, report_of: MakeReport) -> None:
    assert "no error bar" in headline(report_of(row("artifact", "fresh-matched", n=1, std=0.0)))


def test_selection_on_test_data_is_told(row: Make, report_of: MakeReport) -> None:
    assert "selects on test data" in headline(report_of(row("artifact", "fresh-matched", selects_on_test=True)))


def test_only_rows_of_the_first_protocol_and_network_are_compared(row: Make, report_of: MakeReport) -> None:
    report = report_of(row("artifact", "fresh-matched", 0.5), row("random-real", mean=0.9, network="mlp2-w128"))
    assert "random" not in headline(report)


def test_without_an_artifact_the_best_baseline_is_named(row: Make, report_of: MakeReport) -> None:
    told = headline(report_of(row("random-real", mean=0.6), row("real-full", mean=0.9)))
    assert "No row of the artifact was measured" in told and "real-full" in told and "90.0 %" in told
    assert headline(report_of()) == "No row was measured."


def test_a_longer_budget_of_real_images_is_not_compared_with_matched_steps(row: Make, report_of: MakeReport) -> None:
    rows = row("artifact", "fresh-matched", 0.8), row("equal-bytes-real", mean=0.7)
    longer = row("equal-bytes-real", "real@10k", 0.9)
    assert "compressed real images teach it less (70.0 %)" in headline(report_of(*rows, longer))
    assert "compressed" not in headline(report_of(rows[0], longer))


def test_rows_of_more_networks_than_others_are_told(row: Make, report_of: MakeReport) -> None:
    rows = row("artifact", "fresh-matched", 0.8, n=2), row("equal-bytes-real", mean=0.7, n=3)
    assert "2 to 3 networks per row" in headline(report_of(*rows))
    assert "2 networks per row" in headline(report_of(rows[0]))
