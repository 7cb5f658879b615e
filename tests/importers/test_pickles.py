"""Pickles of strangers: read in a process of their own, and refused when they want more than tensors."""

from __future__ import annotations

import io
import os
import pickle
import struct
import zipfile

import numpy as np
import pytest
import torch

from gendata.errors import SourceError
from gendata.importers import pickles
from gendata.importers.arrays import read_npz
from gendata.importers.importing import import_artifact
from gendata.importers.pickles import read_pickle

from .conftest import floats, write_dc


class Runs:
    """Would run a command on being unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.system, (f"touch {self.mark}",)


def test_tensors_come_back_from_a_process_that_imports_nothing_beside_the_user(tmp_path, monkeypatch):
    for name in ("torch.py", "json.py", "gendata.py"):
        (tmp_path / name).write_text("open('ran', 'w').close()")
    monkeypatch.chdir(tmp_path)
    write_dc(tmp_path / "x.pt", sets=2, note="ä", nothing=None)
    tree = read_pickle(tmp_path / "x.pt")
    assert not (tmp_path / "ran").exists()
    assert torch.equal(tree["data"][1][0], floats(seed=1)) and tree["note"] == "ä"
    assert tree["accs_all_exps"] == {"ConvNet": [None, None]}


@pytest.mark.usefixtures("in_process")
def test_files_of_the_oldest_torch_are_read(tmp_path):
    torch.save([floats(), {"a": torch.tensor([1, 2])}], tmp_path / "x.pt", _use_new_zipfile_serialization=False)
    tree = read_pickle(tmp_path / "x.pt")
    assert torch.equal(tree[0], floats()) and tree[1]["a"].tolist() == [1, 2]


def test_a_pickle_that_would_run_a_command_is_refused_and_runs_nothing(tmp_path):
    mark = tmp_path / "ran"
    torch.save({"data": Runs(mark)}, tmp_path / "x.pt")
    with pytest.raises(SourceError, match=r"(?s)needs (posix|nt|os)\.system.*safetensors"):
        import_artifact(tmp_path / "x.pt", out=tmp_path / "out")
    assert not mark.exists() and not (tmp_path / "out").exists()


@pytest.mark.usefixtures("in_process")
def test_so_is_one_in_the_oldest_form(tmp_path):
    mark = tmp_path / "ran"
    torch.save({"data": Runs(mark)}, tmp_path / "x.pt", _use_new_zipfile_serialization=False)
    with pytest.raises(SourceError, match="system"):
        read_pickle(tmp_path / "x.pt")
    assert not mark.exists()


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize("path", ["torch.nn.Linear", "numpy.fromfile", "builtins.eval", "collections.deque"])
def test_other_classes_and_functions_are_named_in_the_refusal(tmp_path, path):
    module, _, name = path.rpartition(".")
    code = b"\x80\x02c" + module.encode() + b"\n" + name.encode() + b"\nq\x00."
    archive = io.BytesIO()
    torch.save({}, archive)
    with zipfile.ZipFile(archive) as old, zipfile.ZipFile(tmp_path / "x.pt", "w") as new:
        for entry in old.infolist():
            new.writestr(entry.filename, code if entry.filename.endswith("data.pkl") else old.read(entry))
    with pytest.raises(SourceError, match="needs " + path.removeprefix("builtins.")):
        read_pickle(tmp_path / "x.pt")


@pytest.mark.usefixtures("in_process")
def test_no_state_of_a_stranger_reaches_numpy(tmp_path, monkeypatch):
    torch.save({"a": np.float64(1.5), "b": np.float32(2), "t": torch.ones(2)}, tmp_path / "x.pt")
    monkeypatch.setattr("numpy._core.multiarray.scalar", lambda *_: pytest.fail("NumPy was called"))
    assert read_pickle(tmp_path / "x.pt")["a"] is None


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize("shape", [(2**20, 2**20), (10**4, 3, 64, 64)])
def test_a_shape_that_repeats_a_few_values_for_ever_is_refused_before_it_is_copied(tmp_path, shape):
    torch.save({"data": torch.zeros(1).expand(shape)}, tmp_path / "x.pt")
    assert (tmp_path / "x.pt").stat().st_size < 4096
    with pytest.raises(SourceError, match="takes more bytes than the file"):
        read_pickle(tmp_path / "x.pt")


def test_memory_is_limited(tmp_path):
    # bytearray is one of the few calls that torch's unpickler allows: a short file may ask for a terabyte
    data = b"\x80\x02cbuiltins\nbytearray\nq\x00\x8a\x06" + struct.pack("<q", 10**12)[:6] + b"\x85R."
    archive = io.BytesIO()
    torch.save({}, archive)
    with zipfile.ZipFile(archive) as old, zipfile.ZipFile(tmp_path / "x.pt", "w") as new:
        for entry in old.infolist():
            new.writestr(entry.filename, data if entry.filename.endswith("data.pkl") else old.read(entry))
    with pytest.raises(SourceError, match=r"memory|ended the process"):
        read_pickle(tmp_path / "x.pt")


def test_time_is_limited(tmp_path, monkeypatch):
    torch.save(torch.zeros(1), tmp_path / "x.pt")
    monkeypatch.setattr(pickles, "TIMEOUT_S", 0.01)
    with pytest.raises(SourceError, match="not read within"):
        read_pickle(tmp_path / "x.pt")


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize("data", [b"", b"\x80", b"not a pickle", pickle.dumps({"a": 1}, protocol=4), b"PK\x03\x04" * 9])
def test_files_that_are_none_of_torchs_are_refused(tmp_path, data):
    (tmp_path / "x.pt").write_bytes(data)
    with pytest.raises(SourceError, match=r"cannot be read|damaged"):
        read_pickle(tmp_path / "x.pt")


@pytest.mark.usefixtures("in_process")
def test_nesting_without_end_is_refused(tmp_path):
    tree: object = []
    for _ in range(100):
        tree = [tree]
    torch.save(tree, tmp_path / "x.pt")
    with pytest.raises(SourceError, match="nested deeper"):
        read_pickle(tmp_path / "x.pt")


@pytest.mark.usefixtures("in_process")
def test_tensors_of_odd_kinds_are_left_out(tmp_path):
    torch.save({"c": torch.zeros(2, dtype=torch.complex64), "t": torch.ones(1)}, tmp_path / "x.pt")
    tree = read_pickle(tmp_path / "x.pt")
    assert tree["c"] is None and tree["t"].tolist() == [1]


def test_a_zip_that_unpacks_to_more_than_it_weighs_is_refused_unread(tmp_path, monkeypatch):
    monkeypatch.setattr(pickles, "_run_child", lambda *_: pytest.fail("was read"))
    with zipfile.ZipFile(tmp_path / "x.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"\0" * 10**7)
    with pytest.raises(SourceError, match=r"unpacks to 10000000"):
        read_pickle(tmp_path / "x.pt")


def test_a_file_that_is_too_large_or_no_file_is_refused(tmp_path, monkeypatch):
    torch.save(torch.zeros(100), tmp_path / "x.pt")
    monkeypatch.setattr(pickles, "MAX_FILE_BYTES", 100)
    with pytest.raises(SourceError, match="expected at most 100"):
        read_pickle(tmp_path / "x.pt")
    with pytest.raises(SourceError, match="no such file"):
        read_pickle(tmp_path)


# .npz


def test_arrays_are_read(tmp_path):
    np.savez_compressed(tmp_path / "x.npz", images=np.arange(6).reshape(2, 3), other=np.ones(1))
    assert read_npz(tmp_path / "x.npz", ("images",))["images"].tolist() == [[0, 1, 2], [3, 4, 5]]


def test_arrays_of_objects_are_refused(tmp_path):
    np.savez(tmp_path / "x.npz", images=np.array([Runs(tmp_path / "ran")], dtype=object))
    with pytest.raises(SourceError, match="dtype object"):
        read_npz(tmp_path / "x.npz", ("images",))
    assert not (tmp_path / "ran").exists()


def npz_of(path, header, data=b""):
    text = header.ljust(118).encode() + b"\n"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("images.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + data)
    return path


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1048576, 1048576), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 5), }",
        "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }",
        "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }",
        "__import__('os').system('true')",
        "{",
    ],
)
def test_headers_that_lie_are_refused_before_memory_is_taken(tmp_path, header, monkeypatch):
    monkeypatch.setattr(np.lib.format, "read_array", lambda *_, **__: pytest.fail("memory was taken"))
    with pytest.raises(SourceError, match=r"expected numbers that fit|no header"):
        read_npz(npz_of(tmp_path / "x.npz", header, b"\0" * 4), ("images",))


def test_an_array_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("gendata.importers.arrays.MAX_ARRAY_BYTES", 1000)
    np.savez_compressed(tmp_path / "x.npz", images=np.zeros(10**6))
    with pytest.raises(SourceError, match="unpacks to 8000128"):
        read_npz(tmp_path / "x.npz", ("images",))


def test_an_npz_without_the_arrays_names_those_it_has(tmp_path):
    np.savez(tmp_path / "x.npz", pictures=np.zeros(1))
    with pytest.raises(SourceError, match="it has pictures"):
        read_npz(tmp_path / "x.npz", ("images", "labels"))
    (tmp_path / "y.npz").write_bytes(b"PK\x05\x06")
    with pytest.raises(SourceError, match="not a readable"):
        read_npz(tmp_path / "y.npz", ("images",))
