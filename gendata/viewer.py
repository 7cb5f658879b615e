"""The viewer: an artifact's samples, walks, results and manifest in a browser. Gradio's wiring; no logic of its own.

It listens on this machine alone, and neither it nor its page asks anything of the network.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from gendata.errors import GendataError, MissingExtraError, SpecError
from gendata.viewing import sheets, tables, walks
from gendata.viewing.pictures import class_names
from gendata.viewing.style import CSS, FONT, MONO, THEME

if TYPE_CHECKING:
    import gradio

    from gendata.artifact.artifact import CondensedArtifact
    from gendata.sources.split import Split

HOST = "127.0.0.1"
_ALL = -1  # of the class picker
_MAX_SEED = 2**31 - 1
_OFFLINE = {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_DISABLE_TELEMETRY": "1", "GRADIO_NODE_SERVER": "False"}
# Whatever a page of Gradio would fetch from elsewhere (fonts, a script for frames) is refused by the browser itself.
_POLICY = (
    "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; connect-src 'self'; frame-ancestors 'self' "
    "https://huggingface.co"
)


class RealImages(NamedTuple):
    """The source's training images, or why they are not shown."""

    split: Split | None
    why_not: str = ""


def view(
    artifact: CondensedArtifact,
    *,
    data_root: str | Path | None = None,
    port: int | None = None,
    open_browser: bool = False,
    wait: bool = True,
    say: Callable[[str], object] | None = None,
) -> str:
    """Serves the viewer on 127.0.0.1 and gives its address.

    Args:
        artifact: what is shown.
        data_root: where the source's local copy is; see `real_images`.
        port: None: a free one.
        open_browser: also opens the page.
        wait: returns when the user interrupts it; False: at once, and the server goes on until the process ends.
        say: told the address once the page is served.

    Raises:
        MissingExtraError: Gradio is not installed. SpecError: the port is taken.
    """
    demo = build(artifact, real=real_images(artifact, data_root))
    try:
        _, url, _ = demo.launch(
            server_name=HOST, server_port=port, inbrowser=open_browser, prevent_thread_lock=True, **launch_options()
        )
    except OSError:
        raise SpecError(f"port {port} is taken", expected="a free one", remedy="Leave --port out.") from None
    if say is not None:
        say(str(url))
    if wait:
        demo.block_thread()
    return str(url)


def launch_options() -> dict[str, Any]:
    """What every `launch` of the viewer is given, here and in a Space: its look, and nothing shared or counted."""
    import gradio as gr
    from starlette.middleware import Middleware

    plain = gr.themes.Base(
        font=list(FONT), font_mono=list(MONO), primary_hue="orange", neutral_hue="slate", radius_size="md"
    ).set(**THEME)
    return {
        "share": False,
        "quiet": True,
        "ssr_mode": False,
        "enable_monitoring": False,
        "footer_links": [],
        "theme": plain,
        "css": CSS,
        "app_kwargs": {"middleware": [Middleware(_Policy)]},
    }


def real_images(artifact: CondensedArtifact, data_root: str | Path | None = None) -> RealImages:
    """The training images to show beside samples: of the embedded digits, or of a local copy that was pointed at.

    Nothing is downloaded on the way to a look: without `data_root` no other source is opened.
    """
    from gendata.evaluation.evaluator import named_source

    facts = artifact.manifest.source
    if facts is None:
        return RealImages(None, "the manifest names no source")
    if facts.name != "digits" and data_root is None:
        return RealImages(None, "no folder with the source was given (--data DIR)")
    try:
        source = named_source(artifact, Path(data_root) if data_root is not None else None)
        if source.spec.shape != artifact.spec.shape:
            return RealImages(None, f"they are {source.spec.shape}")
        return RealImages(source.split("train"))
    except GendataError as error:
        return RealImages(None, error.what)


def build(artifact: CondensedArtifact, *, real: RealImages | None = None) -> gradio.Blocks:
    """The page, not yet served.

    Args:
        artifact: what is shown.
        real: None: no real images.
    """
    gr = _gradio()
    real = real or RealImages(None, "none were given")
    title = f"{tables.title(artifact)}: gendata"
    demo: gradio.Blocks = gr.Blocks(analytics_enabled=False, title=title, fill_width=False)
    with demo:
        gr.HTML(tables.header(artifact))
        with gr.Tab("Samples"):
            _samples_tab(gr, demo, artifact, real.split)
        if walks.can_walk(artifact):
            with gr.Tab("Walk"):
                _walk_tab(gr, demo, artifact)
        with gr.Tab("Results"):
            gr.HTML(tables.results(artifact))
        with gr.Tab("Facts"):
            gr.HTML(tables.facts(artifact, real=real.split, no_real=real.why_not))
    return demo


