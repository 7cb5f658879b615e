"""What a user installs: the wheel holds the package and the shipped files, and works away from the checkout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import gendata

CHECKOUT = Path(__file__).resolve().parents[2]


def run(*command: str, cwd: Path, **variables: str) -> str:
    done = subprocess.run(
        [sys.executable, *command],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, **variables},
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the source distribution of this checkout."""
    pytest.importorskip("hatchling", reason="hatchling builds the wheel; pip install 'gendata[test]'")
    folder = tmp_path_factory.mktemp("dist")
    run("-m", "hatchling", "build", "-t", "wheel", "-t", "sdist", "-d", str(folder), cwd=CHECKOUT)
    return folder


@pytest.fixture(scope="module")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, installed into a folder of its own."""
    target = tmp_path_factory.mktemp("site")
    (wheel,) = built.glob("*.whl")
    run("-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target", str(target), str(wheel), cwd=target)
    return target


def recipe_names() -> list[str]:
    root = CHECKOUT / "recipes"
    names = (path.relative_to(root).with_suffix("").as_posix() for path in root.rglob("*.yaml"))
    return sorted(name for name in names if not name.startswith("sweeps/"))


def test_the_installed_package_lists_exactly_the_recipes_of_the_checkout(installed: Path, tmp_path: Path) -> None:
    where = run("-c", "import gendata; print(gendata.__file__)", cwd=tmp_path, PYTHONPATH=str(installed))
    assert Path(where.strip()).is_relative_to(installed)
    listed = json.loads(run("-m", "gendata", "recipe", "list", "--json", cwd=tmp_path, PYTHONPATH=str(installed)))
    assert [recipe["name"] for recipe in listed["recipes"]] == recipe_names()
    assert recipe_names()


def test_the_command_is_installed_with_the_package(installed: Path, tmp_path: Path) -> None:
    command = str(installed / "bin" / "gendata")
    assert run(command, "--version", cwd=tmp_path, PYTHONPATH=str(installed)) == f"gendata {gendata.__version__}\n"


def test_the_installed_package_holds_the_hub_folder(installed: Path, tmp_path: Path) -> None:
    code = "from gendata._resources import shipped; print(sorted(p.name for p in shipped('hub').iterdir()))"
    listed = run("-c", code, cwd=tmp_path, PYTHONPATH=str(installed))
    assert "catalog.yaml" in listed


def test_the_shipped_digits_open_without_a_network(installed: Path, tmp_path: Path) -> None:
    code = (
        "import socket\n"
        "def refuse(*_, **__): raise AssertionError('the network was asked')\n"
        "socket.socket.connect = socket.getaddrinfo = refuse\n"
        "import gendata\n"
        "ds = gendata.load_condensed('digits')\n"
        "print(len(ds), tuple(ds[:][0].shape), len(ds.artifact.evaluations()) > 0, ds.artifact.path)"
    )
    home = {"HF_HOME": str(tmp_path / "hf"), "GENDATA_CACHE": str(tmp_path / "cache")}
    told = run("-c", code, cwd=tmp_path, PYTHONPATH=str(installed), **home)
    assert told == f"10 (10, 1, 8, 8) True {installed / 'gendata/_shipped/hub/artifacts/digits'}\n"
    assert not (tmp_path / "hf").exists()


def test_the_wheel_holds_every_file_of_the_package_and_no_other_top_level_one(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    ours = {path.relative_to(CHECKOUT).as_posix() for path in (CHECKOUT / "gendata").rglob("*") if path.is_file()}
    assert {name for name in ours if "__pycache__" not in name} <= names
    assert {name.partition("/")[0] for name in names} == {"gendata", f"gendata-{gendata.__version__}.dist-info"}
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_shipped_folders_are_data_and_hold_no_python(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    shipped = [name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("gendata/_shipped/")]
    assert shipped
    assert not [name for name in shipped if name.endswith((".py", ".pyc", ".pkl", ".pt"))]


def test_the_source_distribution_can_build_the_wheel_and_run_the_tests(built: Path) -> None:
    (archive,) = built.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        names = {name.partition("/")[2] for name in tar.getnames()}
    for wanted in ("pyproject.toml", "Makefile", "LICENSE", "hub/catalog.yaml", "tests/test_errors.py"):
        assert wanted in names
    assert {f"recipes/{name}.yaml" for name in recipe_names()} <= names
