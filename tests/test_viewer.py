"""The viewer: what it shows, without a browser; and in a real one, that it works, fits, is quiet and stays at home."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from gendata.artifact.amend import write_evaluations
from gendata.artifact.artifact import CondensedArtifact, Draft, Normalisation, open_artifact, save_artifact
from gendata.artifact.seals import sealed
from gendata.errors import MissingExtraError
from gendata.registry import GENERATORS, LATENTS
from gendata.sources.split import Split
from gendata.spec import SampleSpec, SourceFacts
from gendata.viewing import pictures, sheets, tables, walks

HOSTILE = '<img src=x onerror="window.hacked=1">${window.hacked=1}{{7*7}}'
CLASSES = ("zero", HOSTILE, "two\u202e\n", "")


def _saved(out: Path, *, latent: str = "normal", classes: tuple[str, ...] = CLASSES) -> CondensedArtifact:
    spec = SampleSpec(channels=3, height=12, width=10, classes=classes)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        law = LATENTS.load(latent)(LATENTS.config(latent, {"dim": 6}, where="test"), num_classes=len(classes))
        options = {"widths": [8], "rank": 8, "class_dim": 4}
        config = GENERATORS.config("conv-decoder", options, where="test")
        generator = GENERATORS.load("conv-decoder")(config, spec=spec, latent_dim=law.dim)
        for parameter in generator.parameters():
            parameter.data.mul_(3)
    law.prepare()
    draft = Draft(
        generator_name="conv-decoder", generator=generator, latent_name=latent, law=law, spec=spec, ipc=3,
        frozen_seed=0, micro_batch=8, storage="int8", recipe=None, license=HOSTILE, citation=HOSTILE,
        normalisation=Normalisation(mean=(0.5,) * 3, std=(0.25,) * 3),
        source=SourceFacts(name=HOSTILE, fingerprint=""),
    )  # fmt: skip
    artifact = save_artifact(out, draft)
    row = {
        "row": "artifact", "mode": HOSTILE, "protocol": HOSTILE, "network": HOSTILE, "mean": 0.5, "std": 0.01, "n": 2,
        "bytes": 700, "distinct_images": 12, "per_class": [0.5, 0.1, 0.6, 0.7],
    }  # fmt: skip
    rows = [sealed(row, artifact_id=artifact.artifact_id), {"row": HOSTILE, "mean": HOSTILE, "n": [HOSTILE]}]
    return write_evaluations(out, rows)


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> CondensedArtifact:
    return _saved(tmp_path_factory.mktemp("view") / "a")


@pytest.fixture
def real() -> Split:
    x = torch.arange(24 * 3 * 12 * 10).remainder(256).byte().reshape(24, 3, 12, 10)
    return Split(x, torch.arange(24) % 4)


def test_a_sheet_holds_the_artifacts_own_samples(artifact: CondensedArtifact) -> None:
    stored = sheets.samples(artifact, [1, 3], draw="stored", seed=0, count=10)
    frozen, y = artifact.frozen_images()
    assert _close(stored, torch.stack([frozen[y == 1], frozen[y == 3]]))
    new = sheets.samples(artifact, [2], draw="new", seed=4, count=5)
    every, y = artifact.fresh_images(torch.arange(20).numpy(), samples_per_class=5, seed=4, epoch=0)
    assert _close(new[0], every[y == 2])


def _close(x: torch.Tensor, y: torch.Tensor) -> bool:
    """Equal up to the one step that another micro-batch may make."""
    return x.shape == y.shape and bool((x.int() - y.int()).abs().max() <= 1)


def test_another_seed_draws_other_samples_and_the_same_seed_the_same(artifact: CondensedArtifact) -> None:
    sheet = sheets.overview(artifact, draw="new", seed=1)
    assert sheet == sheets.overview(artifact, draw="new", seed=1)
    assert sheet != sheets.overview(artifact, draw="new", seed=2)
    assert sheets.overview(artifact, draw="stored", seed=1) == sheets.overview(artifact, draw="stored", seed=2)


def test_real_images_are_of_the_class_and_change_with_the_seed(real: Split) -> None:
    found = sheets.real_samples(real, 2, seed=0, count=4)
    own = {x.numpy().tobytes() for x in real.x[real.y == 2]}
    assert {x.numpy().tobytes() for x in found} <= own and len(found) == 4
    assert not torch.equal(found, sheets.real_samples(real, 2, seed=1, count=4))


def test_many_classes_are_shown_page_by_page(tmp_path: Path) -> None:
    artifact = _saved(tmp_path / "many", classes=tuple(f"class-{n}" for n in range(45)))
    assert sheets.num_pages(artifact) == 3
    last = sheets.overview(artifact, draw="stored", seed=0, page=2)
    assert re.findall(r'gd-name">([^<]*)<', last) == [f"class-{n}" for n in range(40, 45)]


def test_a_picture_comes_back_as_it_was(real: Split) -> None:
    import base64
    import io

    import numpy as np
    from PIL import Image

    png = base64.b64decode(pictures.data_uri(real.x[0]).partition(",")[2])
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(png))), real.x[0].permute(1, 2, 0).numpy())


def test_a_walk_ends_at_the_samples_it_joins(artifact: CondensedArtifact) -> None:
    walker = walks.Walker(artifact)
    assert walker.blends_classes
    frames = walker.frames(walks.End(0, 5), walks.End(3, 6)).int()
    for frame, label, seed in ((frames[0], 0, 5), (frames[-1], 3, 6)):
        x, _ = artifact.fresh_images(torch.tensor([label]).numpy(), samples_per_class=1, seed=seed, epoch=0)
        assert (frame - x[0].int()).abs().max() <= 1
    steps = (frames[1:] - frames[:-1]).abs().float().mean((1, 2, 3))
    assert (steps > 0).all() and steps.max() < (frames[-1] - frames[0]).abs().float().mean()


def test_a_walk_takes_no_more_images_at_once_than_the_artifact_says(
    artifact: CondensedArtifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    walker, sizes = walks.Walker(artifact), []
    walker._generator.register_forward_pre_hook(lambda module, inputs: sizes.append(len(inputs[0])))
    frames = walker.frames(walks.End(0, 5), walks.End(3, 6))
    assert sizes and max(sizes) == artifact.manifest.sampling.micro_batch < walks.NUM_FRAMES == len(frames)


def test_a_walk_leaves_the_artifacts_generator_alone(artifact: CondensedArtifact) -> None:
    before, _ = artifact.frozen_images()
    walks.Walker(artifact).frames(walks.End(0, 0), walks.End(1, 1))
    assert torch.equal(before, artifact.frozen_images()[0])


def test_the_way_between_normal_draws_keeps_their_length() -> None:
    start, stop = torch.tensor([3.0, 0.0]), torch.tensor([0.0, 3.0])
    shares = torch.linspace(0, 1, 5)
    assert torch.allclose(walks.between(start, stop, shares, spherical=True).norm(dim=1), torch.full((5,), 3.0))
    assert torch.equal(walks.between(start, stop, shares, spherical=False)[2], torch.tensor([1.5, 1.5]))
    assert torch.equal(walks.between(start, start, shares, spherical=True), start.expand(5, 2))
    assert torch.isfinite(walks.between(start, -start, shares, spherical=True)).all()


def test_stored_images_have_nothing_in_between(artifact: CondensedArtifact, digits_artifact: Path) -> None:
    assert walks.can_walk(artifact)
    assert not walks.can_walk(open_artifact(digits_artifact))


def test_every_text_of_the_artifact_is_escaped(artifact: CondensedArtifact, real: Split) -> None:
    walker = walks.Walker(artifact)
    shown = (
        tables.header(artifact),
        tables.results(artifact),
        tables.facts(artifact, real=real, no_real=""),
        tables.facts(artifact, real=None, no_real=HOSTILE),
        sheets.overview(artifact, draw="new", seed=0, real=real),
        sheets.class_sheet(artifact, 1, draw="stored", seed=0),
        walks.walk_html(walker, walks.End(1, 0), walks.End(2, 0), 8),
    )
    for page in shown:
        assert "<img src=x" not in page and 'onerror="' not in page and "\u202e" not in page
        assert "&lt;img src=x" in page


def test_the_manifest_and_the_bytes_are_shown(artifact: CondensedArtifact, real: Split) -> None:
    page = tables.facts(artifact, real=real, no_real="")
    assert artifact.artifact_id in page and f"{artifact.artifact_bytes:,} bytes" in page
    assert "&quot;format&quot;: &quot;gendata.condensed&quot;" in page
    assert f"{24 * 360:,} bytes" in page


def test_real_images_are_shown_only_where_none_must_be_fetched(
    artifact: CondensedArtifact, digits_artifact: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gendata import viewer

    assert viewer.real_images(open_artifact(digits_artifact)).split is not None
    found = viewer.real_images(artifact)
    assert found.split is None and "--data" in found.why_not


def test_without_gradio_the_error_says_what_to_install(
    artifact: CondensedArtifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gendata import viewer

    monkeypatch.setitem(sys.modules, "gradio", None)
    with pytest.raises(MissingExtraError, match=r"gendata\[view\]"):
        viewer.build(artifact)


_SERVER = """
import sys
from gendata.artifact.artifact import open_artifact
from gendata.viewer import RealImages, build, launch_options
from gendata.viewing import sheets
import time, torch
from gendata.sources.split import Split
overview = sheets.overview
def slow_overview(*args, **kwargs):
    time.sleep(1.0 if kwargs["seed"] else 0.0)  # drawn again it takes its time, and is overtaken by a class's sheet
    return overview(*args, **kwargs)
