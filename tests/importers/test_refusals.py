"""What is not said, or cannot be right, is refused with the option that says it."""

from __future__ import annotations

import contextlib
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from gendata.artifact.artifact import open_artifact
from gendata.errors import GendataError, SourceError, SpecError
from gendata.importers import pieces
from gendata.importers.arrays import read_npz
from gendata.recipe import Choice
from gendata.sources.source import open_source, pixel_statistics

from .conftest import class_major, floats, write_dc, write_folders, write_mtt


@pytest.fixture
def dc(tmp_path):
    def write(images=None, labels=None):
        data = [[floats() if images is None else images, class_major() if labels is None else labels]]
        torch.save({"data": data}, tmp_path / "x.pt")
        return tmp_path / "x.pt"

    return write


def test_class_names_have_to_come_from_somewhere(imported, dc):
    with pytest.raises(SpecError, match=r"(?s)what the classes are called.*--source cifar10.*--classes"):
        imported(dc(), classes=None)
    with pytest.raises(SpecError, match="'imagewoof' is no data set known here"):
        imported(dc(), classes=None, source="imagewoof")
    with pytest.raises(SpecError, match="two classes have one name"):
        imported(dc(), classes=("a", "a", "b"))


def test_all_that_is_missing_is_asked_for_together(imported, dc):
    with pytest.raises(SpecError, match=r"(?s)what the classes are called.*mean and deviation.*--classes.*--mean"):
        imported(dc(), classes=None, mean=None, std=None)


def test_statistics_have_to_come_from_somewhere_and_fit_the_channels(imported, dc):
    with pytest.raises(SpecError, match=r"(?s)mean and deviation of the data are not known.*--mean.*--statistics"):
        imported(dc(), mean=None, std=None)
    with pytest.raises(SpecError, match="go together"):
        imported(dc(), std=None)
    with pytest.raises(SpecError, match="are of 3 channels"):
        imported(dc(), mean=None, std=None, statistics="imagenet")


def test_statistics_differ_between_code_bases(imported, tmp_path):
    path = tmp_path / "x.pt"
    torch.save({"data": [[floats(100, 3, 32, 32), class_major(100, 100)]]}, path)
    known = {"classes": None, "source": "cifar100", "mean": None, "std": None}
    assert imported(path, **known).manifest.normalisation.mean[0] == 0.5071
    (tmp_path / "out").rename(tmp_path / "first")
    assert imported(path, statistics="mtt", **known).manifest.normalisation.mean[0] == 0.4914


def test_images_of_another_shape_than_the_data_set_are_refused(imported, dc):
    with pytest.raises(SpecError, match=r"\(1, 8, 8\) of 3 classes.*\(1, 28, 28\) of 10 classes, as in mnist"):
        imported(dc(), source="mnist")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_images_that_are_not_finite_are_refused(imported, dc, value):
    images = floats()
    images[4, 0, 3, 3] = value
    with pytest.raises(SpecError, match="1 images hold a value that is not finite"):
        imported(dc(images))


@pytest.mark.parametrize("label", [-1, 3, 2**40])
def test_labels_outside_the_classes_are_refused(imported, dc, label):
    labels = class_major()
    labels[1] = label
    with pytest.raises(SpecError, match=r"(?s)labels reach from .*expected 0 to 2.*--classes"):
        imported(dc(labels=labels))


def test_labels_in_any_order_are_sorted_and_images_with_them(imported, dc):
    labels = torch.tensor([2, 0, 1, 0, 2, 1])
    x, y = imported(dc(labels=labels.float())).frozen_images()
    assert torch.equal(x, floats()[labels.argsort(stable=True)]) and y.tolist() == [0, 0, 1, 1, 2, 2]


def test_classes_of_several_sizes_are_cut_to_the_smallest_when_asked(imported, dc):
    labels = torch.tensor([0, 0, 0, 1, 2, 2])
    with pytest.raises(SpecError, match=r"(?s)classes have 1 to 3 images.*--ipc 1"):
        imported(dc(labels=labels))
    x, y = imported(dc(labels=labels), ipc=1).frozen_images()
    assert torch.equal(x, floats()[[0, 3, 4]]) and y.tolist() == [0, 1, 2]


def test_a_class_without_images_is_refused(imported, dc):
    with pytest.raises(SpecError, match="classes have 0 to 2 images"):
        imported(dc(), classes=("a", "b", "c", "d"))


@pytest.mark.parametrize("labels", [torch.tensor([0.5] * 6), torch.zeros(5), torch.zeros(6, 1)])
def test_labels_that_are_no_class_numbers_are_refused(imported, dc, labels):
    with pytest.raises(SourceError, match=r"labels are"):
        imported(dc(labels=labels))


