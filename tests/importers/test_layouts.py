"""Each layout becomes an artifact with the very values that were in the files."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from gendata.artifact.artifact import open_artifact
from gendata.errors import SourceError, SpecError, UnknownNameError
from gendata.importers.importing import LAYOUTS
from gendata.registry import SOURCES

from .conftest import NAMES, class_major, floats, write_dc, write_folders, write_mtt


def test_every_layout_of_the_table_can_be_loaded_and_says_what_it_is():
    for name in LAYOUTS.names():
        layout = LAYOUTS.load(name)()
        assert layout.name == name and layout.summary


# DC


def test_of_dc_the_last_set_is_taken_unless_another_is_asked_for(imported, tmp_path):
    notes: list[str] = []
    artifact = imported(write_dc(tmp_path / "res_DC_X_ConvNet_2ipc.pt"), notes=notes)
    assert artifact.space == "normalised" and artifact.ipc == 2
    assert torch.equal(artifact.frozen_images()[0], floats(seed=2))
    assert any("layout dc" in note for note in notes) and any("3 sets; the last" in note for note in notes)
    said = artifact.manifest.imported
    assert (said.layout, said.set_index, said.num_sets) == ("dc", 2, 3)
    assert list(said.files) == ["res_DC_X_ConvNet_2ipc.pt"]


def test_set_index_chooses_the_set(imported, tmp_path):
    path = write_dc(tmp_path / "x.pt")
    assert torch.equal(imported(path, set_index=0).frozen_images()[0], floats(seed=0))
    with pytest.raises(SpecError, match=r"set_index is 3; expected 0 to 2"):
        imported(path, set_index=3)


def test_names_and_statistics_of_a_known_data_set_come_by_the_file_name(imported, tmp_path):
    images = floats(20, 1, 28, 28)
    path = tmp_path / "res_DM_FashionMNIST_ConvNet_2ipc.pt"
    torch.save({"data": [[images, class_major(20, 10)]], "accs_all_exps": {}}, path)
    notes: list[str] = []
    artifact = imported(path, notes=notes, classes=None, mean=None, std=None)
    assert artifact.spec == SOURCES.load("fashion-mnist").spec
    assert artifact.manifest.normalisation.mean == (0.2861,)
    assert artifact.manifest.source.name == "fashion-mnist" and artifact.manifest.source.license == "MIT"
    assert any("fashion-mnist, by the files' names" in note for note in notes)


def test_a_real_data_root_gives_the_fingerprint(imported, tmp_path):
    path = tmp_path / "x.pt"
    torch.save({"data": [[floats(20), class_major(20, 10)]]}, path)
    artifact = imported(path, classes=None, source="digits", data_root=tmp_path)
    assert len(artifact.manifest.source.fingerprint) == 64
    assert artifact.manifest.source.tested_on == "held out of train"


# IDC, NCFM


def test_pixels_of_idc_stay_floats_and_give_their_tiles(imported, tmp_path):
    images = floats(6, 3, 8, 8).sigmoid()
    folder = tmp_path / "conv3in_grad_mse_factor2_lr0.005_mix_ipc2"
    folder.mkdir()
    torch.save([images, class_major()], folder / "data.pt")
    artifact = imported(folder / "data.pt", mean=(0.5,) * 3, std=(0.2,) * 3)
    x, y = artifact.frozen_images()
    assert artifact.space == "image" and x.dtype == torch.float32 and artifact.ipc == 8
    first_tiles = F.interpolate(images[2:4, :, :4, :4], size=(8, 8), mode="bilinear", align_corners=False)
    assert torch.allclose(x[y == 1][:2], first_tiles)
    assert artifact.artifact_bytes < 4 * images.numel() + 200


def test_a_factor_that_nothing_says_is_asked_for(imported, tmp_path):
    path = tmp_path / "data.pt"
    torch.save([floats(6, 3, 8, 8).sigmoid(), class_major()], path)
    statistics = {"mean": (0.5,) * 3, "std": (0.2,) * 3}
    with pytest.raises(SpecError, match=r"(?s)how many tiles.*--factor 2"):
        imported(path, **statistics)
    plain = imported(path, factor=1, layout="ncfm", **statistics)
    assert plain.manifest.generator.name == "pixel-bank" and plain.manifest.imported.layout == "ncfm"


def test_pixels_can_be_rounded_to_bytes_and_this_is_said(imported, tmp_path):
    images, path = floats(6, 1, 8, 8).sigmoid(), tmp_path / "data.pt"
    torch.save([images, class_major()], path)
    notes: list[str] = []
    artifact = imported(path, factor=1, storage="uint8", notes=notes)
    assert torch.equal(artifact.frozen_images()[0], images.mul(255).round().to(torch.uint8))
    assert any("rounded to uint8" in note for note in notes)


# MTT, DATM


def test_mtt_has_to_be_told_its_space_and_keeps_its_learned_rate(imported, tmp_path):
    folder = write_mtt(tmp_path / "CIFAR10", lr=0.0178)
    with pytest.raises(SpecError, match=r"(?s)do not say whether.*--space normalised"):
        imported(folder, source=None)
    artifact = imported(folder, space="normalised", source="own")
    assert torch.equal(artifact.frozen_images()[0], floats())
    assert artifact.manifest.training.lr == pytest.approx(0.0178)
    assert set(artifact.manifest.imported.files) == {"images_best.pt", "labels_best.pt", "lr_best.pt"}


def test_a_whitened_set_names_its_whitening_or_stores_it(imported, tmp_path):
    folder = tmp_path / "s"
    folder.mkdir()
    torch.save(floats(20), folder / "images_best.pt")
    torch.save(class_major(20, 10), folder / "labels_best.pt")
    known = {"classes": None, "source": "digits", "space": "zca"}
    notes: list[str] = []
    artifact = imported(folder, notes=notes, **known)
    train = SOURCES.load("digits")(SOURCES.load("digits").Config()).split("train").x
    whitening = artifact.manifest.space.whitening
    assert (whitening.stored, whitening.ridge, whitening.normalised) == (False, 0.1, False)
    assert any("named, not stored" in note for note in notes)
    named = artifact.space_transform(train)(train[:5])
    import shutil

    shutil.rmtree(artifact.path)
    assert torch.equal(imported(folder, store_whitening=True, **known).to_space(train[:5]), named)


def test_datm_labels_are_logits_of_classes_told_by_position(imported, tmp_path):
    logits = torch.randn(6, 3, generator=torch.Generator().manual_seed(5))
    notes: list[str] = []
    artifact = imported(write_mtt(tmp_path / "d", labels=logits), space="normalised", notes=notes)
    assert artifact.manifest.labels.kind == "soft" and artifact.manifest.labels.values == "logits"
    assert torch.equal(artifact.soft_labels, logits)
    assert torch.equal(artifact.frozen_images()[0], floats())
    assert any("told by position, 2 images each" in note for note in notes)
    assert any("no learning rate" in note for note in notes)


def test_pieces_are_put_together_in_the_order_of_their_numbers(imported, tmp_path):
    for number in (10, 9):
        torch.save(floats(3, seed=number), tmp_path / f"images_best_{number}.pt")
        torch.save(torch.tensor([0, 1, 2]), tmp_path / f"labels_best_{number}.pt")
    x, _ = imported(tmp_path, space="normalised").frozen_images()
    assert torch.equal(x[0::2], floats(3, seed=9)) and torch.equal(x[1::2], floats(3, seed=10))


# KIP


def write_kip(path, labels):
    images = floats(6, 8, 8, 1).numpy()  # channels last
    np.savez(path, images=images, labels=labels.numpy())
    return images


def test_one_hot_labels_of_kip_become_hard_and_its_name_says_that_it_is_whitened(imported, tmp_path):
    path = tmp_path / "ConvNet_ssize6_zca_nol_noaug_ckpt1000.npz"
    order = torch.tensor([2, 0, 1, 1, 0, 2])
    images = write_kip(path, F.one_hot(order, 3).float() - 1 / 3)
    artifact = imported(path)
    x, y = artifact.frozen_images()
    assert artifact.space == "zca" and artifact.soft_labels is None and y.tolist() == [0, 0, 1, 1, 2, 2]
    assert torch.equal(x[0], torch.from_numpy(images[1]).permute(2, 0, 1))
    whitening = artifact.manifest.space.whitening
    assert whitening.unit_images and whitening.normalised and whitening.ridge_relative and not whitening.centred


def test_learned_labels_of_kip_are_targets(imported, tmp_path):
    path = tmp_path / "kip_mnist_ConvNet3_ssize6_nozca_l_noaug_ckpt1000.npz"
    labels = F.one_hot(class_major(), 3).float() - 0.3 + 0.1 * torch.rand(6, 3)
    write_kip(path, labels)
    artifact = imported(path, source="own")
    assert artifact.space == "normalised" and artifact.manifest.labels.values == "targets"
    assert torch.equal(artifact.soft_labels, labels)


# Folders and parquet


def test_folders_with_names_are_classes_in_alphabetical_order(imported, tmp_path):
    folder = write_folders(tmp_path / "set", ("dog", "cat", "n01440764"))
    artifact = imported(folder, classes=None, mean=None, std=None)
    x, _ = artifact.frozen_images()
    assert artifact.spec.classes == ("cat", "dog", "n01440764") and artifact.ipc == 2
    assert x.dtype == torch.uint8 and x[:, 0, 1, 1].tolist() == [40, 41, 0, 1, 80, 81]
    assert artifact.manifest.normalisation.mean == (0.485, 0.456, 0.406)


def test_numbered_folders_have_to_be_named_and_follow_their_numbers(imported, tmp_path):
    folder = write_folders(tmp_path / "set", ("new2", "new10", "new1"))
    with pytest.raises(SpecError, match=r"(?s)says nothing of the classes.*--classes"):
        imported(folder, classes=None, mean=None, std=None)
    artifact = imported(folder, mean=None, std=None)
    assert artifact.frozen_images()[0][::2, 0, 1, 1].tolist() == [80, 0, 40]


def test_names_given_in_another_order_decide_the_labels(imported, tmp_path):
    folder = write_folders(tmp_path / "set", ("a", "b", "c"))
    artifact = imported(folder, classes=("c", "a", "b"), mean=None, std=None)
    assert artifact.spec.classes == ("c", "a", "b")
    assert artifact.frozen_images()[0][::2, 0, 1, 1].tolist() == [80, 0, 40]
    with pytest.raises(SpecError, match="3 folders"):
        imported(folder, classes=("x", "y"), mean=None, std=None)


def test_folders_of_several_sizes_are_resized_when_asked(imported, tmp_path):
    folder = write_folders(tmp_path / "set", ("a", "b"))
    write_folders(tmp_path / "set" / "..", ("other",), side=16)
    (tmp_path / "other" / "0.png").rename(folder / "b" / "1.png")
    with pytest.raises(SpecError, match=r"(?s)one size.*--resize"):
        imported(folder, classes=None, mean=None, std=None)
    assert imported(folder, classes=None, mean=None, std=None, resize=8).spec.shape == (3, 8, 8)


@pytest.mark.parametrize("label", ["number", "name"])
def test_parquet_of_the_hub_brings_its_class_names(imported, tmp_path, label):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    folder = write_folders(tmp_path / "set")
    order = [("b", 0), ("a", 0), ("c", 0), ("a", 1), ("c", 1), ("b", 1)]
    images = [{"bytes": (folder / name / f"{number}.png").read_bytes(), "path": None} for name, number in order]
    labels = [NAMES.index(name) if label == "number" else name for name, _ in order]
    table = pa.table({"image": images, "label": labels})
    features = {"label": {"names": list(NAMES), "_type": "ClassLabel"}}
    note = {b"huggingface": json.dumps({"info": {"features": features}}).encode()}
    (tmp_path / "hub" / "data").mkdir(parents=True)
    pq.write_table(table.replace_schema_metadata(note), tmp_path / "hub" / "data" / "train-00000-of-00001.parquet")
    artifact = imported(tmp_path / "hub", classes=None, mean=None, std=None)
    assert artifact.spec.classes == NAMES
    assert artifact.frozen_images()[0][:, 0, 1, 1].tolist() == [0, 1, 40, 41, 80, 81]


def test_a_parquet_row_cannot_name_a_file_of_ours(imported, tmp_path):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    rows = [{"bytes": None, "path": "/etc/hostname"}, {"bytes": b"x", "path": None}]
    pq.write_table(pa.table({"image": rows, "label": [0, 1]}), tmp_path / "x.parquet")
    with pytest.raises(SourceError, match="row 0 has no image inside"):
        imported(tmp_path / "x.parquet")


# DiM


def dim_state(side, channels, width=4):
    """The layers as gan_model.py names them."""
    sizes = {1: (3 if side == 28 else 4), 5: 4, 7: 4}
    state = {"fc1.weight": torch.randn(width * 16, 100), "fc1.bias": torch.randn(width * 16)}
    for number in range(1, 9):
        kernel, out = sizes.get(number, 3), channels if number == 8 else width
        state[f"conv{number}.weight"] = torch.randn(out, width, kernel, kernel) / width
        state[f"conv{number}.bias"] = torch.randn(out)
    for number in range(8):
        size = width * 16 if number == 0 else width
        parts = {"weight": torch.rand(size), "bias": torch.randn(size), "running_mean": torch.randn(size)}
        parts |= {"running_var": torch.rand(size) + 0.5, "num_batches_tracked": torch.tensor(7)}
        state |= {f"bn{number}.{part}": value for part, value in parts.items()}
    return state


def dim_image(state, z, y, num_classes, side):
    """What their generator makes of noise whose first entries are the one-hot label, from their code's description."""
    z = z.clone()
    z[:, :num_classes] = F.one_hot(y, num_classes).float()

    def norm(number, h):
        parts = [state[f"bn{number}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")]
        return torch.relu(F.batch_norm(h, *parts, training=False))

    h = norm(0, z @ state["fc1.weight"].T + state["fc1.bias"]).reshape(len(z), -1, 4, 4)
    for number in range(1, 9):
        weight, bias = state[f"conv{number}.weight"], state[f"conv{number}.bias"]
        doubles = number in (1, 5, 7)
        h = F.conv_transpose2d(h, weight, bias, 2, 1) if doubles else F.conv2d(h, weight, bias, padding=1)
        h = norm(number, h) if number < 8 else h
    return (torch.tanh(h) + 1) / 2


