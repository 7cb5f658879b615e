"""How one tensor becomes bytes: f32, f16, bf16, int8, int6, int4, u8.

int8, int6 and int4 hold q in `q * scale`, with float16 scales, one per slice along `scale_axis` or one for the tensor.
q times a float16 has at most 18 significant bits, so decoding is one exact float32 multiply: no machine rounds it
another way.
"""

from __future__ import annotations

import math
from typing import Literal

import msgspec
import torch
from torch import Tensor

from gendata.errors import ArtifactError

StorageDtype = Literal["f32", "f16", "bf16", "int8", "int6", "int4", "u8"]

FLOATS: dict[str, torch.dtype] = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}
LARGEST: dict[str, int] = {"int8": 127, "int6": 31, "int4": 7}  # of |q|
PACKED = ("int6", "int4")  # several values share a byte
_BITS: dict[str, int] = {"f32": 32, "f16": 16, "bf16": 16, "int8": 8, "int6": 6, "int4": 4, "u8": 8}
# Of the largest magnitude: what a scale of a packed dtype may span. Few steps are wasted on a tail that few values
# reach: on Gaussian values sixteen that span 0.7 of the peak, and clip what lies beyond, halve the squared error.
_SPANS = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4)
_MIN_VALUES_PER_SCALE = 8  # below that a scale of two bytes costs a quarter of what it scales


