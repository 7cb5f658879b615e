"""What the package offers, and that its names answer at once."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import gendata

HEAVY = ("torch", "torchvision", "datasets", "huggingface_hub", "accelerate", "webdataset", "numpy", "pyarrow")


def imported_by(code: str, *, cwd: Path) -> set[str]:
    """Top-level modules that `code` imports in a fresh interpreter."""
    program = f"import sys\n{code}\nprint('imported:', *{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=cwd, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.rpartition("imported:")[2].split())


@pytest.mark.parametrize(
    "code",
    [
        "import gendata",
        "import gendata; gendata.list_recipes(); gendata.load_recipe; gendata.GendataError; gendata.load_condensed",
        "from gendata.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass",
        "from gendata.cli import main\ntry: main(['recipe', 'list'])\nexcept SystemExit: pass",
        "from gendata.cli import main\ntry: main(['recipe', 'run', '--help'])\nexcept SystemExit: pass",
        "import gendata.generators, gendata.latents, gendata.methods, gendata.sources, gendata.networks",
        "import gendata.artifact, gendata.dataset, gendata.evaluation, gendata.augmentation",
    ],
    ids=["import", "names", "help", "recipe list", "command help", "tables", "packages"],
)
def test_names_and_help_answer_without_importing_anything_heavy(code: str, tmp_path: Path) -> None:
    root = str(Path(gendata.__file__).parents[1])
    found = imported_by(f"sys.path.insert(0, {root!r})\n{code}", cwd=tmp_path)
    assert not found & set(HEAVY)


def test_all_is_sorted_complete_and_true() -> None:
    assert gendata.__all__ == sorted(gendata.__all__)
    for name in gendata.__all__:
        value = getattr(gendata, name)
        assert value.__name__ == name
        assert value.__module__.startswith("gendata.")
        assert value.__doc__
        assert name in dir(gendata)


def test_no_public_name_is_also_a_module() -> None:
    modules = {path.stem for path in Path(gendata.__file__).parent.iterdir()}
    assert not modules & set(gendata.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'condence'"):
        gendata.condence  # noqa: B018


def test_importing_a_submodule_does_not_change_a_public_name() -> None:
    before = gendata.evaluate
    import_module("gendata.evaluation")
    import_module("gendata.condensation")
    assert gendata.evaluate is before
    assert callable(gendata.condense)


def test_the_package_says_that_it_is_typed() -> None:
    assert (Path(gendata.__file__).parent / "py.typed").is_file()