@pytest.mark.parametrize("images", [torch.zeros(6, 8, 8), torch.zeros(0, 1, 8, 8), torch.zeros(6, 100, 8, 8)])
def test_images_of_another_shape_than_images_are_refused(imported, dc, images):
    with pytest.raises(SourceError, match="images are"):
        imported(dc(images))


def test_normalised_values_taken_for_pixels_are_noticed(imported, tmp_path):
    torch.save([floats(), class_major()], tmp_path / "data.pt")
    with pytest.raises(SpecError, match=r"(?s)% of the values are outside \[0, 1\].*--space normalised"):
        imported(tmp_path / "data.pt", factor=1)
    assert imported(tmp_path / "data.pt", factor=1, space="normalised").space == "normalised"


def test_a_layout_that_knows_no_whitening_and_bytes_that_are_no_pixels_are_refused(imported, dc):
    with pytest.raises(SpecError, match="no whitening is known"):
        imported(dc(), space="zca")
    with pytest.raises(SpecError, match="normalised values as uint8"):
        imported(dc(), storage="uint8")


def test_a_whitening_cannot_be_stored_without_real_images(imported, tmp_path):
    torch.save(floats(), tmp_path / "images_best.pt")
    torch.save(class_major(), tmp_path / "labels_best.pt")
    with pytest.raises(SpecError, match=r"(?s)fitted to the real training images.*--source NAME"):
        imported(tmp_path, space="zca", store_whitening=True)


def test_soft_labels_in_a_file_of_their_own_are_taken_by_image(imported, dc, tmp_path):
    order, soft = torch.tensor([2, 0, 1, 0, 2, 1]), torch.rand(6, 3).softmax(1)
    np.savez(tmp_path / "soft.npz", labels=soft.numpy())
    with pytest.raises(SpecError, match=r"(?s)what its numbers are.*--label-values"):
        imported(dc(), soft_labels=tmp_path / "soft.npz")
    path = dc(labels=order)
    artifact = imported(path, soft_labels=tmp_path / "soft.npz", label_values="probabilities")
    assert torch.equal(artifact.soft_labels, soft[order.argsort(stable=True)])
    np.savez(tmp_path / "soft.npz", labels=soft[:5].numpy())
    with pytest.raises(SourceError, match="a row per image"):
        imported(path, soft_labels=tmp_path / "soft.npz", label_values="logits")


def test_soft_labels_of_other_classes_are_refused(imported, dc, tmp_path):
    torch.save(torch.rand(6, 4), tmp_path / "soft.pt")
    with pytest.raises(SpecError, match=r"4 columns; expected 3"):
        imported(dc(), soft_labels=tmp_path / "soft.pt", label_values="logits")


def test_a_rate_that_is_given_stands_before_the_files(imported, tmp_path):
    artifact = imported(write_dc(tmp_path / "x.pt", sets=1), lr=0.5, license="MIT", citation="X 2024")
    assert artifact.manifest.training.lr == 0.5
    assert (artifact.manifest.license, artifact.manifest.citation) == ("MIT", "X 2024")
    assert open_artifact(artifact.path, verify="probe").artifact_id == artifact.artifact_id


def test_float16_halves_what_is_stored(imported, dc):
    artifact = imported(dc(), storage="f16")
    assert torch.equal(artifact.frozen_images()[0], floats().half().float())
    assert artifact.artifact_bytes < 2 * floats().numel() + 200


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"space": "hsv"}, "space is 'hsv'; expected one of image"),
        ({"storage": "int4"}, "storage is 'int4'"),
        ({"label_values": "onehot"}, "label_values is 'onehot'"),
        ({"lr": -1.0}, "lr is -1.0; expected above 0"),
        ({"factor": 0}, "factor is 0"),
    ],
)
def test_words_and_numbers_that_make_no_sense_are_refused(imported, tmp_path, said, message):
    with pytest.raises(SpecError, match=message):
        imported(tmp_path, **said)


@pytest.mark.parametrize("lr", [float("nan"), float("inf"), -0.5])
def test_a_learned_rate_that_is_none_is_refused(imported, tmp_path, lr):
    with pytest.raises((SourceError, SpecError), match=r"finite number"):
        imported(write_mtt(tmp_path / "CIFAR10", lr=lr), space="normalised")


def test_statistics_that_are_no_numbers_are_refused(imported, tmp_path):
    with pytest.raises(SpecError, match="expected finite numbers"):
        imported(write_dc(tmp_path / "x.pt", sets=1), mean=(float("nan"),), std=(1.0,))


def test_parts_of_one_parquet_set_have_the_same_columns(imported, tmp_path):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    image = {"bytes": (write_folders(tmp_path / "set") / "a" / "0.png").read_bytes(), "path": None}
    for number, label in enumerate(("label", "labels")):
        pq.write_table(pa.table({"image": [image], label: [number]}), tmp_path / f"train-{number}.parquet")
    with pytest.raises(SourceError, match=r"in the columns image, labels; expected image, label, as train-0"):
        imported(tmp_path)


