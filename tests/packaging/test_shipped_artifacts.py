"""Artifacts that come with gendata: sound, measured, as the catalogue says; and `hub/ship.py`, which makes them."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import gendata
from gendata.artifact.card import render_card
from gendata.artifact.seals import broken_seals
from gendata.catalog import parse_catalog, read_catalog, shipped_folder
from gendata.errors import ArtifactError
from gendata.publish.checks import check_publishable

ROOT = Path(__file__).resolve().parents[2]
HUB = ROOT / "hub"
SHIPPED = sorted(name for name, entry in read_catalog().items() if entry.is_shipped)


def script(path: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(Path(path).stem, ROOT / path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def ship(*arguments: Any, **options: Any) -> dict[str, Any]:
    entry: dict[str, Any] = script("hub/ship.py").ship(*arguments, **options)
    return entry


def recipe_of(name: str) -> Path:
    family, _, budget = name.rpartition("-")
    return ROOT / "recipes" / (f"{family}/generative-{budget}.yaml" if family else f"{name}/generative-demo.yaml")


def table(marker: str) -> str:
    """What stands in the README between two markers."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    return readme.partition(f"<!-- table:{marker} -->")[2].partition(f"<!-- /table:{marker} -->")[0]


def test_every_folder_has_an_entry_and_every_entry_a_folder() -> None:
    assert SHIPPED == sorted(path.name for path in (HUB / "artifacts").iterdir())


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_artifact_is_what_the_catalogue_says_and_may_be_published(name: str) -> None:
    entry, artifact = read_catalog()[name], gendata.open_artifact(shipped_folder(name))
    assert (entry.manifest, entry.bytes) == (artifact.manifest.digest, artifact.artifact_bytes)
    assert (entry.ipc, entry.num_classes) == (artifact.ipc, artifact.spec.num_classes)
    check_publishable(artifact)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_artifact_holds_its_results_and_a_card_that_shows_them(name: str) -> None:
    artifact = gendata.open_artifact(shipped_folder(name))
    rows = artifact.evaluations()
    assert not broken_seals(artifact)
    assert {"protocol", "mode", "mean", "std", "n", "images_seen", "seal"} <= set.intersection(*map(set, rows))
    assert {"artifact", "random-real"} <= {row["row"] for row in rows}
    card = (artifact.path / "README.md").read_bytes()
    assert card == render_card(artifact.manifest, rows, name=name)


@pytest.mark.parametrize("name", SHIPPED)
def test_the_recipe_of_a_shipped_artifact_refers_to_its_sealed_rows(name: str) -> None:
    recipe, artifact = recipe_of(name).read_text(encoding="utf-8"), gendata.open_artifact(shipped_folder(name))
    assert script("hub/ship.py").with_reference(recipe, name, artifact) == recipe


def test_the_tables_of_the_readme_are_the_sealed_rows() -> None:
    for row in gendata.open_artifact(shipped_folder("digits")).evaluations():
        told = f"| {row['row']} | {row['mode']} | {100 * row['mean']:.1f} ± {100 * row['std']:.1f} | {row['n']} |"
        assert told in table("digits")
    ladder = script("benchmarks/ladder.py")
    rungs = [ladder.rung(name, ipc) for name, ipc in ladder.shipped_rungs().items()]
    assert not rungs or ladder.markdown(rungs) in table("ladder")
    small = [ladder.rung(name, 1, *how) for name, how in ladder.SMALL.items()]
    assert not rungs or ladder.differences([*small, *rungs]) in table("differences")


@pytest.mark.slow
def test_one_command_makes_one_anew_and_makes_another(tmp_path: Path) -> None:
    hub = shutil.copytree(HUB, tmp_path / "hub")
    short = [f"method.options.{stage}steps=2" for stage in ("", "reconstruct_", "refine_", "frozen_")]
    quick = {
        "hub": hub, "work": tmp_path / "work", "runs": 1, "rows": ["frozen"], "protocol": "quick/v1",
        "overrides": [*short, "method.options.network_ages=[2]"],
    }  # fmt: skip
    before = parse_catalog(hub / "catalog.yaml")["digits"]
    entry = ship("digits", "digits/generative-demo", **quick)
    again = ship("digits", "digits/generative-demo", **quick)
    assert again == entry
    after = parse_catalog(hub / "catalog.yaml")["digits"]
    assert (after.manifest, after.summary) == (entry["manifest"], before.summary)
    assert after.manifest != before.manifest
    artifact = gendata.open_artifact(hub / "artifacts" / "digits", verify="probe")
    assert artifact.manifest.digest == after.manifest
    rows = artifact.evaluations()
    assert [row["n"] for row in rows if row["row"] == "artifact"] == [1]
    adopted = gendata.open_artifact(HUB / "artifacts" / "digits").evaluations()
    assert [row["mean"] for row in rows if row["mode"] == "real"] == [r["mean"] for r in adopted if r["mode"] == "real"]
    ship("digits-too", "digits/generative-demo", summary="another", **quick)
    assert list(parse_catalog(hub / "catalog.yaml")) == sorted([*parse_catalog(HUB / "catalog.yaml"), "digits-too"])
    assert (hub / "catalog.yaml").read_text().startswith((HUB / "catalog.yaml").read_text().partition("artifacts:")[0])


def test_real_images_are_not_shipped(tmp_path: Path) -> None:
    hub = shutil.copytree(HUB, tmp_path / "hub")
    before = (hub / "catalog.yaml").read_bytes()
    with pytest.raises(ArtifactError, match="holds real images"):
        ship("real", "digits/random-real", hub=hub, work=tmp_path, runs=1, rows=["frozen"], protocol="quick/v1")
    assert (hub / "catalog.yaml").read_bytes() == before
    assert not (hub / "artifacts" / "real").exists()