sheets.overview = slow_overview
artifact = open_artifact(sys.argv[1])
x = torch.randint(0, 256, (40, *artifact.spec.shape), dtype=torch.uint8)
demo = build(artifact, real=RealImages(Split(x, torch.arange(40) % 4)))
_, url, _ = demo.launch(server_name="127.0.0.1", prevent_thread_lock=True, **launch_options())
print(url, flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def address(artifact: CondensedArtifact) -> Iterator[str]:
    """The viewer in a process of its own: Gradio starts threads that live as long as their process."""
    if importlib.util.find_spec("gradio") is None:
        pytest.skip("gradio is not installed: pip install 'gendata[view]'")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    server = subprocess.Popen(
        [sys.executable, "-c", _SERVER, str(artifact.path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
    )  # fmt: skip
    assert server.stdin is not None and server.stdout is not None
    try:
        url = server.stdout.readline().strip()
        assert url.startswith("http://127.0.0.1:"), url
        yield url
    finally:
        server.stdin.close()
        server.wait(timeout=30)
        server.stdout.close()


@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_fits_is_quiet_and_asks_nothing_of_the_network(browser: Any, address: str, width: int) -> None:
    page = browser.new_page(viewport={"width": width, "height": 900})
    complaints: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address)
    page.wait_for_selector("#gd-samples .gd-strip img")
    sticking_out = """() => [...document.querySelectorAll(".gd-controls label")].filter(label => label.closest(".block")
        && label.getBoundingClientRect().right > label.closest(".block").getBoundingClientRect().right).length"""
    assert page.evaluate(sticking_out) == 0  # a choice that its frame cuts off
    for tab in ("Walk", "Results", "Facts", "Samples"):
        page.get_by_role("tab", name=tab).click()
        page.wait_for_timeout(300)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, tab
    assert not complaints
    assert not [url for url in asked if not url.startswith((address, "data:", "blob:"))]
    assert page.evaluate("window.hacked") is None
    page.close()


@pytest.mark.slow
def test_samples_are_drawn_again_and_one_class_is_picked(browser: Any, address: str) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(address)
    page.wait_for_selector("#gd-samples .gd-strip img")
    first = page.locator("#gd-samples").inner_html()
    page.get_by_role("button", name="Draw again").press("Enter")
    page.wait_for_function("before => document.querySelector('#gd-samples').innerHTML !== before", arg=first)
    _pick_class(page, "zero")
    page.wait_for_selector("#gd-samples .gd-one")
    assert page.locator("#gd-samples .gd-synthetic img").count() == 60
    page.get_by_label("Real images beside them").uncheck()
    page.wait_for_function("!document.querySelector('#gd-samples .gd-real')")
    assert page.evaluate("window.hacked") is None
    page.close()


@pytest.mark.slow
def test_a_slow_answer_does_not_replace_a_later_one(browser: Any, address: str) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(address)
    page.wait_for_selector("#gd-samples .gd-strip img")
    page.get_by_role("button", name="Draw again").press("Enter")
    _pick_class(page, "zero")
    page.wait_for_selector("#gd-samples .gd-one")
    page.wait_for_timeout(1500)
    assert page.locator("#gd-samples .gd-one .gd-synthetic img").count() == 60
    page.close()


def _pick_class(page: Any, name: str) -> None:
    page.get_by_label("Class", exact=True).focus()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type(name)
    page.keyboard.press("Enter")


@pytest.mark.slow
def test_the_arrow_keys_walk(browser: Any, address: str) -> None:
    page = browser.new_page(viewport={"width": 390, "height": 900})
    page.goto(address)
    page.get_by_role("tab", name="Walk").click()
    page.wait_for_selector("#gd-walk .gd-big")
    slider = page.locator("#gd-position input[type=range]")
    slider.focus()
    for _ in range(4):
        slider.press("ArrowRight")
    page.wait_for_function("document.querySelector('#gd-walk figcaption').textContent.includes('25 %')")
    assert page.locator("#gd-walk .gd-film img").nth(4).get_attribute("class") == "gd-here"
    page.close()
