from __future__ import annotations

import logging
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gendata.errors import RecipeError, SourceError
from gendata.recipe import Choice
from gendata.sources import memory
from gendata.sources.source import Source, open_source


def _write(path: Path, value: int, *, size: tuple[int, int] = (6, 4), mode: str = "L") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, value if mode == "L" else (value, 0, 0)).save(path)


def _fill(folder: Path, classes: tuple[str, ...] = ("cat", "dog"), per_class: int = 5, **how: object) -> None:
    for c, name in enumerate(classes):
        for i in range(per_class):
            _write(folder / name / f"{i}.png", 10 * c + i, **how)  # type: ignore[arg-type]


def _open(path: Path, **options: object) -> Source:
    return open_source(Choice(name="folder", options={"path": str(path), **options}))


def test_train_and_test_folders_are_the_two_splits(tmp_path: Path) -> None:
    _fill(tmp_path / "train")
    _fill(tmp_path / "test", per_class=2)
    source = _open(tmp_path)
    assert source.spec.classes == ("cat", "dog") and source.spec.shape == (1, 4, 6)
    assert source.split("train").x[:, 0, 0, 0].tolist() == [0, 1, 2, 3, 4, 10, 11, 12, 13, 14]
    assert source.split("test").y.tolist() == [0, 0, 1, 1]


