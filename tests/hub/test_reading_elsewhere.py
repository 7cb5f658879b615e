"""One repository, read by others: the real `datasets`, Croissant, and `hf download`; and by us in a new process."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
import yaml

import gendata
from gendata.fetch import shipped_folder
from gendata.publish.push import push_to_hub

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")]

HF = ("-m", "huggingface_hub.cli.hf")
SAMPLES = """
import hashlib, numpy
def digest(rows):
    held = hashlib.sha256()
    for image, label in rows:
        held.update(numpy.ascontiguousarray(image, dtype="uint8").tobytes() + bytes([int(label)]))
    print(held.hexdigest())
"""


@pytest.fixture
def published(hub: Any, loopback: Any) -> Callable[..., Any]:
    """Pushes the shipped digits, with results and a preview as they may have; gives what the push tells."""

    def call(**options: Any) -> Any:
        path = options.pop("path", shipped_folder("digits"))
        return push_to_hub(path, "org/digits", token=loopback.WRITER, endpoint=hub.url, **options)

    return call


def test_datasets_reads_the_frozen_set_with_class_names_and_the_very_pixels(
    published: Callable[..., Any], fresh_python: Callable[..., str]
) -> None:
    assert published(tag="v1.0.0").parquet == "full"
    printed = fresh_python(
        "-c",
        SAMPLES + "import datasets\n"
        "ds = datasets.load_dataset('org/digits', revision='v1.0.0')\n"
        "print(list(ds), len(ds['train']), ds['train'].features['label'].names)\n"
        "rows = ds['train'].with_format('numpy')\n"
        "digest((row['image'], row['label']) for row in rows)\n"
        "builder = datasets.load_dataset_builder('org/digits')\n"
        "print(builder.info.features == ds['train'].features, builder.info.splits['train'].num_examples)\n"
        "streamed = datasets.load_dataset('org/digits', split='train', streaming=True)\n"
        "digest((row['image'], row['label']) for row in streamed)\n",
    ).splitlines()
    ours = fresh_python(
        "-c",
        SAMPLES + "import gendata\n"
        "ds = gendata.load_condensed('org/digits').with_format('numpy', dtype='uint8')\n"
        "digest(ds[i] for i in range(len(ds)))\n",
    ).strip()
    assert printed == [f"['train'] 10 {[str(digit) for digit in range(10)]}", ours, "True 10", ours]


def test_a_large_frozen_set_goes_up_as_a_preview_that_does_not_pass_for_it(
    published: Callable[..., Any], fresh_python: Callable[..., str]
) -> None:
    assert published(max_parquet_bytes=100).parquet == "preview"
    printed = fresh_python(
        "-c",
        "import datasets\n"
        "ds = datasets.load_dataset('org/digits')\n"
        "print({name: len(part) for name, part in ds.items()}, ds['preview'].features['label'].names[3])\n",
    )
    assert printed == "{'preview': 10} 3\n"


def test_soft_labels_are_a_column_and_a_second_configuration_of_the_owner_stays(
    hub: Any,
    published: Callable[..., Any],
    fresh_python: Callable[..., str],
    soft_artifact: Path,
    tmp_path: Path,
) -> None:
    owned = {"config_name": "notes", "data_files": [{"split": "train", "path": "notes.parquet"}]}
    card = f"---\n{yaml.safe_dump({'configs': [owned]})}---\n"
    hub.seed("org/digits", {"README.md": card.encode()})
    published(path=soft_artifact)
    pyarrow.parquet.write_table(pyarrow.table({"word": ["hello"]}), tmp_path / "notes.parquet")
    hub.change("org/digits", {"notes.parquet": (tmp_path / "notes.parquet").read_bytes()})
    printed = fresh_python(
        "-c",
        "import datasets\n"
        "ds = datasets.load_dataset('org/digits', split='train')\n"
        "print(ds.features['soft_label'], len(ds[0]['soft_label']))\n"
        "print(datasets.load_dataset('org/digits', 'notes', split='train')[0])\n",
    )
    assert printed == "List(Value('float32'), length=3) 3\n{'word': 'hello'}\n"


def test_without_a_parquet_datasets_fails_clearly_and_never_takes_other_files_for_rows(
    published: Callable[..., Any], fresh_python: Callable[..., str], measured_artifact: Path
) -> None:
    told = published(path=measured_artifact, parquet=False)
    assert {"config.json", "evaluations.json", "preview.png"} <= {file.name for file in told.files}
    assert told.parquet == "none: left out"
    printed = fresh_python("-c", "import datasets; datasets.load_dataset('org/digits')", fails=True)
    assert "DataFilesNotFoundError" in printed


def test_a_pulled_folder_is_read_by_datasets_too(
    published: Callable[..., Any], fresh_python: Callable[..., str], measured_artifact: Path
) -> None:
    published(path=measured_artifact)
    fresh_python("-c", "from gendata.fetch import pull_artifact; pull_artifact('org/digits', out='pulled')")
    printed = fresh_python("-c", "import datasets; print(len(datasets.load_dataset('pulled')['train']))")
    assert printed == "10\n"


def test_a_folder_that_was_never_published_fails_clearly_too(
    fresh_python: Callable[..., str], measured_artifact: Path
) -> None:
    assert (measured_artifact / "evaluations.json").is_file()
    printed = fresh_python("-c", f"import datasets; datasets.load_dataset({str(measured_artifact)!r})", fails=True)
    assert "DataFilesNotFoundError" in printed


def test_hf_download_of_a_repository_with_files_of_its_owner_gives_a_folder_that_loads(
    hub: Any, published: Callable[..., Any], fresh_python: Callable[..., str], tmp_path: Path
) -> None:
    published()
    hub.change("org/digits", {"LICENSE": b"theirs", "train.py": b"theirs", "notes/log.csv": b"theirs"})
    fresh_python(*HF, "download", "org/digits", "--repo-type", "dataset", "--local-dir", "got")
    assert (tmp_path / "got" / "notes" / "log.csv").exists()
    assert len(gendata.load_condensed(tmp_path / "got", verify="probe")) == 10


def test_hf_download_by_the_command_line_gives_a_folder_that_loads(
    published: Callable[..., Any], fresh_python: Callable[..., str], tmp_path: Path
) -> None:
    published()
    fresh_python(*HF, "download", "org/digits", "--repo-type", "dataset", "--local-dir", "got")
    assert (tmp_path / "got" / ".gitattributes").exists()
    assert len(gendata.load_condensed(tmp_path / "got", verify="probe")) == 10


def test_environment_variables_of_the_client_are_followed(
    published: Callable[..., Any], fresh_python: Callable[..., str]
) -> None:
    published()
    code = "import gendata; print(len(gendata.load_condensed('org/digits')))"
    assert fresh_python("-c", code) == "10\n"
    assert fresh_python("-c", code, offline=True) == "10\n"
    assert "HubError" in fresh_python("-c", code.replace("org/digits", "org/other"), offline=True, fails=True)


def test_croissant_derived_from_the_card_is_valid_and_gives_the_records(
    hub: Any, published: Callable[..., Any], fresh_python: Callable[..., str], tmp_path: Path
) -> None:
    pytest.importorskip("mlcroissant", reason="mlcroissant checks Croissant; pip install mlcroissant")
    published()
    commit = hub.repository("org/digits").find("main")
    card = yaml.safe_load(hub.read("org/digits", "README.md").decode().split("---\n")[1])
    files = {path: file.sha256 for path, file in commit.files.items()}
    here = f"{hub.url}/datasets/org/digits/resolve/{commit.oid}"
    (tmp_path / "croissant.json").write_text(json.dumps(_croissant().derive("digits", card, files, here)))
    printed = fresh_python(
        "-W", "ignore", "-c",
        "import mlcroissant\n"
        "ds = mlcroissant.Dataset(jsonld='croissant.json')\n"
        "print(sorted(ds.metadata.issues.errors), ds.metadata.record_sets[0].uuid)\n"
        "rows = list(ds.records('default'))\n"
        "print(len(rows), rows[3]['default/label'], rows[3]['default/image'].size)\n",
        XDG_CACHE_HOME=str(tmp_path / "xdg"),
    )  # fmt: skip
    assert printed == "[] default\n10 3 (8, 8)\n"


def _croissant() -> Any:
    path = Path(__file__).with_name("croissant.py")
    spec = importlib.util.spec_from_file_location("croissant", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