class TensorEntry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A stored tensor's structure; its values are in the weights file alone."""

    name: str  # "generator.stem.weight", "latent.codes", "labels.soft"
    shape: tuple[int, ...]
    dtype: StorageDtype
    scale_axis: int | None = None  # of integers; None: one scale for the whole tensor

    @property
    def num_values(self) -> int:
        return math.prod(self.shape)

    @property
    def num_scales(self) -> int:
        if self.dtype not in LARGEST:
            return 0
        return 1 if self.scale_axis is None else self.shape[self.scale_axis]

    @property
    def value_bytes(self) -> int:
        return -(-self.num_values * _BITS[self.dtype] // 8)

    @property
    def num_bytes(self) -> int:
        """Scales, then values, without padding."""
        return 2 * self.num_scales + self.value_bytes


def storage_for(tensor: Tensor, storage: StorageDtype, *, writes_pixels: bool = False) -> StorageDtype:
    """How one tensor is stored in an artifact of `storage`.

    Args:
        tensor: biases and gains (fewer than two dimensions) are few and touch whole channels: they stay floats.
        writes_pixels: the last weights before the image, whose rounding is seen as a pattern: never below 8 bits.
    """
    if tensor.dtype == torch.uint8:
        return "u8"
    if tensor.dim() < 2:
        return "f32" if storage == "f32" else "f16"
    return "int8" if writes_pixels and storage in PACKED else storage


def entry_for(name: str, tensor: Tensor, dtype: StorageDtype) -> TensorEntry:
    """The entry of `tensor` as `dtype`; looks at its shape alone."""
    axis = _scale_axis(tensor) if dtype in LARGEST else None
    return TensorEntry(name=name, shape=tuple(tensor.shape), dtype=dtype, scale_axis=axis)


def encode(
    name: str, tensor: Tensor, dtype: StorageDtype, *, scales: Tensor | None = None
) -> tuple[TensorEntry, Tensor]:
    """The entry and the bytes (uint8, 1-D) of `tensor`.

    Args:
        scales: of integers, (num_scales,) float16, see `scales_of`; None: those that lose least.

    Raises:
        ArtifactError: a value is not finite, or does not fit `dtype`.
    """
    tensor = tensor.detach().cpu().contiguous()
    entry = entry_for(name, tensor, dtype)
    if (dtype == "u8") != (tensor.dtype == torch.uint8) or not (tensor.is_floating_point() or dtype == "u8"):
        raise ArtifactError(
            f"tensor {name!r} is {tensor.dtype}, its storage {dtype}", expected="floats, or uint8 as u8"
        )
    if dtype == "u8":
        return entry, tensor.reshape(-1)
    values = tensor.to(torch.float32)
    if not values.isfinite().all():
        raise ArtifactError(f"tensor {name!r} holds a value that is not finite", expected="finite weights")
    encoded = _encode_floats(values, dtype) if dtype in FLOATS else _encode_integers(values, entry, scales)
    if not decode(entry, encoded).isfinite().all():
        raise ArtifactError(
            f"tensor {name!r} reaches {values.abs().max().item():.3g}", expected=f"values that fit {dtype}",
            remedy="Store it as f32: artifact.storage=f32.",
        )  # fmt: skip
    return entry, encoded


def decode(entry: TensorEntry, encoded: Tensor) -> Tensor:
    """The tensor, float32 (uint8 for u8), from its bytes: uint8 (entry.num_bytes,)."""
    if encoded.numel() != entry.num_bytes:
        raise ArtifactError(f"tensor {entry.name!r} has {encoded.numel()} bytes", expected=f"{entry.num_bytes}")
    if entry.dtype == "u8":
        return encoded.clone().reshape(entry.shape)
    if entry.dtype in FLOATS:
        # clone: a slice of a packed file may start at an odd address, which a wider view refuses
        return encoded.clone().view(FLOATS[entry.dtype]).to(torch.float32).reshape(entry.shape)
    scales = encoded[: 2 * entry.num_scales].clone().view(torch.float16).to(torch.float32)
    integers = _unpacked(encoded[2 * entry.num_scales :], entry.dtype)[: entry.num_values]
    return integers.to(torch.float32).reshape(entry.shape) * _along(scales, entry)


def rounded(tensor: Tensor, dtype: StorageDtype, *, scales: Tensor | None = None) -> Tensor:
    """float32: what `decode` gives of what `encode` makes of floats, on the tensor's device and without any bytes.

    On a GPU sums have other last bits: where two scales of a packed dtype serve about as well it may be the other one.
    Values that are not finite, or that `dtype` cannot hold, give ones that are not finite.

    Args:
        scales: in the place of those that `encode` would choose, see `scales_of`.
    """
    values = tensor.detach().to(torch.float32)
    if dtype in FLOATS:
        return values.to(FLOATS[dtype]).to(torch.float32)
    rows = _rows(values, entry_for("", values, dtype))
    scales = _scales(rows, dtype) if scales is None else scales
    return (_integers(rows, scales, LARGEST[dtype]) * scales.to(torch.float32)[:, None]).reshape(values.shape)


def scales_of(tensor: Tensor, dtype: StorageDtype) -> Tensor | None:
    """The scales (num_scales,) float16 that `encode` chooses; None: `dtype` has none."""
    values = tensor.detach().to(torch.float32)
    return _scales(_rows(values, entry_for("", values, dtype)), dtype) if dtype in LARGEST else None


def is_finite(entry: TensorEntry, encoded: Tensor) -> bool:
    """Whether every value that `decode` would give is a finite number; cheaper than decoding."""
    if entry.dtype == "u8":
        return True
    # q is small, so a product is finite where its scale is.
    part, dtype = (encoded, entry.dtype) if entry.dtype in FLOATS else (encoded[: 2 * entry.num_scales], "f16")
    return bool(part.clone().view(FLOATS[dtype]).isfinite().all())


def _encode_floats(values: Tensor, dtype: str) -> Tensor:
    return values.to(FLOATS[dtype]).reshape(-1).view(torch.uint8)


def _encode_integers(values: Tensor, entry: TensorEntry, scales: Tensor | None) -> Tensor:
    rows = _rows(values, entry)
    scales = _scales(rows, entry.dtype) if scales is None else scales.detach().cpu().to(torch.float16)
    q = _integers(rows, scales, LARGEST[entry.dtype]).to(torch.int8).reshape(-1)
    return torch.cat([scales.view(torch.uint8), _packed(q, entry.dtype)[: entry.value_bytes]])


def _rows(values: Tensor, entry: TensorEntry) -> Tensor:
    """(num_scales, values per scale), in the order of the values: a scale's lie along axis 0, or are all there are."""
    return values.reshape(entry.num_scales, -1)


def _scales(rows: Tensor, dtype: StorageDtype) -> Tensor:
    """float16 (num_scales,)."""
    largest = LARGEST[dtype]
    return _best_scales(rows, largest) if dtype in PACKED else _peak_scales(rows, largest)


def _integers(rows: Tensor, scales: Tensor, largest: int) -> Tensor:
    """q, as floats. Divided by the scale as it will be read, float16, not by the exact one: the nearest q there is."""
    divisor = torch.where(scales == 0, 1.0, scales.to(torch.float32))
    return (rows / divisor[:, None]).round().clamp(-largest, largest)


def _best_scales(rows: Tensor, largest: int) -> Tensor:
    """float16 (num_scales,): of the spans that are tried, per slice, the one with the least squared error."""
    peak = _peak_scales(rows, largest)
    best, least = peak, torch.full_like(peak, torch.inf, dtype=torch.float32)
    for span in _SPANS:
        scales = (peak.to(torch.float32) * span).to(torch.float16)
        error = (_integers(rows, scales, largest) * scales.to(torch.float32)[:, None] - rows).square().sum(1)
        best, least = torch.where(error < least, scales, best), torch.minimum(error, least)
    return best


def _peak_scales(rows: Tensor, largest: int) -> Tensor:
    """float16 (num_scales,): the largest magnitude of each slice over `largest`; 0 for a slice of zeros."""
    peak = rows.abs().amax(1)
    scales = (peak / largest).to(torch.float16)
    # Float16 is coarse near 0: a scale rounded down by more than half a step would clip the peak.
    clipped = peak > scales.to(torch.float32) * (largest + 0.5)
    return torch.where(clipped, (scales.view(torch.int16) + 1).view(torch.float16), scales)


def _scale_axis(tensor: Tensor) -> int | None:
    return 0 if tensor.dim() >= 2 and tensor[0].numel() >= _MIN_VALUES_PER_SCALE else None


def _along(scales: Tensor, entry: TensorEntry) -> Tensor:
    """Scales shaped so that they multiply along their axis."""
    if entry.scale_axis is None:
        return scales
    return scales.reshape([-1 if axis == entry.scale_axis else 1 for axis in range(len(entry.shape))])


def _packed(q: Tensor, dtype: str) -> Tensor:
    """int8 (n,) to bytes, uint8, in whole groups."""
    if dtype == "int8":
        return q.view(torch.uint8)
    return _to_sixes(q) if dtype == "int6" else _to_nibbles(q)


def _unpacked(data: Tensor, dtype: str) -> Tensor:
    """The inverse: int8, the padding with it."""
    if dtype == "int8":
        return data.view(torch.int8)
    return _from_sixes(data) if dtype == "int6" else _from_nibbles(data)


def _to_sixes(q: Tensor) -> Tensor:
    """int8 (n,) in -32 .. 31 to uint8 (3 * ceil(n / 4),): two's complement, four to three bytes, lowest bits first."""
    a, b, c, d = torch.cat([q, q.new_zeros(-len(q) % 4)]).view(torch.uint8).bitwise_and(0x3F).reshape(-1, 4).unbind(1)
    return torch.stack([a | (b << 6), (b >> 2) | (c << 4), (c >> 4) | (d << 2)], dim=1).reshape(-1)


def _from_sixes(packed: Tensor) -> Tensor:
    """The inverse: int8 (4 * ceil(bytes / 3),)."""
    x, y, z = torch.cat([packed, packed.new_zeros(-len(packed) % 3)]).reshape(-1, 3).unbind(1)
    sixes = torch.stack([x & 0x3F, (x >> 6) | ((y & 0xF) << 2), (y >> 4) | ((z & 3) << 4), z >> 2], dim=1)
    sixes = sixes.reshape(-1).to(torch.int8)
    return torch.where(sixes > 31, sixes - 64, sixes)


def _to_nibbles(q: Tensor) -> Tensor:
    """int8 (n,) in -8 .. 7 to uint8 (ceil(n / 2),): two's complement, the first value in the low nibble."""
    padded = torch.cat([q, q.new_zeros(len(q) % 2)]).view(torch.uint8) & 0xF
    return padded[0::2] | (padded[1::2] << 4)


def _from_nibbles(packed: Tensor) -> Tensor:
    """The inverse: int8 (2 * bytes,)."""
    nibbles = torch.stack([packed & 0xF, packed >> 4], dim=1).reshape(-1).to(torch.int8)
    return torch.where(nibbles > 7, nibbles - 16, nibbles)
