"""The page in a real browser: nothing sticks out, nothing is complained about, nothing is asked of the network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_fits_its_window_and_is_quiet(browser: Any, written: Path, width: int, scheme: str) -> None:
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    complaints: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto((written / "report.html").as_uri())
    page.locator("details").evaluate_all("all => all.forEach(each => each.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert not complaints
    assert [url for url in asked if not url.startswith("data:")] == [(written / "report.html").as_uri()]
    assert page.locator("svg:visible").count() == 3 + 11  # three charts in one of their two forms, panels of features
    page.close()
