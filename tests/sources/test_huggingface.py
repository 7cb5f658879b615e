from __future__ import annotations

import io
import logging
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from gendata.errors import MissingExtraError, RecipeError, SourceError
from gendata.recipe import Choice
from gendata.sources.huggingface import _commit
from gendata.sources.source import Source, open_source

datasets = pytest.importorskip("datasets", reason="this source needs the datasets package")

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "hf-cache")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)


def _png(value: int, *, size: tuple[int, int] = (4, 4), mode: str = "RGB") -> dict[str, Any]:
    file = io.BytesIO()
    Image.new(mode, size, value if mode == "L" else (value, 0, 0)).save(file, "PNG")
    return {"bytes": file.getvalue(), "path": None}


def _rows(labels: list[Any], **how: Any) -> dict[str, list[Any]]:
    return {"image": [_png(i, **how) for i in range(len(labels))], "label": labels}


def _write(folder: Path, split: str, rows: dict[str, list[Any]], **features: Any) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    table = datasets.Dataset.from_dict(rows)
    for column, feature in features.items():
        table = table.cast_column(column, feature)
    table.to_parquet(str(folder / f"{split}-00000-of-00001.parquet"))


def _open(folder: Path, **options: Any) -> Source:
    return open_source(Choice(name="huggingface", options={"path": str(folder), **options}))


def test_a_local_parquet_folder_gives_both_splits_and_class_names(tmp_path: Path) -> None:
    names = datasets.ClassLabel(names=["zebra", "ant"])
    for split in ("train", "test"):
        _write(tmp_path / "d", split, _rows([0, 1, 1]), image=datasets.Image(), label=names)
    source = _open(tmp_path / "d")
    train = source.split("train")
    assert source.spec.classes == ("zebra", "ant") and source.spec.shape == (3, 4, 4)
    assert train.x[:, 0, 0, 0].tolist() == [0, 1, 2] and train.y.tolist() == [0, 1, 1]
    assert train.x.dtype == torch.uint8 and source.split("test").y.tolist() == [0, 1, 1]


def test_labels_without_names_are_sorted_and_images_without_a_type_are_found(tmp_path: Path) -> None:
    for split in ("train", "test"):
        _write(tmp_path / "d", split, _rows(["pear", "apple", "pear"]))
    source = _open(tmp_path / "d")
    assert source.spec.classes == ("apple", "pear")
    assert source.split("train").y.tolist() == [1, 0, 1]


def test_numbers_need_not_count_from_zero(tmp_path: Path) -> None:
    for split in ("train", "test"):
        _write(tmp_path / "d", split, _rows([30, 4, 30]))
    source = _open(tmp_path / "d")
    assert source.spec.classes == ("4", "30") and source.split("train").y.tolist() == [1, 0, 1]