def _samples_tab(gr: Any, demo: Any, artifact: CondensedArtifact, real: Split | None) -> None:
    pages = sheets.num_pages(artifact)
    with gr.Row(elem_classes="gd-controls", equal_height=True):
        picked = gr.Dropdown(
            [("all classes", _ALL), *_choices(artifact)], value=_ALL, label="Class", filterable=True, min_width=150
        )
        draw = gr.Radio([("new", "new"), ("stored", "stored")], value="new", label="Samples", min_width=200)
        seed = gr.Number(0, label="Seed", precision=0, minimum=0, maximum=_MAX_SEED, min_width=110)
        again = gr.Button("Draw again", variant="primary", min_width=130, elem_classes="gd-again")
    with gr.Row(visible=pages > 1 or real is not None, elem_classes="gd-controls"):
        page = gr.Slider(1, max(2, pages), value=1, step=1, label="Page of classes", visible=pages > 1)
        beside = gr.Checkbox(real is not None, label="Real images beside them", visible=real is not None)
    sheet = gr.HTML(elem_id="gd-samples")

    def show(label: int, draw: sheets.Draw, seed: float | None, page: int, beside: bool) -> str:
        shown = real if beside else None
        if label == _ALL:
            return sheets.overview(artifact, draw=draw, seed=_seed(seed), page=int(page) - 1, real=shown)
        return sheets.class_sheet(artifact, int(label), draw=draw, seed=_seed(seed), real=shown)

    inputs = [picked, draw, seed, page, beside]
    _on_change(gr, demo, inputs, show, sheet)
    again.click(lambda seed: (_seed(seed) + 1) % _MAX_SEED, seed, seed, show_progress="hidden", queue=False)


def _walk_tab(gr: Any, demo: Any, artifact: CondensedArtifact) -> None:
    walker = walks.Walker(artifact)
    last = artifact.spec.num_classes - 1
    with gr.Row(elem_classes="gd-controls", equal_height=True):
        start = gr.Dropdown(_choices(artifact), value=0, label="From class", filterable=True, min_width=150)
        start_seed = gr.Number(0, label="Seed", precision=0, minimum=0, maximum=_MAX_SEED, min_width=90)
        stop = gr.Dropdown(_choices(artifact), value=min(1, last), label="To class", filterable=True, min_width=150)
        stop_seed = gr.Number(1, label="Seed", precision=0, minimum=0, maximum=_MAX_SEED, min_width=90)
        again = gr.Button("Other ends", variant="primary", min_width=130, elem_classes="gd-again")
    position = gr.Slider(0, walks.NUM_FRAMES - 1, value=0, step=1, label="Step", elem_id="gd-position")
    shown = gr.HTML(elem_id="gd-walk")
    how = "the class mixed in proportion" if walker.blends_classes else "the label changes half way"
    gr.HTML(f'<p class="gd-note">Latents in between, through the generator; between two classes, {how}.</p>')

    def show(start: int, start_seed: float, stop: int, stop_seed: float, position: int) -> str:
        ends = walks.End(int(start), _seed(start_seed)), walks.End(int(stop), _seed(stop_seed))
        return walks.walk_html(walker, *ends, int(position))

    _on_change(gr, demo, [start, start_seed, stop, stop_seed, position], show, shown)
    draws = random.Random()
    again.click(
        lambda: (draws.randrange(10_000), draws.randrange(10_000)),
        None,
        [start_seed, stop_seed],
        show_progress="hidden",
        queue=False,
    )


def _on_change(gr: Any, demo: Any, inputs: list[Any], show: Any, output: Any) -> None:
    """Calls `show` when the page opens and when an input changed; of calls that pile up, the last one counts.

    One listener for all of them: with one each, a slow answer could replace a later, faster one.
    """
    triggers = [demo.load, *(component.change for component in inputs)]
    gr.on(triggers, show, inputs, output, show_progress="hidden", trigger_mode="always_last", queue=False)


def _choices(artifact: CondensedArtifact) -> list[tuple[str, int]]:
    names = class_names(artifact.spec.classes)
    doubled = {name for name in names if names.count(name) > 1} if len(names) <= 1000 else set(names)
    return [(f"{name} ({label})" if name in doubled else name, label) for label, name in enumerate(names)]


def _seed(value: float | None) -> int:
    return min(max(int(value or 0), 0), _MAX_SEED)


class _Policy:
    """Sends the content security policy with every answer."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def with_policy(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    *message.get("headers", []), (b"content-security-policy", _POLICY.encode("ascii"))
                ]  # fmt: skip
            await send(message)

        await self.app(scope, receive, with_policy)


def _gradio() -> Any:
    """The package, told before its import to count and to ask nothing."""
    os.environ.update(_OFFLINE)
    try:
        import gradio
    except ImportError as error:
        raise MissingExtraError(
            f"{(error.name or 'a package').partition('.')[0]} is not installed",
            where="the viewer",
            remedy="Install it: pip install 'gendata[view]'",
        ) from None
    return gradio
