from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from gendata.errors import SpecError
from gendata.evaluation import equal_bytes, sheets
from gendata.evaluation.bench import Bench
from gendata.evaluation.equal_bytes import Sheet, equal_bytes_real, equal_bytes_steps, fill_sheet
from gendata.evaluation.preparation import Normaliser
from gendata.evaluation.protocols import QUICK
from gendata.evaluation.sheets import SheetFormat, encode_sheet, fits_picture
from gendata.recipe import Choice
from gendata.sources.source import open_source

PNG, JPEG_HALF = SheetFormat("PNG", None, 1), SheetFormat("JPEG", 20, 2)


@pytest.fixture(scope="module")
def bench() -> Bench:
    source = open_source(Choice(name="digits"))
    return Bench(
        protocol=QUICK,
        source=source,
        spec=source.spec,
        ipc=3,
        artifact=None,
        artifact_bytes=6000,
        normalise=Normaliser((0.3,), (0.4,)),
    )


@pytest.fixture
def decided(monkeypatch: pytest.MonkeyPatch) -> None:
    """The format is chosen without trials."""
    monkeypatch.setattr(equal_bytes, "_chosen_format", lambda bench: PNG)


@pytest.mark.usefixtures("decided")
def test_every_network_gets_a_draw_of_its_own_no_larger_than_the_artifact(bench: Bench) -> None:
    feeds = [equal_bytes_real(bench).feed(seed) for seed in (1, 2, 3)]
    shown = {feed.images(0)[0].numpy().tobytes() for feed in feeds}
    assert len(shown) == 3
    assert all(feed.num_bytes is not None and feed.num_bytes <= 6000 for feed in feeds)
    assert {feed.steps for feed in feeds} == {300}


@pytest.mark.usefixtures("decided")
def test_beside_fresh_at_it_has_the_budget_of_that_row(bench: Bench) -> None:
    plan = equal_bytes_steps(bench, thousands=2)
    feed = plan.feed(0)
    assert plan.mode == "real@2k"
    assert (feed.steps, feed.protocol.batch, feed.protocol.lr) == (2000, 256, 0.01)
    assert len(feed.images(7)[1]) == 256
    assert feed.distinct_images == len(fill_sheet(bench, PNG, seed=0).y)


def test_a_candidate_is_not_lost_when_one_picture_cannot_hold_what_the_bytes_would(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = fill_sheet(bench, JPEG_HALF, seed=0)
    monkeypatch.setattr(sheets, "_MAX_PIXELS", 16 * 100)
    small = fill_sheet(bench, JPEG_HALF, seed=0)
    assert small.per_class <= 10 < free.per_class
    assert small.per_class >= 8


def test_pictures_have_a_largest_side_and_a_largest_area() -> None:
    assert fits_picture(16384, (64, 64), PNG)
    assert not fits_picture(17000, (64, 64), PNG)
    assert fits_picture(17000, (64, 64), JPEG_HALF)
    assert not fits_picture(1, (1, 16384), PNG)
    with pytest.raises(SpecError, match="Write fewer images"):
        encode_sheet(torch.zeros(1, 1, 1, 16384, dtype=torch.uint8), PNG)


def test_trials_are_equally_long_and_show_every_image_of_the_largest_sheet() -> None:
    def sheet(images: int) -> Sheet:
        return Sheet(PNG, images, 1, torch.zeros(0), torch.zeros(images, dtype=torch.int64))

    assert equal_bytes._trial_for([sheet(100), sheet(2000)]).passes == 150
    assert equal_bytes._trial_for([sheet(100), sheet(20_000)]).passes == 313
    assert equal_bytes._trial_for([sheet(10**6)]).passes == 1000


def test_where_no_image_per_class_fits_the_row_says_so(bench: Bench) -> None:
    with pytest.raises(SpecError, match="20 bytes"):
        equal_bytes_real(replace(bench, artifact_bytes=20, decided={})).feed(0)
