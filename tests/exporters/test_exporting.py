"""What every layout promises."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gendata.artifact.space import Space
from gendata.dataset.generated import GeneratedDataset
from gendata.errors import IntegrityError, SpecError, UnknownNameError
from gendata.exporters.exporter import Progress
from gendata.exporters.exporting import export_artifact
from gendata.exporters.parquet import Parquet
from gendata.exporters.work_folder import WorkFolder, work_path
from gendata.registry import EXPORTERS

SAMPLES = ("ddranking", "image-folder", "numpy", "parquet", "webdataset")
PICTURES = ("image-folder", "parquet", "webdataset")


def test_the_names_are_those_of_the_table() -> None:
    assert EXPORTERS.names() == sorted((*SAMPLES, "onnx"))
    assert all(EXPORTERS.load(name).name == name for name in EXPORTERS.names())


@pytest.mark.parametrize("layout", SAMPLES)
def test_the_same_artifact_gives_the_same_bytes(layout: str, artifact: Any, tmp_path: Path, bytes_of: Any) -> None:
    files = export_artifact(artifact, format=layout, out=tmp_path / "a")
    export_artifact(artifact.path, format=layout, out=tmp_path / "b")
    assert bytes_of(tmp_path / "a") == bytes_of(tmp_path / "b")
    assert sorted(path.relative_to(tmp_path / "a").as_posix() for path in files) == sorted(bytes_of(tmp_path / "a"))
    assert files[-1].name == "export.json"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"], "nothing is left beside them"


@pytest.mark.parametrize("layout", SAMPLES)
def test_a_finished_export_is_verified_and_left(layout: str, artifact: Any, tmp_path: Path) -> None:
    files = export_artifact(artifact, format=layout, out=tmp_path / "a")
    before = {path: path.stat().st_mtime_ns for path in files}
    assert export_artifact(artifact, format=layout, out=tmp_path / "a") == files
    assert {path: path.stat().st_mtime_ns for path in files} == before
    files[0].write_bytes(files[0].read_bytes() + b" ")
    with pytest.raises(IntegrityError, match=files[0].name):
        export_artifact(artifact, format=layout, out=tmp_path / "a")


def test_a_record_that_names_files_elsewhere_is_not_believed(artifact: Any, tmp_path: Path) -> None:
    export_artifact(artifact, format="numpy", out=tmp_path / "a")
    export_artifact(artifact, format="numpy", out=tmp_path / "b")
    record = tmp_path / "a" / "export.json"
    record.write_text(record.read_text().replace('"images.npy"', '"../b/images.npy"'))
    with pytest.raises(IntegrityError, match="images.npy"):
        export_artifact(artifact, format="numpy", out=tmp_path / "a")


def test_what_stands_at_the_destination_is_never_touched(artifact: Any, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years")
    with pytest.raises(SpecError, match="holds something else"):
        export_artifact(artifact, format="numpy", out=tmp_path / "mine")
    export_artifact(artifact, format="numpy", out=tmp_path / "a")
    with pytest.raises(SpecError, match="holds another export"):
        export_artifact(artifact, format="numpy", out=tmp_path / "a", fresh=2)
    (tmp_path / "empty").mkdir()
    assert export_artifact(artifact, format="numpy", out=tmp_path / "empty")
    (tmp_path / "file").write_text("")
    with pytest.raises(SpecError, match="holds something else"):
        export_artifact(artifact, format="numpy", out=tmp_path / "file")


class Killed(BaseException):
    """What no `except Exception` stops."""


def _killed_after(step: int) -> Callable[[Progress], None]:
    def told(progress: Progress) -> None:
        if progress.step >= step:
            raise Killed

    return told


@pytest.mark.parametrize("step", [0, 3, 9, 15])
def test_a_killed_export_goes_on_and_gives_the_same_bytes(
    step: int, artifact: Any, tmp_path: Path, bytes_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, part = tmp_path / "whole", tmp_path / "part"
    export_artifact(artifact, format="parquet", out=whole, num_shards=5)
    with pytest.raises(Killed):
        export_artifact(artifact, format="parquet", out=part, num_shards=5, on_progress=_killed_after(step))
    assert not part.exists() and work_path(part).is_dir()
    made: list[str] = []
    make = Parquet.make
    monkeypatch.setattr(
        Parquet, "make", lambda self, c, piece, f: (made.append(piece.name), make(self, c, piece, f))[1]
    )
    export_artifact(artifact, format="parquet", out=part, num_shards=5)
    assert len(made) == 5 - step // 3
    assert bytes_of(part) == bytes_of(whole)
    assert not work_path(part).exists()


@pytest.mark.parametrize("damage", ["piece", "ledger", "stranger"])
def test_only_sound_pieces_of_a_killed_export_are_trusted(
    damage: str, artifact: Any, tmp_path: Path, bytes_of: Any
) -> None:
    whole, part = tmp_path / "whole", tmp_path / "part"
    export_artifact(artifact, format="parquet", out=whole, num_shards=5)
    with pytest.raises(Killed):
        export_artifact(artifact, format="parquet", out=part, num_shards=5, on_progress=_killed_after(9))
    files = work_path(part) / "files"
    if damage == "piece":
        next((files / "data").iterdir()).write_bytes(b"PAR1")
    elif damage == "ledger":
        with (work_path(part) / "ledger.jsonl").open("a") as ledger:
            ledger.write('{"piece": "data/tr')
    else:
        (files / "more").mkdir()
        (files / "more" / "stray.parquet").write_bytes(b"")
    export_artifact(artifact, format="parquet", out=part, num_shards=5)
    assert bytes_of(part) == bytes_of(whole)


def test_state_of_other_samples_is_dropped(artifact: Any, tmp_path: Path, bytes_of: Any) -> None:
    options: Any = {"format": "parquet", "num_shards": 5}
    with pytest.raises(Killed):
        export_artifact(artifact, out=tmp_path / "a", fresh=5, seed=1, on_progress=_killed_after(9), **options)
    export_artifact(artifact, out=tmp_path / "a", fresh=5, seed=2, **options)
    export_artifact(artifact, out=tmp_path / "b", fresh=5, seed=2, **options)
    assert bytes_of(tmp_path / "a") == bytes_of(tmp_path / "b")


def test_two_processes_do_not_write_one_export(artifact: Any, tmp_path: Path) -> None:
    with WorkFolder(tmp_path / "a", {}), pytest.raises(SpecError, match="another process"):
        export_artifact(artifact, format="numpy", out=tmp_path / "a")


@pytest.mark.slow
def test_a_process_killed_for_good_leaves_what_the_next_one_uses(artifact: Any, tmp_path: Path, bytes_of: Any) -> None:
    script = textwrap.dedent(f"""
        import os
        from gendata.exporters.exporting import export_artifact
        told = lambda progress: os._exit(9) if progress.step >= 6 else None
        out, options = {str(tmp_path / "a")!r}, {{"format": "parquet", "num_shards": 5}}
        export_artifact({str(artifact.path)!r}, out=out, on_progress=told, **options)
    """)
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 9
    steps: list[int] = []
    export_artifact(
        artifact, format="parquet", out=tmp_path / "a", num_shards=5, on_progress=lambda p: steps.append(p.step)
    )
    assert steps == [6, 9, 12, 15]
    export_artifact(artifact, format="parquet", out=tmp_path / "b", num_shards=5)
    assert bytes_of(tmp_path / "a") == bytes_of(tmp_path / "b")


@pytest.mark.slow
def test_several_processes_give_the_bytes_of_one(artifact: Any, tmp_path: Path, bytes_of: Any) -> None:
    options: Any = {"format": "webdataset", "fresh": 6, "seed": 3, "epoch": 2, "num_shards": 4}
    export_artifact(artifact, out=tmp_path / "one", **options)
    export_artifact(artifact, out=tmp_path / "two", num_proc=2, **options)
    assert bytes_of(tmp_path / "one") == bytes_of(tmp_path / "two")


@pytest.mark.parametrize("layout", SAMPLES)
def test_a_file_that_reads_back_otherwise_stops_the_export(
    layout: str, artifact: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = EXPORTERS.load(layout)
    read = kind.read_piece

    def flipped(self: Any, content: Any, piece: Any, folder: Path) -> Any:
        for block in read(self, content, piece, folder):
            yield block._replace(images=block.images ^ 1)

    monkeypatch.setattr(kind, "read_piece", flipped)
    with pytest.raises(IntegrityError, match="read back"):
        export_artifact(artifact, format=layout, out=tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_progress_ends_at_the_number_of_samples(artifact: Any, tmp_path: Path) -> None:
    told: list[Progress] = []
    export_artifact(artifact, format="webdataset", out=tmp_path / "a", num_shards=3, on_progress=told.append)
    assert [progress.step for progress in told] == [0, 5, 10, 15]
    assert {progress.num_steps for progress in told} == {15}


def test_fresh_samples_are_those_of_the_seed_and_epoch(artifact: Any, tmp_path: Path) -> None:
    import numpy as np

    export_artifact(artifact, format="numpy", out=tmp_path / "a", fresh=3, seed=7, epoch=4)
    ds = GeneratedDataset(artifact).fresh(samples_per_class=3, seed=7).with_format("numpy", dtype="uint8")
    ds.set_epoch(4)
    assert np.array_equal(np.load(tmp_path / "a" / "images.npy"), ds[:][0])
    record = json.loads((tmp_path / "a" / "export.json").read_text())
    assert record["plan"]["dataset"]["seed"] == 7 and record["plan"]["epoch"] == 4
    assert record["license"] == "CC-BY-4.0" and record["source"] == "cifar10"


@pytest.mark.parametrize("ipc", [2, 5])
def test_another_number_of_stored_samples_can_be_written(ipc: int, make_generator: Any, tmp_path: Path) -> None:
    artifact = make_generator(ipc=3, noise=9)  # of five codes a class
    export_artifact(artifact, format="numpy", out=tmp_path / "a", ipc=ipc)
    ds = GeneratedDataset(artifact).frozen(ipc=ipc).with_format("numpy", dtype="uint8")
    assert len(ds) == 3 * ipc
    assert np.array_equal(np.load(tmp_path / "a" / "images.npy"), ds[:][0])
    with pytest.raises(SpecError, match="holds another export"):
        export_artifact(artifact, format="numpy", out=tmp_path / "a", ipc=7 - ipc)
    with pytest.raises(SpecError, match="one of both"):
        export_artifact(artifact, format="numpy", out=tmp_path / "b", ipc=ipc, fresh=1)
    with pytest.raises(SpecError, match="IPC 6: images stored per class: 5"):
        export_artifact(artifact, format="numpy", out=tmp_path / "b", ipc=6)


def test_some_samples_of_a_dataset_can_be_written(artifact: Any, tmp_path: Path) -> None:
    import numpy as np

    ds = GeneratedDataset(artifact).select([7, 0, 14])
    EXPORTERS.load("numpy")().write(ds.with_format("pil"), tmp_path / "a")
    assert np.load(tmp_path / "a" / "labels.npy").tolist() == [1, 0, 2]
    assert np.array_equal(np.load(tmp_path / "a" / "images.npy"), ds.with_format("numpy", dtype="uint8")[:][0])


@pytest.mark.parametrize("layout", PICTURES)
def test_floats_are_refused_where_only_pictures_fit(layout: str, make_bank: Any, tmp_path: Path) -> None:
    bank = make_bank(dtype="float32", space=Space(name="normalised"))
    with pytest.raises(SpecError, match=r"float32 in the space 'normalised'(.|\n)*numpy"):
        export_artifact(bank, format=layout, out=tmp_path / "a")
    odd = make_bank("odd", channels=2)
    with pytest.raises(SpecError, match="2 channels"):
        export_artifact(odd, format=layout, out=tmp_path / "a")
    assert not work_path(tmp_path / "a").exists()


def test_soft_labels_are_refused_by_folders_and_said_how_to_leave_out(soft_artifact: Any, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match='labels="hard"'):
        export_artifact(soft_artifact, format="image-folder", out=tmp_path / "a")
    assert export_artifact(soft_artifact, format="image-folder", out=tmp_path / "a", labels="hard")
    with pytest.raises(SpecError, match="hard labels only|belong to the frozen set"):
        export_artifact(soft_artifact, format="numpy", out=tmp_path / "b", fresh=1, labels="soft")


def test_new_samples_have_a_label_heads_soft_labels_unless_hard_ones_are_asked_for(
    headed_artifact: Any, tmp_path: Path
) -> None:
    wanted = headed_artifact.fresh_soft_labels(np.arange(6), samples_per_class=2, seed=4, epoch=0).numpy()
    export_artifact(headed_artifact, format="numpy", out=tmp_path / "a", fresh=2, seed=4)
    assert np.array_equal(np.load(tmp_path / "a" / "soft_labels.npy"), wanted)
    export_artifact(headed_artifact, format="numpy", out=tmp_path / "b", fresh=2, seed=4, labels="hard")
    assert not (tmp_path / "b" / "soft_labels.npy").exists()
    export_artifact(headed_artifact, format="numpy", out=tmp_path / "c")
    assert np.array_equal(np.load(tmp_path / "c" / "soft_labels.npy"), headed_artifact.soft_labels.numpy())
    assert export_artifact(headed_artifact, format="image-folder", out=tmp_path / "d")  # has no place for them


def test_options_that_would_do_nothing_are_refused(artifact: Any, tmp_path: Path) -> None:
    for options in ({"seed": 1}, {"epoch": 1}, {"num_proc": 0}, {"num_shards": 2}):
        with pytest.raises(SpecError):
            export_artifact(artifact, format="numpy", out=tmp_path / "a", **options)
    with pytest.raises(UnknownNameError, match="parquet"):
        export_artifact(artifact, format="parket", out=tmp_path / "a")
    transformed = GeneratedDataset(artifact).with_transform(torch.neg)
    with pytest.raises(SpecError, match="transforms"):
        EXPORTERS.load("numpy")().write(transformed, tmp_path / "a")
    with pytest.raises(SpecError, match="empty"):
        EXPORTERS.load("numpy")().write(GeneratedDataset(artifact).take(0), tmp_path / "a")
