"""Image files to pixels: decoding, colour, size, and one error for all files that cannot be read."""

from __future__ import annotations

import io
import logging
import struct
import warnings
from pathlib import Path
from typing import Literal, cast

import msgspec
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from gendata.errors import SourceError
from gendata.sources.memory import check_pixel_bytes

_MAX_FILE_PIXELS = 64 * 2**20  # 8192 x 8192; what claims more is taken for a decompression bomb
_MAX_FILE_BYTES = 64 * 2**20  # of one encoded image
# What Pillow tries: content must not choose a decoder that runs another program (EPS starts Ghostscript).
_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM")
_MAX_SIDE = 4096
_GREY_MODES = ("1", "L", "LA", "La", "I;16", "I;16L", "I;16B", "I;16N")
_DEEP_BITS = 16
_NAMED_FAULTS = 10  # unreadable files that the message lists

_ORIENTATION = 0x0112  # of EXIF
_TURNS: dict[object, Image.Transpose] = {  # that make an image upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

_log = logging.getLogger(__name__)


class ImageOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How files of any size and colour become images of one shape."""

    resize: int | tuple[int, int] | None = None  # pixels: side, or (height, width); None: all files have one size
    resize_mode: Literal["crop", "stretch", "pad"] = "crop"  # of files of another aspect; pad is black
    channels: int | None = None  # 1 grey, 3 RGB; None: 1 if every train file is grey, else 3
    # Grey behind transparent pixels, 0 to 255. Unset, and not written: transparency is dropped, and files that are
    # drawn in it alone are refused.
    background: int | msgspec.UnsetType = msgspec.UNSET
    # That grey 16-bit files use, 9 to 16. Unset, and not written: all; if no file uses the uppermost they are refused.
    bits: int | msgspec.UnsetType = msgspec.UNSET

    def __post_init__(self) -> None:
        if self.channels not in (None, 1, 3):
            raise ValueError(f"channels must be 1 or 3, got {self.channels}")
        if self.background is not msgspec.UNSET and not 0 <= self.background <= 255:
            raise ValueError(f"background must be 0 to 255, got {self.background}")
        if self.bits is not msgspec.UNSET and not 9 <= self.bits <= _DEEP_BITS:
            raise ValueError(f"bits must be 9 to {_DEEP_BITS}, got {self.bits}")
        if self.size and not all(1 <= side <= _MAX_SIDE for side in self.size):
            raise ValueError(f"resize must be 1 to {_MAX_SIDE} pixels, got {self.resize}")

    @property
    def size(self) -> tuple[int, int] | None:
        """(height, width) in pixels; None: as the files are."""
        return (self.resize, self.resize) if isinstance(self.resize, int) else self.resize


class ImageStack:
    """Pixels of one split, gathered file by file.

    Args:
        channels: 1 or 3; None: 3 while gathering, 1 at the end if every file was grey.
        asks: whether files that may mean several things are refused: those of train, by which the others go.
        where: names the split in messages.
    """

    def __init__(self, options: ImageOptions, *, channels: int | None, asks: bool = True, where: str) -> None:
        self._options, self._channels, self._asks, self._where = options, channels, asks, where
        self._pixels = bytearray()
        self._shape: tuple[int, int, int] | None = None
        self._first = ""
        self._count, self._any_colour = 0, False
        self._faults: list[str] = []
        self._unseen: list[str] = []  # drawn in their transparency alone
        self._largest = -1  # value of 16-bit images; none: there were none

    def add(self, file: bytes | Path, *, name: str) -> None:
        """Decodes one image; one that cannot be read is remembered for `finish`.

        Raises:
            SourceError: another size than the first, and no `resize` is set; too many pixels for memory.
        """
        try:
            image = _open(file)
            if image.mode.startswith("I;16"):
                self._largest = max(self._largest, int(np.asarray(image).max()))
            image = _on_background(image, self._options.background)
            if self._asks and _is_drawn_in_transparency(image):
                self._unseen.append(name)
            pixels = _planes(_resized(image, self._options), channels=self._channels or 3, bits=self._bits)
        except MemoryError:
            raise
        except Exception as error:  # decoders end in any: a damaged TIFF in a TypeError
            self._faults.append(f"{name} ({_reason(error)})")
            return
        self._any_colour |= image.mode not in _GREY_MODES
        self._check_shape(pixels.shape, name)
        check_pixel_bytes(self._count + 1, pixels.shape, where=self._where)
        self._pixels += pixels.tobytes()
        self._count += 1

    def finish(self) -> NDArray[np.uint8]:
        """All images, (N, C, H, W).

        Raises:
            SourceError: lists the files that could not be read; there was no image at all.
        """
        if self._faults:
            raise self._unreadable()
        if self._asks:
            self._ask()
        if self._shape is None:
            raise SourceError("holds no image", where=self._where, expected="at least one per class")
        x = np.frombuffer(self._pixels, dtype=np.uint8).reshape(self._count, *self._shape)
        return x if self._channels or self._any_colour else x[:, :1].copy()

    def _ask(self) -> None:
        """Raises SourceError if options have to say what the files do not."""
        if self._unseen:
            raise SourceError(
                f"{len(self._unseen)} images are drawn in their transparency alone, {self._unseen[0]} among them",
                where=self._where, expected="images that can be seen without it",
                remedy="Say what lies behind them: --set source.options.background=255, or 0.",
            )  # fmt: skip
        if 0 <= self._largest < 2 ** (_DEEP_BITS - 1) and self._options.bits is msgspec.UNSET:
            raise SourceError(
                f"no value of its 16-bit images is above {self._largest}: they may use fewer bits", where=self._where,
                expected="values up to 65535",
                remedy="Say how many: --set source.options.bits=" + _bits_of(self._largest),
            )  # fmt: skip

    @property
    def _bits(self) -> int:
        return _DEEP_BITS if self._options.bits is msgspec.UNSET else self._options.bits

    def _check_shape(self, shape: tuple[int, ...], name: str) -> None:
        channels, height, width = shape
        if self._shape is None:
            self._shape, self._first = (channels, height, width), name
        elif self._shape != shape:
            raise SourceError(
                f"{name} has {height} x {width} pixels, {self._first} has {self._shape[1]} x {self._shape[2]}",
                where=self._where,
                expected="one size",
                remedy="Declare a size: --resize 32, or source.options.resize (and resize_mode: crop, stretch, pad).",
            )

    def _unreadable(self) -> SourceError:
        more = len(self._faults) - _NAMED_FAULTS
        named = "; ".join(self._faults[:_NAMED_FAULTS]) + (f"; and {more} more" if more > 0 else "")
        return SourceError(
            f"{len(self._faults)} of {self._count + len(self._faults)} images cannot be read: {named}",
            where=self._where,
            remedy="Repair or remove these files.",
        )


def _open(file: bytes | Path) -> Image.Image:
    """The decoded image, upright as its EXIF says."""
    data = _read(file) if isinstance(file, Path) else file
    if len(data) > _MAX_FILE_BYTES:
        raise ValueError(f"more than {_MAX_FILE_BYTES} bytes")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's remarks on odd metadata; sizes are checked here
        image: Image.Image
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            if image.width * image.height > _MAX_FILE_PIXELS:
                raise ValueError(f"{image.width} x {image.height} pixels, at most {_MAX_FILE_PIXELS} are read")
            image.load()
            turn = _TURNS.get(_orientation(image))
            return image if turn is None else image.transpose(turn)


def _orientation(image: Image.Image) -> object:
    """As EXIF has it; odd metadata are no fault of the pixels. `ImageOps.exif_transpose` would write all of it anew."""
    try:
        return image.getexif().get(_ORIENTATION)
    except (struct.error, SyntaxError, TypeError, KeyError, ValueError, OSError):
        return None


def _read(path: Path) -> bytes:
    """The bytes of a regular file, one more than the bound at most; a pipe or a device would never end."""
    if not path.is_file():
        raise ValueError("not a regular file")
    with path.open("rb") as file:
        return file.read(_MAX_FILE_BYTES + 1)


def _bits_of(largest: int) -> str:
    """That 16-bit files are likely to use: what cameras and scanners have, 10, 12 or 14, if it fits."""
    return next((f"{bits}, or {_DEEP_BITS}" for bits in (10, 12, 14) if largest < 2**bits), str(_DEEP_BITS))


def _is_opaque(image: Image.Image) -> bool:
    is_plain = "transparency" not in image.info and image.mode not in ("RGBA", "LA", "PA", "La", "RGBa")
    return is_plain or image.mode.startswith("I")


def _on_background(image: Image.Image, grey: int | msgspec.UnsetType) -> Image.Image:
    """The image before a grey of that value; unset: as it is."""
    if grey is msgspec.UNSET or _is_opaque(image):
        return image
    behind = Image.new("RGBA", image.size, (grey, grey, grey, 255))
    seen = Image.alpha_composite(behind, image.convert("RGBA"))
    return seen.convert("L" if image.mode in _GREY_MODES else "RGB")


def _is_drawn_in_transparency(image: Image.Image) -> bool:
    """Whether its colour is one, and what is drawn is drawn by where that shows."""
    if _is_opaque(image):
        return False
    *colours, (least, most) = cast("tuple[tuple[int, int], ...]", image.convert("RGBA").getextrema())
    return least < most and all(low == high for low, high in colours)


def _planes(image: Image.Image, *, channels: int, bits: int = _DEEP_BITS) -> NDArray[np.uint8]:
    """(C, H, W); transparency is dropped, 16-bit grey keeps the upper byte of the bits that it uses.

    Raises:
        ValueError: a value needs more of them.
    """
    if image.mode.startswith("I;16"):
        deep = np.asarray(image) >> (bits - 8)
        if deep.max() > 255:
            raise ValueError(f"a value of more than {bits} bits")
        image = Image.fromarray(deep.astype(np.uint8))
    if image.mode in ("I", "F"):
        raise ValueError(f"mode {image.mode}: its value range is not known")
    if "transparency" in image.info:
        image = image.convert("RGBA")
    pixels = np.asarray(image.convert("L" if channels == 1 else "RGB"), dtype=np.uint8)
    return pixels[None] if channels == 1 else pixels.transpose(2, 0, 1)


def _resized(image: Image.Image, options: ImageOptions) -> Image.Image:
    """The image at the declared size, bilinear with antialiasing."""
    if options.size is None or options.size == (image.height, image.width):
        return image
    size, bilinear = (options.size[1], options.size[0]), Image.Resampling.BILINEAR
    if image.mode not in ("L", "RGB") and not image.mode.startswith("I;16"):
        image = image.convert("L" if image.mode in _GREY_MODES else "RGB")
    if options.resize_mode == "stretch":
        return image.resize(size, bilinear)
    if options.resize_mode == "crop":
        return ImageOps.fit(image, size, bilinear)
    return ImageOps.pad(image, size, bilinear)


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "not an image"
    return " ".join(str(error).split()) or type(error).__name__
