"""The card says what the artifact is, and nobody's text becomes markup."""

from __future__ import annotations

import pytest

from gendata.artifact.amend import annotate, write_evaluations
from gendata.artifact.artifact import save_artifact
from gendata.spec import SourceFacts


def card(artifact):
    return (artifact.path / "README.md").read_text(encoding="utf-8")


def test_the_card_says_what_it_is_how_to_load_it_and_what_it_costs(artifact):
    text = card(artifact)
    for told in ("digits", "3 classes, 12 x 10 px", f"in {artifact.artifact_bytes} bytes", artifact.artifact_id):
        assert told in text
    assert "gendata.load_condensed(" in text
    assert "CC-BY-4.0" in text
    assert "Not measured yet" in text


@pytest.mark.parametrize(
    ("hostile", "forbidden"),
    [
        ("<script>alert(1)</script>", "<script"),
        ("![x](https://evil.example/pixel.png)", "![x]("),
        ("[click](javascript:alert(1))", "[click]("),
        ("a | b\n\n# Heading\n\n---\n", "\n# Heading"),
        ("`code`", " `code`"),
        ("somebody@evil.example", "somebody@"),
        ("WWW.evil.example", "WWW.evil"),
        ("x" * 5000, "x" * 400),
        ("\u202egnp.exe", "\u202e"),
        ("&lt;b&gt;", " &lt;b"),
    ],
)
def test_hostile_text_is_shown_as_text(make_draft, tmp_path, hostile, forbidden):
    source = SourceFacts(name=hostile, fingerprint="", homepage=hostile, revision=hostile, license=hostile)
    saved = save_artifact(tmp_path / "a", make_draft(source=source, license=hostile, citation=hostile))
    saved = write_evaluations(saved.path, [{"row": hostile, "mode": hostile, "mean": hostile, "n": hostile}])
    assert forbidden not in card(saved)
    rows = [line for line in card(saved).splitlines() if line.startswith("| licence of this artifact")]
    assert rows[0].count(" | ") == 1


def test_results_are_a_table_in_per_cent(artifact):
    row = {
        "row": "artifact",
        "mode": "frozen",
        "protocol": "quick/v1",
        "mean": 0.8123,
        "std": 0.004,
        "n": 3,
        "bytes": 9,
    }
    text = card(write_evaluations(artifact.path, [row]))
    assert "| artifact | frozen | quick/v1 | 81.23 ± 0.40 % | 3 | 9 |" in text


def test_a_card_with_somebodys_own_words_is_left_alone(artifact):
    (artifact.path / "README.md").write_text("my words")
    assert card(annotate(artifact.path, license="MIT")) == "my words"


def test_an_absent_card_stays_absent(artifact):
    (artifact.path / "README.md").unlink()
    annotate(artifact.path, license="MIT")
    assert not (artifact.path / "README.md").exists()
