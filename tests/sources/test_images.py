from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from PIL import Image

from gendata.errors import SourceError
from gendata.sources import images, memory
from gendata.sources.images import ImageOptions, ImageStack


def _encoded(format: str, *, side: int = 4) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (side, side), (9, 0, 0)).save(file, format)
    return file.getvalue()


def _stack() -> ImageStack:
    return ImageStack(ImageOptions(), channels=3, where="test")


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM"])
def test_common_formats_are_read(format: str) -> None:
    stack = _stack()
    stack.add(_encoded(format), name="x")
    assert stack.finish().shape == (1, 3, 4, 4)


def test_content_cannot_choose_a_decoder_that_starts_a_program() -> None:
    stack = _stack()
    stack.add(_encoded("EPS"), name="x.png")
    with pytest.raises(SourceError, match=r"x\.png \(not an image\)"):
        stack.finish()


def test_a_pipe_and_an_image_of_too_many_bytes_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "_MAX_FILE_BYTES", 10)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "large.png").write_bytes(_encoded("PNG"))
    stack = _stack()
    for name in ("pipe", "large.png"):
        stack.add(tmp_path / name, name=name)
    stack.add(_encoded("PNG"), name="bytes")
    with pytest.raises(SourceError, match=r"pipe \(not a reg.*large.png \(more than 10 bytes\); bytes \(more than 10"):
        stack.finish()


def test_the_bound_on_pixels_is_checked_with_every_image(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "MAX_PIXEL_BYTES", 2 * 48)
    stack = _stack()
    for _ in range(2):
        stack.add(_encoded("PNG"), name="x")
    with pytest.raises(SourceError, match="3 images of 4 x 4 x 3"):
        stack.add(_encoded("PNG"), name="x")