def test_a_validation_folder_stands_in_for_a_missing_test_folder(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _fill(tmp_path / "train")
    _fill(tmp_path / "val", per_class=2)
    source = _open(tmp_path)
    with caplog.at_level(logging.INFO, logger="gendata"):
        assert len(source.split("test").x) == 4
    assert "tested on its split 'val'" in caplog.text
    assert source.facts().tested_on == "val"


def test_a_folder_of_classes_alone_gets_a_held_out_test_split(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    _fill(tmp_path, per_class=10)
    source = _open(tmp_path)
    with caplog.at_level(logging.INFO, logger="gendata"):
        train, test = source.split("train"), source.split("test")
    assert train.y.bincount().tolist() == [8, 8] and test.y.bincount().tolist() == [2, 2]
    values = torch.cat([train.x, test.x])[:, 0, 0, 0].tolist()
    assert sorted(values) == [*range(10), *range(10, 20)]
    assert "held out as test" in caplog.text
    assert torch.equal(_open(tmp_path).split("test").x, test.x)


def test_classes_and_files_are_sorted_as_people_count(tmp_path: Path) -> None:
    _fill(tmp_path, classes=("class10", "class9", "class1"), per_class=11)
    source = _open(tmp_path)
    assert source.spec.classes == ("class1", "class9", "class10")


def test_colour_anywhere_makes_every_image_rgb(tmp_path: Path) -> None:
    _fill(tmp_path)
    _write(tmp_path / "dog" / "red.png", 200, mode="RGB")
    x = _open(tmp_path).split("train").x
    assert x.shape[1] == 3


def test_declared_channels_decide(tmp_path: Path) -> None:
    _fill(tmp_path, mode="RGB")
    assert _open(tmp_path, channels=1).spec.channels == 1
    _fill(tmp_path / "grey")
    assert _open(tmp_path / "grey", channels=3).spec.channels == 3


def test_images_of_several_sizes_ask_for_resize(tmp_path: Path) -> None:
    _fill(tmp_path)
    _write(tmp_path / "dog" / "wide.png", 9, size=(9, 4))
    with pytest.raises(SourceError, match=r"dog/wide\.png has 4 x 9 pixels, .* has 4 x 6") as caught:
        _open(tmp_path).split("train")
    assert "--resize 32, or source.options.resize " in str(caught.value)


@pytest.mark.parametrize("mode", ["crop", "stretch", "pad"])
def test_resize_gives_every_image_the_declared_size(tmp_path: Path, mode: str) -> None:
    _fill(tmp_path)
    _write(tmp_path / "dog" / "wide.png", 9, size=(40, 4))
    source = _open(tmp_path, resize=8, resize_mode=mode)
    assert source.spec.shape == (1, 8, 8)


def test_resize_takes_height_and_width(tmp_path: Path) -> None:
    _fill(tmp_path)
    assert _open(tmp_path, resize=[3, 5]).spec.shape == (1, 3, 5)


def test_the_resize_modes_treat_another_aspect_as_they_say(tmp_path: Path) -> None:
    stripes = np.zeros((4, 12), dtype=np.uint8)
    stripes[:, 4:8] = 200  # dark, bright, dark
    for name in ("a", "b"):
        for i in range(3):
            (tmp_path / name).mkdir(exist_ok=True)
            Image.fromarray(stripes).save(tmp_path / name / f"{i}.png")

    def image(mode: str) -> torch.Tensor:
        return _open(tmp_path, resize=4, resize_mode=mode).split("train").x[0, 0]

    assert image("crop").float().mean() == 200  # the middle square
    assert image("stretch").float().mean() == pytest.approx(200 / 3, abs=3)  # everything, squeezed
    assert image("pad")[0].max() == 0 and image("pad")[3].max() == 0  # black above and below


def test_all_unreadable_images_are_listed_in_one_error(tmp_path: Path) -> None:
    _fill(tmp_path)
    (tmp_path / "cat" / "broken.png").write_bytes(b"no image")
    whole = (tmp_path / "dog" / "1.png").read_bytes()
    (tmp_path / "dog" / "cut.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SourceError, match="2 of 12 images cannot be read") as caught:
        _open(tmp_path).split("train")
    assert "cat/broken.png (not an image)" in str(caught.value) and "dog/cut.png" in str(caught.value)


def test_a_decompression_bomb_is_refused_by_its_header(tmp_path: Path) -> None:
    _fill(tmp_path)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    for side in (9_000, 60_000):
        header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
        bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 9))
        (tmp_path / "cat" / "bomb.png").write_bytes(bomb + chunk(b"IEND", b""))
        with pytest.raises(SourceError, match=r"cat/bomb\.png \(.*pixels"):
            _open(tmp_path).split("train")


def test_sixteen_bit_grey_keeps_its_upper_byte_and_transparency_is_dropped(tmp_path: Path) -> None:
    _fill(tmp_path, classes=("a", "b"), per_class=3)
    Image.fromarray(np.full((4, 6), 0x8034, dtype=np.uint16)).save(tmp_path / "a" / "0.png")
    Image.new("LA", (6, 4), (77, 0)).save(tmp_path / "a" / "1.png")
    x = torch.cat([_open(tmp_path).split(name).x for name in ("train", "test")])
    assert {0x80, 77} <= set(x[:, 0, 0, 0].tolist()) and x.shape[1] == 1


def test_pixels_beyond_the_memory_bound_suggest_a_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _fill(tmp_path)
    monkeypatch.setattr(memory, "MAX_PIXEL_BYTES", 100)
    with pytest.raises(SourceError, match=r"2 images of 4 x 6 x 3 .*") as caught:
        _open(tmp_path).split("train")
    assert "source.options.resize=" in str(caught.value)


def test_facts_keep_the_folders_name_but_no_path(tmp_path: Path) -> None:
    _fill(tmp_path / "flowers")
    facts = _open(tmp_path / "flowers").facts()
    assert facts.folder == "flowers" and "path" not in facts.options
    assert str(tmp_path) not in str(facts)


def test_the_same_images_elsewhere_have_the_same_fingerprint(tmp_path: Path) -> None:
    _fill(tmp_path / "a")
    _fill(tmp_path / "b")
    assert _open(tmp_path / "a").fingerprint == _open(tmp_path / "b").fingerprint
    _write(tmp_path / "b" / "cat" / "9.png", 99)
    assert _open(tmp_path / "a").fingerprint != _open(tmp_path / "b").fingerprint


def test_the_path_is_looked_for_in_the_data_root(tmp_path: Path) -> None:
    _fill(tmp_path / "flowers")
    named = open_source(Choice(name="folder", options={"path": "flowers"}), data_root=tmp_path)
    itself = open_source(Choice(name="folder"), data_root=tmp_path / "flowers")
    assert named.fingerprint == itself.fingerprint
    assert named.facts().folder == itself.facts().folder == "flowers"


def test_hidden_files_and_other_suffixes_are_passed_over(tmp_path: Path) -> None:
    _fill(tmp_path)
    (tmp_path / "cat" / ".hidden.png").write_bytes(b"")
    (tmp_path / "cat" / "notes.txt").write_text("ours")
    (tmp_path / ".git").mkdir()
    assert sum(len(_open(tmp_path).split(name).x) for name in ("train", "test")) == 10


def test_a_missing_folder_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no such folder"):
        _open(tmp_path / "nowhere").split("train")


def test_without_any_folder_the_option_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GENDATA_DATA", raising=False)
    with pytest.raises(SourceError, match=r"no folder is named.*\n.*source\.options\.path"):
        open_source(Choice(name="folder")).split("train")


@pytest.mark.parametrize(
    ("present", "message"),
    [
        (["train/a.png"], "holds no class folders"),
        (["test/a/0.png"], "holds test but no train"),
        (["train/a/0.png", "test/b/0.png"], r"class folders \['b'\] are not in train"),
        (["train/a/0.png", "train/b/0.png", "test/a/0.png"], r"class folders \['b'\] are missing"),
        (["train/a/0.png", "train/b/notes.txt", "test/a/0.png", "test/b/0.png"], "holds no images"),
        (["a/0.png", "b/0.png"], "has 1 images; expected at least 3"),
    ],
)
def test_a_wrong_layout_says_what_is_missing(tmp_path: Path, present: list[str], message: str) -> None:
    for name in present:
        if name.endswith(".png"):
            _write(tmp_path / name, 5)
        else:
            (tmp_path / name).parent.mkdir(parents=True)
            (tmp_path / name).write_text("")
    source = _open(tmp_path)
    with pytest.raises(SourceError, match=message):
        _ = source.split("train"), source.split("test")


@pytest.mark.parametrize("options", [{"channels": 2}, {"resize": 0}, {"resize": [8, 5000]}, {"resize_mode": "zoom"}])
def test_wrong_options_are_refused_with_their_value(tmp_path: Path, options: dict[str, object]) -> None:
    with pytest.raises(RecipeError, match=r"source\.options"):
        _open(tmp_path, **options)


def test_files_of_hidden_folders_are_passed_over(tmp_path: Path) -> None:
    _fill(tmp_path / "train")
    _fill(tmp_path / "test")
    before = _open(tmp_path).fingerprint
    _write(tmp_path / "train" / "cat" / ".ipynb_checkpoints" / "0-checkpoint.png", 0)
    assert _open(tmp_path).fingerprint == before


def test_a_class_folder_that_is_not_called_in_utf_8_is_refused(tmp_path: Path) -> None:
    _fill(tmp_path / "train", classes=("cat", os.fsdecode(b"caf\xe9")))
    _fill(tmp_path / "test", classes=("cat", os.fsdecode(b"caf\xe9")))
    with pytest.raises(SourceError, match=r"caf.*expected a name in UTF-8"):
        _open(tmp_path).split("train")


@pytest.mark.parametrize(("train", "test"), [("Train", "Test"), ("training", "testing"), ("TRAIN", "Val")])
def test_splits_are_found_however_they_are_written(tmp_path: Path, train: str, test: str) -> None:
    _fill(tmp_path / train)
    _fill(tmp_path / test, per_class=2)
    source = _open(tmp_path)
    assert source.spec.classes == ("cat", "dog")
    assert (len(source.split("train").y), len(source.split("test").y)) == (10, 4)
    assert source.facts().tested_on == test


def test_a_data_set_one_level_below_is_named_not_condensed_as_a_class(tmp_path: Path) -> None:
    _fill(tmp_path / "archive" / "train")
    _fill(tmp_path / "archive" / "test")
    with pytest.raises(SourceError, match=r"archive: holds test, train: it is a data set.*\n *Name .*archive itself"):
        _ = _open(tmp_path).spec


def test_trains_are_a_class_where_their_folder_holds_images(tmp_path: Path) -> None:
    _fill(tmp_path, classes=("bus", "train"))
    assert _open(tmp_path).spec.classes == ("bus", "train")


def test_train_without_class_folders_is_no_class(tmp_path: Path) -> None:
    for split in ("train", "test"):
        _write(tmp_path / split / "0.png", 1)
    with pytest.raises(SourceError, match="train: holds no class folders"):
        _ = _open(tmp_path).spec


def test_files_with_other_suffixes_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    _fill(tmp_path)
    for name in ("a.heic", "b.heic", "c", ".hidden"):
        (tmp_path / "cat" / name).write_bytes(b"x")
    Image.new("L", (6, 4), 7).save(tmp_path / "cat" / "d.jfif", "JPEG")
    source = _open(tmp_path)
    assert len(source.split("train").y) + len(source.split("test").y) == 11
    assert "files that are not read: 2 .heic, 1 without a suffix" in caplog.text


def test_two_images_of_a_class_are_too_few_and_three_are_asked_for(tmp_path: Path) -> None:
    _fill(tmp_path, per_class=2)
    with pytest.raises(SourceError, match="class 'cat' has 2 images; expected at least 3"):
        _open(tmp_path).split("train")


def test_classes_with_subfolders_stay_classes_beside_one_called_train(tmp_path: Path) -> None:
    for year in ("2019", "2020"):
        _fill(tmp_path, classes=(f"Bus/{year}", f"Train/{year}"))
    assert _open(tmp_path).spec.classes == ("Bus", "Train")


def test_train_as_it_is_written_comes_first_and_images_without_labels_are_no_test_split(tmp_path: Path) -> None:
    _fill(tmp_path / "train")
    _fill(tmp_path / "Train", classes=("other",))
    _write(tmp_path / "Test" / "0.png", 1)
    source = _open(tmp_path)
    assert source.spec.classes == ("cat", "dog")
    assert len(source.split("test").y) == 2 and source.test_origin is None


def test_two_folders_of_training_are_one_too_many(tmp_path: Path) -> None:
    _fill(tmp_path / "Train")
    _fill(tmp_path / "training")
    with pytest.raises(SourceError, match="holds Train and training; expected one train folder"):
        _ = _open(tmp_path).spec


def test_what_files_mean_is_asked_of_train_alone(tmp_path: Path) -> None:
    for split, value in (("train", 60_000), ("test", 20_000)):
        for name in ("cat", "dog"):
            (tmp_path / split / name).mkdir(parents=True)
            for i in range(3):
                image = Image.fromarray(np.full((4, 6), value, dtype=np.uint16))
                image.save(tmp_path / split / name / f"{i}.png")
    source = _open(tmp_path)
    assert [int(source.split(name).x.max()) for name in ("train", "test")] == [60_000 >> 8, 20_000 >> 8]


def test_a_strangers_suffix_does_not_steer_the_terminal(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    _fill(tmp_path)
    (tmp_path / "cat" / "x.\x1b[31mred\nFAKE: ok").write_bytes(b"")
    _ = _open(tmp_path).spec
    assert "not read: 1 .\\x1b[31mred\\nfake: ok" in caplog.messages[0]
