from __future__ import annotations

import io
import os
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

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


@pytest.mark.parametrize("orientation", [1, 2, 3, 4, 5, 6, 7, 8, 9])
def test_images_stand_upright_as_their_exif_says(orientation: int) -> None:
    image = Image.new("RGB", (6, 4), (9, 0, 0))
    image.putpixel((1, 0), (200, 0, 0))
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = io.BytesIO()
    image.save(file, "PNG", exif=exif)
    wanted = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(file.getvalue()))))
    stack = _stack()
    stack.add(file.getvalue(), name="x")
    assert (stack.finish()[0].transpose(1, 2, 0) == wanted).all()


@pytest.mark.parametrize(("tag", "kind", "value"), [(256, 7, b"\x01\x02"), (282, 2, b"72dpi\0")])
def test_odd_metadata_beside_an_orientation_are_no_fault_of_the_pixels(tag: int, kind: int, value: bytes) -> None:
    entries = sorted([(0x0112, 3, 1, struct.pack("<HH", 6, 0)), (tag, kind, len(value), value.ljust(4, b"\0")[:4])])
    body = b"".join(struct.pack("<HHI", *entry[:3]) + entry[3] for entry in entries)
    exif = b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + body + b"\0" * 4
    file = io.BytesIO()
    Image.new("RGB", (6, 4), (9, 0, 0)).save(file, "JPEG", exif=exif)
    stack = _stack()
    stack.add(file.getvalue(), name="x")
    assert stack.finish().shape == (1, 3, 6, 4)


def _png(pixels: np.ndarray, mode: str | None = None) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels, mode).save(file, "PNG")
    return file.getvalue()


def _drawn_in_transparency() -> bytes:
    """A black square on nothing."""
    pixels = np.zeros((4, 4, 4), dtype=np.uint8)
    pixels[1:3, 1:3, 3] = 255
    return _png(pixels)


def test_what_is_drawn_in_transparency_alone_asks_for_a_background() -> None:
    stack = _stack()
    stack.add(_drawn_in_transparency(), name="icon.png")
    with pytest.raises(SourceError, match=r"1 images are drawn .*, icon\.png among them.*\n.*background=255, or 0"):
        stack.finish()


@pytest.mark.parametrize("grey", [0, 255])
def test_a_background_lies_behind_what_is_transparent(grey: int) -> None:
    stack = ImageStack(ImageOptions(background=grey), channels=1, where="test")
    stack.add(_drawn_in_transparency(), name="icon.png")
    stack.add(_png(np.full((4, 4), 90, dtype=np.uint8)), name="opaque.png")
    icon, opaque = stack.finish()[:, 0]
    assert (icon[0] == grey).all() and (icon[1:3, 1:3] == 0).all()
    assert (opaque == 90).all()


@pytest.mark.parametrize(
    ("bits", "largest", "told"),
    [(10, 1023, "10, or 16"), (12, 4095, "12, or 16"), (14, 5000, "14, or 16"), (15, 2**15 - 1, "16")],
)
def test_deep_images_that_leave_bits_unused_ask_how_many_they_use(bits: int, largest: int, told: str) -> None:
    ramp = np.linspace(0, largest, 16).astype(np.uint16).reshape(4, 4)
    stack = ImageStack(ImageOptions(), channels=None, where="test")
    stack.add(_png(ramp), name="x")
    with pytest.raises(SourceError, match=rf"is above {largest}.*\n.*source.options.bits={told}$"):
        stack.finish()
    declared = ImageStack(ImageOptions(bits=bits), channels=None, where="test")
    declared.add(_png(ramp), name="x")
    assert (declared.finish() == ramp >> (bits - 8)).all()
    too_few = ImageStack(ImageOptions(bits=9), channels=None, where="test")
    too_few.add(_png(ramp), name="x")
    with pytest.raises(SourceError, match=r"x \(a value of more than 9 bits\)"):
        too_few.finish()


def test_one_deep_image_of_a_split_with_a_high_value_shows_that_all_bits_are_used() -> None:
    stack = ImageStack(ImageOptions(), channels=None, where="test")
    for value in (300, 0x8034):
        stack.add(_png(np.full((4, 4), value, dtype=np.uint16)), name="x")
    assert stack.finish()[:, 0, 0, 0].tolist() == [1, 0x80]


def test_a_decoder_that_ends_in_an_error_of_its_own_names_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(image: Image.Image) -> None:
        raise TypeError("'float' object cannot be interpreted as an integer")  # as of a damaged TIFF

    monkeypatch.setattr(Image.Image, "convert", lambda image, mode: fail(image))
    stack = _stack()
    stack.add(_encoded("TIFF"), name="damaged.tif")
    with pytest.raises(SourceError, match=r"damaged\.tif \('float' object"):
        stack.finish()