@pytest.mark.parametrize(("side", "channels", "source"), [(32, 3, "cifar10"), (28, 1, "fashion-mnist")])
def test_dim_makes_the_images_that_its_weights_made(imported, tmp_path, side, channels, source):
    path, state = tmp_path / "model_dict_convnet.pth", dim_state(side, channels)
    optimiser = torch.optim.Adam([torch.nn.Parameter(torch.zeros(3))]).state_dict()
    torch.save({"generator": state, "discriminator": {}, "optim_g": optimiser, "optim_d": optimiser}, path)
    known = {"classes": None, "mean": None, "std": None, "source": source}
    with pytest.raises(SpecError, match=r"(?s)how many images.*--ipc 10"):
        imported(path, **known)
    artifact = imported(path, ipc=2, **known)
    assert artifact.spec.shape == (channels, side, side) and artifact.ipc == 2
    z, y = torch.randn(10, 100), torch.arange(10)
    assert torch.allclose(artifact.generator(z, y), dim_image(state, z, y, 10, side), atol=1e-5)
    assert artifact.frozen_images()[0].dtype == torch.uint8
    assert artifact.manifest.normalisation.std[0] in (0.202, 0.353)
    open_artifact(artifact.path, verify="probe")


def test_dim_without_its_layers_is_refused(imported, tmp_path):
    known = {"classes": None, "mean": None, "std": None, "source": "cifar10", "ipc": 1}
    state = dim_state(32, 3)
    for change in ({"conv3.weight": torch.zeros(2, 2)}, {"attention.weight": torch.zeros(2)}, {"fc1.weight": None}):
        torch.save({"generator": {**state, **change}}, tmp_path / "x.pth")
        with pytest.raises(SourceError, match=r"layers|attention|fc1"):
            imported(tmp_path / "x.pth", **known)


# Which layout


def test_what_nobody_knows_is_refused_with_the_list_of_layouts(imported, tmp_path):
    (tmp_path / "x.bin").write_bytes(b"x")
    with pytest.raises(SpecError, match=r"(?s)no layout known.*mtt.*--layout"):
        imported(tmp_path / "x.bin")
    with pytest.raises(UnknownNameError, match="(?s)no layout is called 'mttt'.*'mtt'"):
        imported(tmp_path / "x.bin", layout="mttt")
    with pytest.raises(SourceError, match="no such file or folder"):
        imported(tmp_path / "absent")


@pytest.mark.parametrize("layout", LAYOUTS.names())
def test_a_layout_that_is_named_refuses_files_of_another(imported, tmp_path, layout):
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match=r"not of this layout|holds no"):
        imported(tmp_path / "empty", layout=layout)
