"""Evaluations, licence and source may change later; the samples' identity and soundness stay."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
import torch

from gendata.artifact import amend, layout
from gendata.artifact.amend import annotate, write_evaluations
from gendata.artifact.artifact import open_artifact, save_artifact
from gendata.errors import ArtifactError
from gendata.spec import SourceFacts

ROWS = [{"row": "artifact", "mode": "frozen", "protocol": "quick/v1", "mean": 0.81, "std": 0.01, "n": 3, "bytes": 10}]


def test_evaluations_are_listed_and_outside_the_id(artifact):
    after = write_evaluations(artifact.path, ROWS)
    assert after.evaluations() == ROWS
    assert after.artifact_id == artifact.artifact_id
    assert after.artifact_bytes == artifact.artifact_bytes
    assert "evaluations.json" in after.manifest.files
    assert torch.equal(after.frozen_images()[0], artifact.frozen_images()[0])


def test_evaluations_are_replaced_and_may_become_none(artifact):
    write_evaluations(artifact.path, ROWS)
    assert write_evaluations(artifact.path, []).evaluations() == []


def test_an_artifact_never_measured_has_no_rows(artifact):
    assert artifact.evaluations() == []


@pytest.mark.parametrize("row", [{"mean": float("nan")}, {"mean": float("inf")}, {"mean": object()}])
def test_rows_that_are_not_plain_finite_data_are_refused(artifact, row):
    with pytest.raises(ArtifactError, match=r"evaluations\.json"):
        write_evaluations(artifact.path, [row])
    assert open_artifact(artifact.path).evaluations() == []


@pytest.mark.parametrize("card", [True, False])
def test_killed_between_any_two_changes_the_folder_still_verifies(artifact, monkeypatch, card):
    write_evaluations(artifact.path, ROWS)
    if not card:
        (artifact.path / "README.md").write_text("my words")
    rename, done = Path.rename, []

    def killed_after(count):
        def change(self, target):
            if len(done) == count:
                raise KeyboardInterrupt
            done.append(self.name)
            return rename(self, target)

        return change

    for count in range(3 if card else 2):
        done.clear()
        monkeypatch.setattr(Path, "rename", killed_after(count))
        with pytest.raises(KeyboardInterrupt):
            write_evaluations(artifact.path, [*ROWS, {"row": str(count)}])
        monkeypatch.setattr(Path, "rename", rename)
        open_artifact(artifact.path)
        write_evaluations(artifact.path, ROWS)


@pytest.mark.parametrize("fits", [0, 1])
def test_on_a_full_disk_the_rows_of_before_stay(artifact, monkeypatch, fits):
    write_evaluations(artifact.path, ROWS)
    before, write, done = open_artifact(artifact.path).evaluations(), layout._write_new, []

    def full(path, data):
        if len(done) == fits:
            raise OSError(errno.ENOSPC, "No space left on device")
        done.append(path)
        write(path, data)

    monkeypatch.setattr(layout, "_write_new", full)
    with pytest.raises(OSError, match="No space"):
        write_evaluations(artifact.path, [])
    assert open_artifact(artifact.path).evaluations() == before
    assert not [path for path in artifact.path.iterdir() if "partial" in path.name]


def test_whoever_waits_too_long_for_another_is_told(artifact, monkeypatch):
    monkeypatch.setattr(amend, "_PATIENCE_SEC", 0.1)
    with amend.amending(artifact.path), pytest.raises(ArtifactError, match="another process is changing it"):
        annotate(artifact.path, license="MIT")


def test_licence_citation_and_source_can_be_stated_later(artifact):
    source = SourceFacts(name="photos", fingerprint="0" * 64, homepage="https://example.org")
    after = annotate(artifact.path, license="CC-BY-4.0", citation="Doe 2026", source=source)
    assert (after.manifest.license, after.manifest.citation, after.manifest.source) == ("CC-BY-4.0", "Doe 2026", source)
    assert after.artifact_id == artifact.artifact_id
    assert "Doe 2026" in (after.path / "README.md").read_text()


def test_what_is_not_given_stays(artifact):
    annotate(artifact.path, license="MIT", citation="Doe")
    after = annotate(artifact.path, citation="Roe")
    assert (after.manifest.license, after.manifest.citation) == ("MIT", "Roe")
    assert after.manifest.source == artifact.manifest.source


def test_a_source_in_words_is_the_homepage_of_a_known_one_and_the_name_of_an_unknown_one(
    artifact, make_draft, tmp_path
):
    known = annotate(artifact.path, source="https://example.org/digits").manifest.source
    assert (known.name, known.homepage) == ("digits", "https://example.org/digits")
    bare = save_artifact(tmp_path / "b", make_draft(source=None))
    assert annotate(bare.path, source="My photos").manifest.source.name == "My photos"


def test_fields_of_a_newer_gendata_survive_an_amendment(artifact, forged):
    forged(lambda fields: fields.update(colour_space="sRGB", format_version=7))
    annotate(artifact.path, license="MIT")
    write_evaluations(artifact.path, ROWS)
    text = (artifact.path / "config.json").read_text()
    assert '"colour_space": "sRGB"' in text
    assert '"format_version": 7' in text


def test_an_artifact_that_is_not_sound_is_not_amended(artifact):
    (artifact.path / "preview.png").write_text("x")
    with pytest.raises(ArtifactError, match=r"preview\.png"):
        annotate(artifact.path, license="MIT")


def test_saving_over_an_evaluated_artifact_leaves_its_evaluations(artifact, make_draft):
    write_evaluations(artifact.path, ROWS)
    assert save_artifact(artifact.path, make_draft()).evaluations() == ROWS


def test_a_card_that_leads_elsewhere_stays_and_hinders_no_row(artifact, tmp_path):
    (tmp_path / "store").write_text("words")
    (artifact.path / "README.md").unlink()
    (artifact.path / "README.md").symlink_to(tmp_path / "store")
    assert write_evaluations(artifact.path, ROWS).evaluations() == ROWS
    assert (tmp_path / "store").read_text() == "words"
