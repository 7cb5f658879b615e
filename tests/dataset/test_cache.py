from __future__ import annotations

import logging
import os
import pickle
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from gendata.artifact.artifact import open_artifact
from gendata.dataset.cache import clear_cache, list_cache
from gendata.dataset.generated import GeneratedDataset
from gendata.errors import IntegrityError


@pytest.fixture
def made(artifact, monkeypatch):
    """Sizes of the blocks that were generated so far."""
    blocks = []
    generate = type(artifact).frozen_images
    monkeypatch.setattr(
        type(artifact),
        "frozen_images",
        lambda self, rows, **size: blocks.append(len(rows)) or generate(self, rows, **size),
    )
    return blocks


def files(folder):
    return sorted(folder.iterdir()) if folder.exists() else []


def test_a_complete_frozen_set_is_made_once_on_a_machine(artifact, cache, made):
    first = GeneratedDataset(artifact)
    first[0:39]
    assert files(cache) and made == [40]  # whole micro-batches, so the last image too
    assert torch.equal(GeneratedDataset(artifact)[:][0], first[:][0]) and made == [40]
    assert torch.equal(GeneratedDataset(open_artifact(artifact.path))[39][0], first[39][0]) and made == [40]


def test_a_frozen_set_that_was_not_read_to_its_end_is_not_kept(artifact, cache):
    GeneratedDataset(artifact)[0:32]
    assert not files(cache)


def test_whoever_completed_it_reads_the_file_from_then_on(artifact, cache):
    frozen = GeneratedDataset(artifact)
    x = frozen[:][0]
    assert frozen._view._store.is_cached
    assert torch.equal(frozen[:][0], x) and torch.equal(frozen[17][0], x[17])


def test_what_is_only_looked_up_is_not_kept_twice(digits_artifact, cache):
    bank = GeneratedDataset(open_artifact(digits_artifact))
    assert len(bank[:][1]) == 30 and not files(cache)


def test_another_artifact_and_another_kind_of_machine_have_files_of_their_own(
    artifact, make_artifact, tmp_path, cache, monkeypatch
):
    GeneratedDataset(artifact)[:]
    GeneratedDataset(make_artifact(tmp_path / "other", seed=1))[:]
    assert len(files(cache)) == 2
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    GeneratedDataset(artifact)[:]
    assert len(files(cache)) == 3


@pytest.mark.parametrize("offset", [4096, 4096 + 20 * 144, 100, -1])
def test_a_flipped_bit_is_noticed_and_the_set_made_again(artifact, cache, made, caplog, offset):
    expected = GeneratedDataset(artifact)[:][0]
    (path,) = files(cache)
    data = bytearray(path.read_bytes())
    data[offset] ^= 1
    path.write_bytes(data)
    with caplog.at_level(logging.WARNING, logger="gendata"):
        again = GeneratedDataset(artifact)
        assert torch.equal(again[:][0], expected)
    assert "is made again" in caplog.text and made == [40, 40]
    assert torch.equal(GeneratedDataset(artifact)[:][0], expected) and len(made) == 2  # the file is sound again


def test_a_truncated_file_is_made_again(artifact, cache, caplog):
    expected = GeneratedDataset(artifact)[:][0]
    (path,) = files(cache)
    path.write_bytes(path.read_bytes()[:-1])
    assert torch.equal(GeneratedDataset(artifact)[:][0], expected)


def test_a_cache_that_cannot_be_written_is_a_warning(artifact, cache, caplog):
    cache.parent.parent.mkdir(exist_ok=True)
    cache.parent.write_text("not a folder")
    assert len(GeneratedDataset(artifact)[:][1]) == 40
    assert "is not kept for the next time" in caplog.text


def test_what_a_killed_process_left_is_removed_later(artifact, cache):
    cache.mkdir(parents=True)
    old, young = cache / ".partial-old.frozen", cache / ".partial-young.frozen"
    for path in (old, young):
        path.write_bytes(b"half")
    os.utime(old, (time.time() - 10_000,) * 2)
    GeneratedDataset(artifact)[:]
    assert not old.exists() and young.exists()
    assert len(list_cache()) == 1
    clear_cache()
    assert not files(cache)


def test_the_cache_is_listed_last_used_first_and_cleared_by_artifact(artifact, make_artifact, tmp_path, cache):
    other = make_artifact(tmp_path / "other", seed=1)
    for one in (artifact, other):
        GeneratedDataset(one)[:]
    os.utime(list_cache()[0].path, (1, 1))
    listed = list_cache()
    assert listed[0].last_used_sec > listed[1].last_used_sec == 1
    assert {entry.artifact_id for entry in listed} == {artifact.artifact_id, other.artifact_id}
    assert listed[0].shape == (40, 1, 12, 12) and listed[0].num_bytes == listed[0].path.stat().st_size
    GeneratedDataset(artifact)[0]
    assert list_cache()[0].artifact_id == artifact.artifact_id  # used just now
    assert [entry.artifact_id for entry in clear_cache(other.artifact_id[:12])] == [other.artifact_id]
    assert [entry.artifact_id for entry in clear_cache()] == [artifact.artifact_id]
    assert list_cache() == [] == clear_cache()


def test_clearing_the_cache_disturbs_nobody_who_reads_it(artifact, cache):
    x = GeneratedDataset(artifact)[:][0]
    reader = GeneratedDataset(artifact)
    clear_cache()
    assert torch.equal(reader[:][0], x)


def test_other_files_in_the_folder_are_passed_over(artifact, cache):
    cache.mkdir(parents=True)
    for name, data in (("notes.txt", b"x"), ("broken.frozen", b"{"), ("other.frozen", b'{"format": 3}')):
        (cache / name).write_bytes(data)
    assert list_cache() == []
    clear_cache()
    assert len(files(cache)) == 3


def test_a_reader_cannot_change_the_cached_pixels(artifact, cache):
    GeneratedDataset(artifact)[:]
    (path,) = files(cache)
    before = path.read_bytes()
    GeneratedDataset(artifact)._view.image(0, 0).zero_()  # copy on write
    assert path.read_bytes() == before


def test_a_pickle_carries_no_pixels_whether_cached_or_not(artifact, cache):
    frozen = GeneratedDataset(artifact)
    for _ in range(2):
        assert len(pickle.dumps(frozen)) < 4096
        frozen[:]
    assert np.array_equal(pickle.loads(pickle.dumps(frozen))[:][0], frozen[:][0])


def test_weights_that_nobody_verified_never_fill_the_cache(artifact, cache, tmp_path):
    copy = shutil.copytree(artifact.path, tmp_path / "copy")
    path = copy / "generator.safetensors"
    data = bytearray(path.read_bytes())
    data[-5] ^= 4
    path.write_bytes(data)
    with pytest.raises(IntegrityError, match="sha256"):
        GeneratedDataset(open_artifact(copy, verify="none"))[:]
    assert not list(cache.rglob("*.frozen"))


def test_a_cache_of_somebody_else_is_none(artifact, cache, made, monkeypatch):
    """Root may read everything: so what another user would be refused is refused here."""
    expected = GeneratedDataset(artifact)[:][0]
    (path,) = files(cache)

    def private(call):
        def refused(self, *given, **how):
            if self.is_relative_to(cache) and self != cache:
                raise PermissionError(13, "Permission denied", str(self))
            return call(self, *given, **how)

        return refused

    for name in ("stat", "open", "exists", "is_file"):
        monkeypatch.setattr(Path, name, private(getattr(Path, name)))
    assert torch.equal(GeneratedDataset(artifact)[:][0], expected) and made == [40, 40]
    monkeypatch.undo()
    assert path.is_file()
