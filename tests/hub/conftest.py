"""A loopback Hub, and the real client pointed at it."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import close_session, constants

import gendata
from gendata import hub_access
from gendata.artifact.amend import write_evaluations
from gendata.artifact.artifact import Draft, Normalisation, save_artifact
from gendata.artifact.canonical import pretty
from gendata.artifact.card import render_card
from gendata.artifact.layout import facts_of
from gendata.artifact.manifest import Imported, read_fields, read_manifest, seal
from gendata.artifact.seals import sealed
from gendata.fetch import shipped_folder
from gendata.hub_access import HubAccess
from gendata.registry import GENERATORS, LATENTS
from gendata.spec import SampleSpec, SourceFacts


def _module(path: Path) -> Any:
    # Test folders are no packages: a file beside this one is loaded by its path.
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # dataclasses look there
    spec.loader.exec_module(module)
    return module


loopback = _module(Path(__file__).with_name("loopback.py"))


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No pauses between attempts, no progress bars, uploads by LFS, nobody logged in, nobody's cache touched."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "default-cache"))
    monkeypatch.setattr(hub_access, "_WAITS_SEC", (0.0, 0.0, 0.0))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_PROGRESS_BARS", True)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", os.devnull)
    monkeypatch.delenv("HF_TOKEN", raising=False)


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Any]:
    """A running `LoopbackHub`."""
    with loopback.serving(tmp_path / "hub") as running:
        yield running
        close_session()


@pytest.fixture
def access(hub: Any, tmp_path: Path) -> Callable[..., HubAccess]:
    """Access with an own cache; as the writer unless told otherwise."""

    def make(*, token: Any = loopback.WRITER, cache: str = "cache", **changes: Any) -> HubAccess:
        return HubAccess(endpoint=hub.url, token=token, cache_dir=tmp_path / cache, **changes)

    return make


@pytest.fixture
def load(access: Callable[..., HubAccess]) -> Callable[..., Any]:
    """`load_condensed` as a stranger: nobody is logged in."""

    def call(name: str, *, token: Any = False, cache: str = "cache", **options: Any) -> Any:
        chosen = access(token=token, cache=cache)
        return gendata.load_condensed(
            name, endpoint=chosen.endpoint, token=chosen.token, cache_dir=chosen.cache_dir, **options
        )

    return call


@pytest.fixture
def fresh_python(hub: Any, tmp_path: Path) -> Callable[..., str]:
    """Runs code, or a command, in another process that knows only this Hub; gives what it printed."""

    def run(*command: str, offline: bool = False, fails: bool = False, **variables: str) -> str:
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "GENDATA_"))}
        environment |= {
            "HF_ENDPOINT": hub.url,
            "HF_HOME": str(tmp_path / "hf"),
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "PYTHONPATH": str(Path(gendata.__file__).parents[1]),
            **({"HF_HUB_OFFLINE": "1"} if offline else {}),
            **variables,
        }
        done = subprocess.run(
            [sys.executable, *command],
            capture_output=True,
            text=True,
            env=environment,
            cwd=tmp_path,
            timeout=180,
            check=False,
        )
        assert (done.returncode != 0) == fails, done.stdout + done.stderr
        return done.stdout + (done.stderr if fails else "")

    return run


@pytest.fixture(name="loopback")
def _loopback() -> Any:
    """The module: `Fault`, `WRITER`, `READER`."""
    return loopback


@pytest.fixture
def measured_artifact(tmp_path: Path) -> Path:
    """The shipped digits with a row of results and a preview, which plain `datasets` could take for data."""
    path = shutil.copytree(shipped_folder("digits"), tmp_path / "runs" / "measured")
    preview = b"\x89PNG\r\n\x1a\n"
    fields = read_fields(path)
    fields["files"].pop("evaluations.json")
    (path / "evaluations.json").unlink()
    fields["files"]["preview.png"] = {"size": len(preview), "sha256": facts_of(preview).sha256}
    (path / "preview.png").write_bytes(preview)
    (path / "config.json").write_bytes(pretty(seal(fields)))
    (path / "README.md").write_bytes(render_card(read_manifest(path)))
    row = {"row": "artifact", "mode": "frozen(10)", "protocol": "quick/v1", "network": "n", "mean": 0.6, "n": 1}
    write_evaluations(path, [sealed(row, artifact_id=fields["artifact_id"])])
    return path


@pytest.fixture
def soft_artifact(tmp_path: Path) -> Path:
    """A bank of six images with soft labels, as an import makes one."""
    spec = SampleSpec(channels=3, height=4, width=4, classes=("ant", "bee", "cat"))
    law = LATENTS.load("slot")(LATENTS.config("slot", {"slots": 2}, where="t"), num_classes=3)
    config = GENERATORS.config("pixel-bank", {"slots": 2}, where="t")
    bank = GENERATORS.load("pixel-bank")(config, spec=spec, latent_dim=1)
    draw = torch.Generator().manual_seed(0)
    bank.images.copy_(torch.randint(256, bank.images.shape, generator=draw))
    draft = Draft(
        generator_name="pixel-bank",
        generator=bank,
        latent_name="slot",
        law=law,
        spec=spec,
        ipc=2,
        frozen_seed=0,
        micro_batch=4,
        storage="f16",
        normalisation=Normalisation(mean=(0.5,) * 3, std=(0.25,) * 3),
        recipe=None,
        source=SourceFacts(name="insects", fingerprint=""),
        license="CC0-1.0",
        soft_labels=torch.rand(6, 3, generator=draw).softmax(1),
        imported=Imported(layout="dc", files={"res.pt": "a" * 64}),
    )
    return save_artifact(tmp_path / "runs" / "soft", draft).path