def test_a_validation_split_stands_in_for_a_missing_test_split(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for split in ("train", "validation"):
        _write(tmp_path / "d", split, _rows([0, 1]))
    source = _open(tmp_path / "d")
    with caplog.at_level(logging.INFO, logger="gendata"):
        assert len(source.split("test").x) == 2
    assert "tested on its split 'validation'" in caplog.text
    assert source.facts().tested_on == "validation"


def test_without_any_other_split_some_of_train_is_held_out(tmp_path: Path) -> None:
    _write(tmp_path / "d", "train", _rows([0, 1] * 10))
    source = _open(tmp_path / "d")
    assert len(source.split("train").x) == 16 and source.split("test").y.bincount().tolist() == [2, 2]
    assert source.facts().tested_on == "held out of train"


def test_grey_images_among_colour_ones_become_rgb(tmp_path: Path) -> None:
    rows = {"image": [_png(90, mode="L"), _png(5)], "label": [0, 1]}
    for split in ("train", "test"):
        _write(tmp_path / "d", split, rows)
    assert _open(tmp_path / "d").split("train").x[0, :, 0, 0].tolist() == [90, 90, 90]


def test_jpegs_are_decoded_as_pillow_decodes_them(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG")
    rows = {"image": [{"bytes": file.getvalue(), "path": "a.jpg"}] * 2, "label": [0, 1]}
    for split in ("train", "test"):
        _write(tmp_path / "d", split, rows, image=datasets.Image())
    expected = np.asarray(Image.open(file)).transpose(2, 0, 1)
    assert np.array_equal(_open(tmp_path / "d").split("train").x[0].numpy(), expected)


def test_columns_that_could_both_be_meant_have_to_be_named(tmp_path: Path) -> None:
    rows = {"left": [_png(1), _png(2)], "right": [_png(3), _png(4)], "kind": [0, 1]}
    for split in ("train", "test"):
        _write(tmp_path / "d", split, rows, left=datasets.Image(), right=datasets.Image())
    with pytest.raises(SourceError, match="2 columns that may be the image; expected one of left, right, kind"):
        _open(tmp_path / "d").split("train")
    with pytest.raises(SourceError, match=r"0 columns that may be the label.*\n.*source\.options\.label=COLUMN"):
        _open(tmp_path / "d", image="left").split("train")
    assert _open(tmp_path / "d", image="right", label="kind").split("train").x[:, 0, 0, 0].tolist() == [3, 4]


def test_a_column_or_a_split_that_is_not_there_is_named_with_what_is(tmp_path: Path) -> None:
    for split in ("train", "test"):
        _write(tmp_path / "d", split, _rows([0, 1]))
    with pytest.raises(SourceError, match="no column 'picture'; expected one of image, label"):
        _open(tmp_path / "d", image="picture").split("train")
    with pytest.raises(SourceError, match="no split 'fit'; expected one of train, test"):
        _open(tmp_path / "d", train="fit").split("train")
    with pytest.raises(SourceError, match="no split 'dev'; expected one of train, test"):
        _open(tmp_path / "d", test="dev").split("test")


def test_a_column_that_holds_no_images_is_one_clear_error(tmp_path: Path) -> None:
    for split in ("train", "test"):
        _write(tmp_path / "d", split, _rows([0, 1]))
    with pytest.raises(SourceError, match="column 'label' holds int64"):
        _open(tmp_path / "d", image="label").split("train")


def test_a_test_split_without_labels_is_refused(tmp_path: Path) -> None:
    names = datasets.ClassLabel(names=["a", "b"])
    _write(tmp_path / "d", "train", _rows([0, 1]), label=names)
    _write(tmp_path / "d", "test", _rows([-1, -1]), label=names)
    with pytest.raises(SourceError, match="label -1 is not one of the 2 classes"):
        _open(tmp_path / "d").split("test")


def test_rows_without_an_image_and_broken_images_are_refused(tmp_path: Path) -> None:
    rows = _rows([0, 1])
    rows["image"][1] = {"bytes": b"no image", "path": None}
    _write(tmp_path / "broken", "train", rows, image=datasets.Image())
    with pytest.raises(SourceError, match=r"1 of 2 images cannot be read: row 1 \(not an image\)"):
        _open(tmp_path / "broken").split("train")
    rows["image"][1] = None
    _write(tmp_path / "empty", "train", rows, image=datasets.Image())
    with pytest.raises(SourceError, match="row 1 has no image"):
        _open(tmp_path / "empty").split("train")


def test_a_row_may_name_a_file_of_the_data_set_but_no_other(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    for file in (tmp_path / "d" / "own.png", tmp_path / "private.png"):
        file.write_bytes(_png(7)["bytes"])
    rows = _rows([0, 1])
    rows["image"][1] = {"bytes": None, "path": str(tmp_path / "d" / "own.png")}
    for split in ("train", "test"):
        _write(tmp_path / "d", split, rows)
    assert _open(tmp_path / "d").split("train").x[1, 0, 0, 0] == 7
    rows["image"][1] = {"bytes": None, "path": str(tmp_path / "d" / ".." / "private.png")}
    for split in ("train", "test"):
        _write(tmp_path / "e", split, rows)
    with pytest.raises(SourceError, match="row 1 names a file outside the data set"):
        _open(tmp_path / "e").split("train")


def test_sizes_that_differ_ask_for_resize(tmp_path: Path) -> None:
    rows = _rows([0, 1, 0, 1, 0, 1])
    rows["image"][2] = _png(7, size=(9, 5))
    _write(tmp_path / "d", "train", rows)
    with pytest.raises(SourceError, match="row 2 has 5 x 9 pixels, row 0 has 4 x 4"):
        _open(tmp_path / "d").split("train")
    assert _open(tmp_path / "d", resize=6).spec.shape == (3, 6, 6)


def test_a_name_that_cannot_be_reached_is_one_clear_error() -> None:
    source = open_source(Choice(name="huggingface", options={"dataset": "nobody/nothing"}))
    with pytest.raises(
        SourceError,
        match=r"huggingface: nobody/nothing: no such folder here, and from the Hub it cannot be loaded.*\n.*local copy",
    ):
        source.split("train")


def test_a_folder_without_data_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    with pytest.raises(SourceError, match="cannot be loaded"):
        _open(tmp_path / "d").split("train")
    with pytest.raises(SourceError, match="no such folder"):
        _open(tmp_path / "nowhere").split("train")


def test_without_the_package_the_message_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtraError, match="datasets is not installed") as caught:
        _open(tmp_path).split("train")
    assert "pip install datasets" in str(caught.value)


@pytest.mark.parametrize(
    "options",
    [{"dataset": "a/b", "path": "c"}, {"path": "c", "revision": "main"}, {"train": "x", "test": "x"}, {"channels": 4}],
)
def test_options_that_contradict_each_other_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(RecipeError, match=r"source\.options"):
        open_source(Choice(name="huggingface", options=options))


def test_facts_keep_no_path(tmp_path: Path) -> None:
    for split in ("train", "test"):
        _write(tmp_path / "flowers", split, _rows([0, 1]))
    facts = _open(tmp_path / "flowers").facts()
    assert facts.folder == "flowers" and str(tmp_path) not in str(facts)
    assert facts.revision is None and facts.homepage is None


def test_the_commit_is_read_from_the_addresses_that_datasets_kept() -> None:
    commit = "0123456789abcdef" * 2 + "01234567"
    assert _commit({f"hf://datasets/org/name@{commit}/data/train.parquet": {"num_bytes": 1}}) == commit
    assert _commit({"/somewhere/train.parquet": {}}) is None and _commit(None) is None


def _tiny(root: Path, *, order: int = 1) -> Source:
    """Two noisy images of each of 200 classes, as the local copy of somebody who keeps them in this order."""
    pixels = np.random.default_rng(0).integers(256, size=(400, 64, 64, 3), dtype=np.uint8)
    images = [{"bytes": _encoded(x), "path": None} for x in pixels]
    rows = {"image": images[::order], "label": [i % 200 for i in range(400)][::order]}
    for split in ("train", "validation"):
        _write(root / "tiny-imagenet", split, rows)
    names = [f"{i}\tn{i:08}\tname" for i in range(200)]
    (root / "tiny-imagenet" / "classes.tsv").write_text("\n".join(names))
    return open_source(Choice(name="tiny-imagenet"), data_root=root)


def _encoded(x: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(x).save(file, "PNG")
    return file.getvalue()


def test_tiny_imagenet_is_found_by_its_name_and_in_one_order(tmp_path: Path) -> None:
    source, other = _tiny(tmp_path / "a"), _tiny(tmp_path / "b", order=-1)
    assert source.spec.shape == (3, 64, 64) and source.spec.classes[7] == "n00000007"
    assert source.split("test").y.tolist() == [i // 2 for i in range(400)]
    assert source.fingerprint == other.fingerprint
    facts = source.facts()
    assert (facts.name, facts.options, facts.folder, facts.tested_on) == ("tiny-imagenet", {}, None, "validation")


def test_something_else_under_the_name_of_tiny_imagenet_is_refused(tmp_path: Path) -> None:
    for split in ("train", "validation"):
        _write(tmp_path / "tiny-imagenet", split, _rows([1, 0, 1]))
    with pytest.raises(SourceError, match="2 classes of images"):
        open_source(Choice(name="tiny-imagenet"), data_root=tmp_path).split("train")
    (tmp_path / "tiny-imagenet" / "classes.tsv").write_text("1\tn01\n0\tn00\n")
    with pytest.raises(SourceError, match="is no list of classes"):
        open_source(Choice(name="tiny-imagenet"), data_root=tmp_path).split("train")


def test_an_empty_folder_of_tiny_imagenet_says_where_its_files_belong(tmp_path: Path) -> None:
    (tmp_path / "tiny-imagenet").mkdir()
    with pytest.raises(SourceError, match="Put the parquet files in DIR/tiny-imagenet"):
        open_source(Choice(name="tiny-imagenet"), data_root=tmp_path).split("train")


def test_tiny_imagenet_without_a_local_copy_is_that_of_the_hub(tmp_path: Path) -> None:
    source = open_source(Choice(name="tiny-imagenet"), data_root=tmp_path)
    assert source.homepage == "https://huggingface.co/datasets/zh-plus/tiny-imagenet"
    assert source.config.dataset == "zh-plus/tiny-imagenet" and source.config.path is None


@pytest.mark.slow
def test_tiny_imagenet_reads_from_its_parquet_folder(tmp_path: Path) -> None:
    folder = SHARED / "tiny-imagenet"
    if not folder.is_dir():
        pytest.skip("Tiny ImageNet does not lie beside this checkout")
    (tmp_path / "tiny-imagenet").mkdir()
    for name in ("train-0.parquet", "validation-0.parquet"):
        (tmp_path / "tiny-imagenet" / name).symlink_to(folder / "validation-00000-of-00001.parquet")
    (tmp_path / "tiny-imagenet" / "classes.tsv").symlink_to(folder / "classes.tsv")
    source = open_source(Choice(name="tiny-imagenet"), data_root=tmp_path)
    assert source.spec.shape == (3, 64, 64) and source.spec.classes[0] == "n01443537"
    assert source.split("train").y.bincount().tolist() == source.split("test").y.bincount().tolist() == [50] * 200


def test_several_labels_of_an_image_are_refused_with_the_remedy(tmp_path: Path) -> None:
    _write(tmp_path / "d", "train", _rows([[0], [0, 1]]))
    with pytest.raises(SourceError, match=r"labels are a \w+ each(.|\n)*source\.options\.label=COLUMN"):
        _open(tmp_path / "d").split("train")


@pytest.mark.parametrize("name", ["me/private", "imagefolder"])
def test_a_name_on_the_hub_never_leads_to_a_folder_here(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for split in ("train", "test"):
        _write(tmp_path / "me" / "private", split, _rows([0, 1]))
    for label in ("a", "b"):
        (tmp_path / "train" / label).mkdir(parents=True)
        (tmp_path / "train" / label / "0.png").write_bytes(_png(7)["bytes"])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SourceError, match=f"{name}: is no name on the Hub.*\n.*source.options.path"):
        open_source(Choice(name="huggingface", options={"dataset": name})).split("train")
