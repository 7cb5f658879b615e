"""Evaluations, licence and source may change later; the samples' identity and soundness stay."""

from __future__ import annotations

import errno
import resource
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from gendata.artifact import amend, layout
from gendata.artifact.amend import annotate, write_evaluations
from gendata.artifact.artifact import open_artifact, save_artifact
from gendata.artifact.copying import copy_artifact
from gendata.errors import ArtifactError
from gendata.evaluation.keeping import keep_file
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


class Killed(BaseException):
    """Not to be caught, as little as SIGKILL."""


def write_killed(path, rows, *, after):
    """Writes rows until so many names have changed; then nothing is done any more. Whether it came that far."""
    done = []

    def mortal(change):
        def act(self, *given, **how):
            if len(done) == after:
                raise Killed
            done.append(self.name)
            return change(self, *given, **how)

        return act

    with pytest.MonkeyPatch.context() as patch:
        for name in ("rename", "unlink"):
            patch.setattr(Path, name, mortal(getattr(Path, name)))
        try:
            write_evaluations(path, rows)
        except Killed:
            return True
    return False


@pytest.mark.parametrize("card", [True, False])
def test_killed_at_any_step_either_the_old_rows_are_there_or_the_new_ones(artifact, tmp_path, card):
    if not card:
        (artifact.path / "README.md").write_text("my words")
    found, steps = [], 0
    write_evaluations(artifact.path, ROWS)
    while write_killed(artifact.path, new := [*ROWS, {"row": str(steps)}], after=steps):
        found.append(open_artifact(artifact.path).evaluations())
        assert found[-1] in (ROWS, new)
        assert copy_artifact(open_artifact(artifact.path), tmp_path / str(steps)).evaluations() == found[-1]
        annotate(artifact.path, citation=str(steps))
        assert open_artifact(artifact.path).evaluations() == found[-1]
        assert [path.name for path in artifact.path.glob("*evaluations.json*")] == ["evaluations.json"]
        write_evaluations(artifact.path, ROWS)
        steps += 1
    assert found[0] == ROWS != found[-1]


def test_rows_that_an_older_gendata_left_when_it_was_killed_are_found(artifact):
    write_evaluations(artifact.path, ROWS)
    (artifact.path / "evaluations.json").rename(artifact.path / ".evaluations.json.partial-17")
    (artifact.path / ".evaluations.json.partial-16").write_text("[]")
    assert open_artifact(artifact.path).evaluations() == ROWS
    assert (artifact.path / ".evaluations.json.partial-17").exists()  # opening writes nothing
    assert annotate(artifact.path, license="MIT").evaluations() == ROWS
    assert (artifact.path / "evaluations.json").exists()


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
    with pytest.raises(
        ArtifactError, match=r"config\.json|evaluations\.json: cannot be written: No space.*\n.*Make room"
    ):
        write_evaluations(artifact.path, [])
    assert open_artifact(artifact.path).evaluations() == before
    assert not [path for path in artifact.path.iterdir() if "partial" in path.name]


@contextmanager
def no_room():
    """No file may grow, as on a full disk. No fixture: pytest tells of a test before it ends, perhaps to a file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize(
    "write",
    [
        lambda artifact, draft, out: annotate(artifact.path, license="MIT"),
        lambda artifact, draft, out: write_evaluations(artifact.path, ROWS),
        lambda artifact, draft, out: copy_artifact(artifact, out),
        lambda artifact, draft, out: save_artifact(out, draft),
        lambda artifact, draft, out: layout.replace_file(out, b"x"),
    ],
    ids=["annotate", "write_evaluations", "copy_artifact", "save_artifact", "replace_file"],
)
def test_a_full_disk_is_told_and_leaves_nothing_behind(artifact, make_draft, tmp_path, write):
    draft, before = make_draft(), {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    told = r": cannot be written: .*; expected room.*\n.*Make room there"
    with no_room(), pytest.raises(ArtifactError, match=told):
        write(artifact, draft, tmp_path / "out")
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    assert list(tmp_path.iterdir()) == [artifact.path]


def test_what_may_be_missing_is_not_missed_on_a_full_disk(tmp_path):
    with no_room():
        kept = keep_file(tmp_path / "kept" / "state", b"x")
    assert not kept


def test_an_artifact_that_was_to_give_way_is_there_if_its_successor_cannot_be(artifact, tmp_path, monkeypatch):
    old, rename = copy_artifact(artifact, tmp_path / "copy"), Path.rename

    def refused(self, target):
        if self.name.startswith(".copy.partial"):
            raise OSError(errno.EIO, "Input/output error")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refused)
    with pytest.raises(ArtifactError, match="copy: cannot be written: Input/output error"):
        copy_artifact(artifact, old.path, replace=True)
    assert open_artifact(old.path).artifact_id == artifact.artifact_id


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


@pytest.mark.parametrize("said", ["license", "citation", "source"])
def test_text_of_another_encoding_is_refused(artifact, said):
    with pytest.raises(ArtifactError, match=r"is not text; expected UTF-8"):
        annotate(artifact.path, **{said: "caf\udce9"})
    assert open_artifact(artifact.path).manifest == artifact.manifest


@pytest.mark.parametrize("name", ["generator.safetensors", "probes.safetensors"])
def test_a_file_that_may_not_be_read_is_told(artifact, monkeypatch, name):
    opened = Path.open

    def denied(path, *given, **chosen):
        if path.name == name:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return opened(path, *given, **chosen)

    monkeypatch.setattr(Path, "open", denied)
    with pytest.raises(ArtifactError, match=rf"(?s){name}: cannot be read: Permission denied.*must let you read it"):
        open_artifact(artifact.path, verify="hash")
