"""How samples look to the user: tensors, arrays, pictures or dictionaries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import default_collate

from gendata.dataset.pixels import as_float
from gendata.errors import SpecError

FORMATS = ("torch", "numpy", "pil", "dict")
DTYPES = ("float32", "uint8")
_MODES = {1: "L", 3: "RGB", 4: "RGBA"}  # of pictures, by channels


@dataclass(frozen=True, kw_only=True)
class Format:
    """One way to show samples. Every image it gives is a copy, which its owner may change.

    Attributes:
        name: "torch": (image (C, H, W), label). "dict": the same under two keys. "numpy": (image (H, W, C), label).
            "pil": (picture, label).
        dtype: of images, float32 in [0, 1] or the uint8 they were rounded to; pictures are uint8.
        keys: names of image and label in a "dict".
    """

    name: str = "torch"
    dtype: str = "float32"
    keys: tuple[str, str] = ("image", "label")

    def __post_init__(self) -> None:
        for what, value, known in (("format", self.name, FORMATS), ("dtype", self.dtype, DTYPES)):
            if value not in known:
                raise SpecError(f"{what} is {value!r}", expected=f"one of {', '.join(known)}")
        names = self.keys if isinstance(self.keys, tuple) and all(isinstance(key, str) for key in self.keys) else ()
        if len(names) != 2 or names[0] == names[1]:
            raise SpecError(f"keys are {self.keys!r}", expected="two different names, of the image and of the label")

    def check(self, *, stored: str, channels: int) -> None:
        """Raises SpecError unless images stored as `stored` (a dtype) can be shown so."""
        if stored != "uint8" and (self.name == "pil" or self.dtype == "uint8"):
            what = "pictures" if self.name == "pil" else "uint8"
            raise SpecError(
                f"this artifact's images are {stored} in the space of its normalisation and cannot be shown as {what}",
                expected='format "torch", "numpy" or "dict" of float32',
            )
        if self.name == "pil" and channels not in _MODES:
            raise SpecError(f"a picture of {channels} channels", expected="1, 3 or 4", remedy='Use the format "numpy".')

    def image(self, pixels: Tensor) -> Any:
        """One image from stored pixels (C, H, W)."""
        if self.name == "pil":
            return _picture(pixels)
        image = as_float(pixels) if self.dtype == "float32" else pixels
        if image is pixels:
            image = pixels.clone()
        return image.permute(1, 2, 0).contiguous().numpy() if self.name == "numpy" else image

    def images(self, pixels: Tensor) -> Any:
        """Images from stored pixels (N, C, H, W) that belong to the caller: a tensor, an array or a list."""
        if self.name == "pil":
            return [_picture(one) for one in pixels]
        images = as_float(pixels) if self.dtype == "float32" else pixels
        return images.permute(0, 2, 3, 1).contiguous().numpy() if self.name == "numpy" else images

    def labels(self, labels: Tensor) -> list[Any]:
        """One label per sample: ints, or the vectors (K,) of soft labels."""
        if labels.ndim == 1:
            return labels.tolist()
        return list(labels.numpy().copy()) if self.name == "numpy" else list(labels.clone().unbind())

    def sample(self, image: Any, label: Any) -> Any:
        """What `ds[i]` gives."""
        return dict(zip(self.keys, (image, label), strict=True)) if self.name == "dict" else (image, label)

    def batch(self, pixels: Tensor, labels: Tensor) -> Any:
        """What `ds[a:b]` gives."""
        images = self.images(pixels)
        if self.name == "pil":
            return images, self.labels(labels)
        return self.sample(images, labels.numpy() if self.name == "numpy" else labels)

    def stacked(self, images: list[Any], labels: list[Any]) -> Any:
        """What `ds[a:b]` gives when transforms have made images and labels."""
        if self.name == "pil" or not images:
            return images, labels
        if self.name == "numpy":
            return np.stack(images), np.stack(labels)
        return self.sample(default_collate(images), default_collate(labels))

    def collated(self, images: Any, labels: Any) -> Any:
        """What `default_collate` makes of samples of this format, from what they are stacked to."""
        return self.sample(images, labels) if self.name == "dict" else [images, labels]

    def ready(self, pixels: Tensor, labels: Tensor) -> Any:
        """What `default_collate` gives of these samples (N, C, H, W) and (N,) or (N, K), without stacking them."""
        if self.name == "pil":
            return default_collate(list(zip(self.images(pixels), self.labels(labels), strict=True)))
        images = self.images(pixels)
        return self.collated(torch.from_numpy(images) if self.name == "numpy" else images, labels)


def _picture(pixels: Tensor) -> Any:
    from PIL import Image

    values = pixels.permute(1, 2, 0).contiguous().numpy()
    mode = _MODES[values.shape[2]]
    return Image.fromarray(values[:, :, 0] if mode == "L" else values)