def test_damaged_parquet_is_told_whatever_is_damaged(imported, tmp_path):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    image = {"bytes": (write_folders(tmp_path / "set") / "a" / "0.png").read_bytes(), "path": None}
    pq.write_table(pa.table({"image": [image] * 6, "label": [0, 0, 1, 1, 2, 2]}), tmp_path / "x.parquet")
    sound = (tmp_path / "x.parquet").read_bytes()
    for place in range(4, len(sound) - 8, max(1, len(sound) // 60)):
        (tmp_path / "y.parquet").write_bytes(sound[:place] + bytes([sound[place] ^ 255]) + sound[place + 1 :])
        with contextlib.suppress(GendataError):
            imported(tmp_path / "y.parquet")


def test_names_of_many_classes_may_be_listed(command, tmp_path):
    names = ",".join(f"class_{number}" for number in range(100))
    told = command("import", write_dc(tmp_path / "x.pt", sets=1), "--out", tmp_path / "out", "--classes", names)
    assert told.code == 2 and "File name too long" not in told.err
    (tmp_path / "names.txt").write_bytes(b"caf\xe9")
    told = command("import", tmp_path / "x.pt", "--out", tmp_path / "out", "--classes", tmp_path / "names.txt")
    assert told.code == 2 and "is not in UTF-8" in told.err


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_damaged_arrays_are_told_whatever_is_damaged(tmp_path, method):
    np.save(tmp_path / "labels.npy", np.arange(60, dtype=np.float32))
    with zipfile.ZipFile(tmp_path / "x.npz", "w", method) as archive:
        archive.write(tmp_path / "labels.npy", "labels.npy")
    assert len(read_npz(tmp_path / "x.npz", ("labels",))["labels"]) == 60
    sound = (tmp_path / "x.npz").read_bytes()
    for place in range(len(sound)):
        (tmp_path / "x.npz").write_bytes(sound[:place] + bytes([sound[place] ^ 255]) + sound[place + 1 :])
        with contextlib.suppress(GendataError):
            read_npz(tmp_path / "x.npz", ("labels",))


def test_arrays_under_a_password_are_refused(tmp_path):
    np.savez(tmp_path / "x.npz", labels=np.zeros(3))
    data = bytearray((tmp_path / "x.npz").read_bytes())
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "x.npz").write_bytes(data)
    with pytest.raises(SourceError, match=r"x\.npz: is not a readable \.npz \(.*password"):
        read_npz(tmp_path / "x.npz", ("labels",))


def test_a_rate_that_is_true_is_none(imported, tmp_path):
    with pytest.raises(SourceError, match="expected one number"):
        imported(write_mtt(tmp_path / "CIFAR10", lr=True), space="normalised")


def test_arrays_of_another_byte_order_are_read_and_ones_that_torch_has_not_refused(tmp_path):
    np.savez(tmp_path / "x.npz", labels=np.arange(3, dtype=">f4"), long=np.zeros(3, np.longdouble))
    assert torch.from_numpy(read_npz(tmp_path / "x.npz", ("labels",))["labels"]).tolist() == [0, 1, 2]
    with pytest.raises(SourceError, match="has dtype"):
        read_npz(tmp_path / "x.npz", ("long",))


def test_a_number_beyond_all_is_refused():
    with pytest.raises(SourceError, match="expected a finite number"):
        pieces.number(10**400, "x")


def test_soft_labels_of_no_class_are_refused():
    with pytest.raises(SourceError, match="expected float"):
        pieces.soft_labels(torch.zeros(3, 0), 3, "x")


def test_grey_images_have_the_statistics_of_their_data_set(imported, tmp_path):
    for name in "0123456789":
        (tmp_path / "set" / name).mkdir(parents=True)
        Image.new("L", (8, 8), 100).save(tmp_path / "set" / name / "0.png")
    notes: list[str] = []
    unsaid = {"mean": None, "std": None, "classes": None}
    normalisation = imported(tmp_path / "set", notes=notes, **unsaid, source="digits").manifest.normalisation
    mean, std = pixel_statistics(open_source(Choice(name="digits")).split("train"))
    assert (normalisation.mean, normalisation.std) == (mean, std)
    assert "mean and deviation are those of digits's train images" in notes


def test_what_was_given_already_is_not_advised(imported, tmp_path):
    folder = write_folders(tmp_path / "set")
    for path in folder.rglob("*.png"):
        Image.new("L", (8, 8)).save(path)
    with pytest.raises(SpecError, match="mean and deviation") as told:
        imported(folder, mean=None, std=None, source="nobody-knows")
    assert "--source" not in str(told.value)
