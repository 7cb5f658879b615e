"""The rows herding and k-center."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import gendata
from gendata.errors import SourceError
from gendata.evaluation import selected_real
from gendata.evaluation.bench import Bench, RowPlan
from gendata.evaluation.preparation import Normaliser
from gendata.evaluation.protocols import QUICK
from gendata.methods.feature_network import FeatureConfig
from gendata.recipe import Choice
from gendata.sources.source import open_source

Row = Callable[[Bench], RowPlan]
ROWS = [selected_real.herding, selected_real.k_center]


@pytest.fixture(autouse=True)
def small_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selected_real, "_NETWORK", FeatureConfig(network="convnet1-w4-in", steps=3, batch=16))


@pytest.fixture
def bench() -> Bench:
    return _bench()


def _bench(**changes: Any) -> Bench:
    source = open_source(Choice(name="digits"))
    options: dict[str, Any] = {"ipc": 3, "seed": 0, "source": source, **changes}
    return Bench(
        protocol=QUICK,
        spec=source.spec,
        artifact=None,
        artifact_bytes=0,
        normalise=Normaliser((0.3,), (0.4,)),
        **options,
    )


@pytest.mark.parametrize("row", ROWS)
def test_it_shows_the_same_chosen_images_of_the_pool_to_every_network(row: Row, bench: Bench) -> None:
    plan = row(bench)
    (x, y), (x_other, _) = plan.feed(1).images(0), plan.feed(2).images(1)
    assert torch.equal(x, x_other)
    assert y.tolist() == [c for c in range(10) for _ in range(3)]
    pool = {image.numpy().tobytes() for image in bench.pool.x}
    assert {image.numpy().tobytes() for image in x} <= pool
    assert "one choice for all networks" in plan.note


@pytest.mark.parametrize("row", ROWS)
def test_its_budget_and_cost_are_those_of_random_real(row: Row, bench: Bench) -> None:
    feed = row(bench).feed(0)
    assert (feed.steps, feed.distinct_images, feed.num_bytes) == (300, 30, 30 * 64)
    assert feed.protocol == bench.protocol


def test_features_are_made_once_for_all_rows_of_a_source(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    train = selected_real._trained_features
    monkeypatch.setattr(selected_real, "_trained_features", lambda bench: made.append(bench) or train(bench))
    for row in ROWS:
        row(bench).feed(0)
        row(_bench(source=bench.source, ipc=2)).feed(0)
    assert len(made) == 1
    selected_real.herding(_bench(source=bench.source, seed=1)).feed(0)
    assert len(made) == 2


def test_nothing_is_trained_for_a_plan_that_is_never_asked(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selected_real, "_trained_features", lambda bench: pytest.fail("trained"))
    selected_real.herding(bench)


@pytest.mark.skipif(torch.cuda.is_available(), reason="a condensation trains on the GPU there, this row on the CPU")
@pytest.mark.parametrize(("row", "name"), [(selected_real.herding, "herding"), (selected_real.k_center, "k-center")])
def test_it_is_what_the_recipe_of_that_name_stores(row: Row, name: str, bench: Bench, tmp_path: Path) -> None:
    changes = (
        "method.options.network=convnet1-w4-in", "method.options.steps=3", "method.options.batch=16",
        "generator.options.slots=3", "latent.options.slots=3", "artifact.ipc=3",
    )  # fmt: skip
    stored = gendata.condense(f"digits/{name}", out=tmp_path / "made", overrides=changes).frozen_images()
    x, y = row(bench).feed(0).images(0)
    assert torch.equal(x, stored[0])
    assert torch.equal(y, stored[1])


def test_a_class_with_too_few_images_is_named() -> None:
    with pytest.raises(SourceError, match=r"k-center: class '.' has \d+ images; expected at least 500"):
        selected_real.k_center(_bench(ipc=500)).feed(0)
