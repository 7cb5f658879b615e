"""From a matplotlib figure to an SVG that is part of a page: its colours follow the page's, its bytes repeat."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from gendata.errors import MissingExtraError
from gendata.evaluation.page.palette import INK, MUTED, RULE, VARIABLES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SVG, _XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
_COLOUR = re.compile("|".join(VARIABLES))
_DECIMALS = re.compile(r"-?\d+\.\d{3,}")
_REFERENCE = re.compile(r"url\(#([^)]*)\)")

_STYLE: dict[Any, Any] = {  # keys are typed anew in every release of matplotlib
    "svg.fonttype": "none",  # text stays text: the page's font, and a reader's screen reader
    "text.parse_math": False,  # a class may be called "$x$"
    "font.size": 12,
    "text.color": INK,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": RULE,
    "axes.linewidth": 1,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": RULE,
    "grid.linewidth": 1,
    "xtick.color": RULE,
    "ytick.color": RULE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "xtick.major.size": 4,
    "ytick.major.size": 0,
    "xtick.minor.size": 0,
    "ytick.minor.size": 0,
    "figure.facecolor": "none",
    "legend.frameon": False,
    "legend.fontsize": 12,
    "legend.handlelength": 1.8,
    "legend.borderpad": 0,
    "legend.borderaxespad": 0,
    "lines.linewidth": 1.6,
    "path.simplify": False,  # would drop dots, which are lines without length
}


def require_charts() -> None:
    """Raises MissingExtraError unless pages with charts can be made here."""
    try:
        import jinja2  # noqa: F401
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(
            f"{(error.name or 'a package').partition('.')[0]} is not installed",
            where="the report page",
            remedy="Install it: pip install 'gendata[report]'",
        ) from None


@contextmanager
def drawing(name: str) -> Iterator[None]:
    """Within it figures have the page's style; `name` is the chart's, and seeds the ids in its SVG."""
    import matplotlib

    with matplotlib.rc_context({**_STYLE, "svg.hashsalt": f"gendata/{name}"}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")  # the page's own fonts may have it
        yield


def new_figure(width_px: float, height_px: float) -> Figure:
    """A figure of which one SVG unit is one CSS pixel."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width_px / 72, height_px / 72), dpi=72)
    FigureCanvasAgg(figure)  # measures texts before they are drawn
    return figure


def add_axes(figure: Figure, *, left: float, right: float, top: float, bottom: float) -> Axes:
    """Axes with these margins in pixels."""
    width, height = figure.get_size_inches() * 72
    return figure.add_axes((left / width, bottom / height, 1 - (left + right) / width, 1 - (top + bottom) / height))


def inline_svg(figure: Figure, name: str, *, told: str) -> str:
    """The figure as an `<svg>` element, to be used inside `drawing(name)`.

    Args:
        name: unique on the page; prefixes every id.
        told: what the picture says, for those who do not see it.
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    root = ElementTree.fromstring(buffer.getvalue())
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{{{_SVG}}}metadata", f"{{{_SVG}}}style"):
                parent.remove(child)
    for element in root.iter():
        _tidy(element, name)
    for attribute in ("width", "height", "version"):
        root.attrib.pop(attribute, None)
    root.attrib.update({"role": "img", "aria-label": told, "class": "chart"})
    ElementTree.register_namespace("", _SVG)
    ElementTree.register_namespace("xlink", _XLINK)
    return ElementTree.tostring(root, encoding="unicode")


def _tidy(element: ElementTree.Element, name: str) -> None:
    """Ids of this chart alone, colours by name, two decimals."""
    for key, value in element.attrib.items():
        if key == "id":
            element.set(key, f"{name}-{value}")
        elif key == f"{{{_XLINK}}}href":
            element.set(key, f"#{name}-{value.removeprefix('#')}")
        elif key == "clip-path":
            element.set(key, _REFERENCE.sub(rf"url(#{name}-\1)", value))
        elif key == "style":
            element.set(key, _COLOUR.sub(lambda match: f"var({VARIABLES[match[0]]})", value))
        elif key in ("d", "x", "y", "transform"):
            element.set(key, _DECIMALS.sub(lambda match: f"{float(match[0]):.2f}", value).replace("\n", ""))
