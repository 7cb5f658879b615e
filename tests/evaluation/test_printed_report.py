"""What is printed of a report's loops."""

from __future__ import annotations

import pytest

from gendata.cli.printing import print_report
from gendata.evaluation.report import Report, Row


def row(mode: str, **changes: str) -> Row:
    return Row(
        name="artifact", mode=mode, mean=0.9, std=0.0, n=1, bytes=9, images_seen=9, distinct_images=9, steps=1,
        passes=1, network="mlp", seeds=(0,), last=(0.9,), **{"protocol": "dsa/v1", "status": "exact", **changes},
    )  # fmt: skip


def test_only_rows_of_the_published_loop_are_called_equal_to_it(capsys: pytest.CaptureFixture[str]) -> None:
    rows = row("frozen(30)"), row("fresh-matched"), row("fresh@10k", status="implemented"), row("x", protocol="dc/v1")
    report = Report(
        protocol="dsa/v1", networks=("mlp",), ipc=1, artifact_id=None, source="digits", fingerprint="", seed=0,
        device="cpu", environment={}, rows=rows,
    )  # fmt: skip
    print_report(report, as_json=False)
    assert (
        "dsa/v1 is shown equal to the published loop: frozen, fresh-matched; "
        "dsa/v1 is not shown equal to a published loop: fresh@10k; dc/v1 is shown equal to the published loop\n"
    ) in capsys.readouterr().out
