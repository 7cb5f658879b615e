"""Progress is on standard error: bars at a terminal, elsewhere lines of a log."""

from __future__ import annotations

import io
import sys
from types import SimpleNamespace

import pytest

from gendata.progress_bars import condensation_bar, evaluation_bar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_log_gets_a_line_where_something_begins(capsys: pytest.CaptureFixture[str]) -> None:
    with condensation_bar() as bar:
        for stage, steps in (("fit", (3, 4)), ("match", (1, 2, 3, 4))):  # fit was taken up again
            for step in steps:
                bar(SimpleNamespace(stage=stage, step=step, num_steps=4, losses=None))
    with evaluation_bar() as bar:
        bar.begin("random-real", "real", steps=4)
        bar.advance(4)
        bar.end(None)
    told = capsys.readouterr()
    assert told.err == "fit: at step 3 of 4\nmatch: at step 1 of 4\nrandom-real real: 4 steps\n"
    assert told.out == ""


def test_a_condensation_shows_its_stages_on_standard_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with condensation_bar() as bar:
        for stage in ("fit [red]", "match"):
            for step in (1, 2):
                bar(SimpleNamespace(stage=stage, step=step, num_steps=2, losses=None))
    assert "fit [red]" in terminal.getvalue()
    assert "2/2" in terminal.getvalue()
    assert capsys.readouterr().out == ""


def test_an_evaluation_shows_its_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with evaluation_bar() as bar:
        bar.begin("random-real", "real", steps=4)
        bar.advance(3)
        bar.advance(1)
        bar.end(None)
    assert "random-real real" in terminal.getvalue()
    assert "4/4" in terminal.getvalue()
