"""Files in the layouts of other tools, tiny, written as their own code writes them."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from gendata.importers import _pickle_child, pickles
from gendata.importers.importing import import_artifact

NAMES = ("a", "b", "c")


def floats(count: int = 6, *shape: int, seed: int = 0) -> torch.Tensor:
    """Values on both sides of [0, 1]."""
    return torch.randn(count, *(shape or (1, 8, 8)), generator=torch.Generator().manual_seed(seed)) * 2


def class_major(count: int = 6, classes: int = 3) -> torch.Tensor:
    return torch.arange(classes).repeat_interleave(count // classes)


def write_dc(path: Path, *, sets: int = 3, images: torch.Tensor | None = None, **extra: Any) -> Path:
    """As main.py of DC writes it: accuracies are NumPy scalars."""
    data = [[floats(seed=number) if images is None else images, class_major()] for number in range(sets)]
    torch.save({"data": data, "accs_all_exps": {"ConvNet": [np.float64(51.2), np.float64(50.9)]}, **extra}, path)
    return path


def write_mtt(folder: Path, *, labels: torch.Tensor | None = None, lr: float | None = None) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(floats(), folder / "images_best.pt")
    torch.save(class_major() if labels is None else labels, folder / "labels_best.pt")
    if lr is not None:
        torch.save(torch.tensor(lr), folder / "lr_best.pt")
    return folder


def write_folders(folder: Path, names: tuple[str, ...] = NAMES, *, per_class: int = 2, side: int = 8) -> Path:
    """Class `i` is of grey level 40 * i + the number of the image."""
    for label, name in enumerate(names):
        (folder / name).mkdir(parents=True)
        for number in range(per_class):
            pixels = np.full((side, side, 3), 40 * label + number, dtype=np.uint8)
            pixels[0, 0] = (200, 0, 0)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return folder


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reads pickles by the child's own code, but here: a process takes seconds. test_pickles.py starts some."""

    def run(arguments: dict[str, Any], path: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(_pickle_child, "_limit", lambda most: None)
            options = {name: value for name, value in arguments.items() if name not in ("path", "file", "out")}
            with contextlib.suppress(SystemExit):
                _pickle_child.main(arguments["file"], arguments["out"], **options)
        fault = Path(arguments["out"]) / _pickle_child.FAULT
        if fault.exists():
            raise pickles._refusal(json.loads(fault.read_text()), path)

    monkeypatch.setattr(pickles, "_run_child", run)


@pytest.fixture
def imported(tmp_path: Path, in_process: None) -> Callable[..., Any]:
    """Imports into a fresh folder, with names and statistics unless others are given; `notes` gathers what is said."""

    def run(path: Path, *, notes: list[str] | None = None, **wanted: Any) -> Any:
        given = {"classes": NAMES, "mean": (0.4,), "std": (0.3,)}
        options = {name: value for name, value in {**given, **wanted}.items() if value is not None}
        say = {} if notes is None else {"say": notes.append}
        return import_artifact(path, out=tmp_path / "out", **options, **say)

    return run
