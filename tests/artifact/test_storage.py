"""What is stored comes back: exactly where the dtype can, else within half a step, and decoding is exact."""

from __future__ import annotations

import pytest
import torch

from gendata.artifact.storage import LARGEST, TensorEntry, decode, encode, rounded, storage_for
from gendata.errors import ArtifactError

SHAPES = [(1,), (7,), (16,), (3, 5), (4, 9), (5, 3, 3, 3), (10, 1, 3, 3), (2, 1, 1)]


def values(shape: tuple[int, ...], *, seed: int, size: float = 1.0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)) * size


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", ["f32", "f16", "bf16", "int8", "int6", "int4"])
def test_entry_states_the_exact_number_of_bytes(dtype, shape):
    entry, data = encode("t", values(shape, seed=1), dtype)
    assert data.dtype == torch.uint8
    assert data.shape == (entry.num_bytes,)
    assert decode(entry, data).shape == shape


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", ["f32", "f16", "bf16", "int8", "int6", "int4"])
def test_what_is_rounded_without_bytes_is_what_comes_back(dtype, shape):
    tensor = values(shape, seed=3)
    assert torch.equal(rounded(tensor, dtype), decode(*encode("t", tensor, dtype)))
    tensor.view(-1)[0] = float("nan")
    assert not rounded(tensor, dtype).isfinite().all()


@pytest.mark.parametrize("shape", SHAPES)
def test_f32_comes_back_bit_for_bit(shape):
    tensor = values(shape, seed=2)
    assert torch.equal(decode(*encode("t", tensor, "f32")), tensor)


@pytest.mark.parametrize(("dtype", "torch_dtype"), [("f16", torch.float16), ("bf16", torch.bfloat16)])
def test_half_floats_come_back_as_torch_rounds_them(dtype, torch_dtype):
    tensor = values((4, 33), seed=3)
    assert torch.equal(decode(*encode("t", tensor, dtype)), tensor.to(torch_dtype).float())


def test_uint8_stays_uint8():
    tensor = torch.arange(256, dtype=torch.uint8).reshape(2, 128)
    assert torch.equal(decode(*encode("t", tensor, "u8")), tensor)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("size", [1e-6, 1e-3, 1.0, 1e3])
@pytest.mark.parametrize("dtype", ["int8", "int6", "int4"])
def test_integers_are_the_nearest_step_of_the_scale_that_is_stored(dtype, size, seed):
    tensor = values((6, 17), seed=seed, size=size)
    entry, data = encode("t", tensor, dtype)
    scales = data[:12].clone().view(torch.float16).float()[:, None]
    error = (decode(entry, data) - tensor).abs()
    inside = tensor.abs() <= LARGEST[dtype] * scales
    assert (error <= scales * 0.5000001)[inside].all()
    if dtype == "int8":  # the peak may lie outside by what float16 rounded off its scale
        assert (error <= scales * 0.5).all()


def test_int4_clips_a_tail_where_that_lowers_the_squared_error():
    tensor = values((4, 600), seed=9)
    entry, data = encode("t", tensor, "int4")
    scales = data[:8].clone().view(torch.float16).float()
    by_peak = tensor.abs().amax(1, keepdim=True) / LARGEST["int4"]
    rounded = (tensor / by_peak).round() * by_peak
    assert (scales[:, None] < by_peak).all()
    assert (decode(entry, data) - tensor).square().sum() < 0.8 * (rounded - tensor).square().sum()


def test_int4_spans_the_peak_where_values_reach_it_evenly():
    tensor = torch.linspace(-1, 1, 15).repeat(2, 4)
    torch.testing.assert_close(decode(*encode("t", tensor, "int4")), tensor, rtol=0, atol=1e-3)


@pytest.mark.parametrize("dtype", ["int8", "int6", "int4"])
def test_decoding_is_exact_in_float64_too(dtype):
    entry, data = encode("t", values((8, 31), seed=5), dtype)
    scales = data[:16].clone().view(torch.float16).double()[:, None]
    steps = decode(entry, data).double() / scales
    assert torch.equal(steps, steps.round())
    assert steps.abs().max() <= LARGEST[dtype]


@pytest.mark.parametrize("dtype", ["f32", "f16", "bf16", "int8", "int6", "int4"])
def test_what_was_decoded_encodes_to_the_same_bytes(dtype):
    entry, data = encode("t", values((6, 17), seed=6), dtype)
    again, same = encode("t", decode(entry, data), dtype)
    assert again == entry
    assert torch.equal(decode(again, same), decode(entry, data))


@pytest.mark.parametrize("dtype", ["int8", "int6", "int4"])
def test_a_channel_of_zeros_stays_zero_beside_others(dtype):
    tensor = values((3, 12), seed=7)
    tensor[1] = 0
    assert (decode(*encode("t", tensor, dtype))[1] == 0).all()


def test_each_channel_has_its_own_scale():
    tensor = torch.stack([torch.linspace(-1, 1, 16), torch.linspace(-1000, 1000, 16)])
    assert (decode(*encode("t", tensor, "int8"))[0] - tensor[0]).abs().max() < 0.005


def test_short_channels_share_one_scale():
    entry, _ = encode("t", values((10, 4), seed=8), "int8")
    assert entry.scale_axis is None
    assert entry.num_bytes == 2 + 40


def test_int4_puts_the_first_value_in_the_low_nibble():
    entry, data = encode("t", torch.tensor([7.0, -7.0, 1.0]), "int4")
    assert data[2:].tolist() == [0x97, 0x01]
    assert decode(entry, data).tolist() == [7.0, -7.0, 1.0]


def test_int6_puts_four_values_in_three_bytes_the_first_in_the_lowest_bits():
    entry, data = encode("t", torch.tensor([31.0, -31.0, 1.0, -1.0, 2.0]), "int6")
    bits = 31 | (33 << 6) | (1 << 12) | (63 << 18) | (2 << 24)
    assert data[2:].tolist() == list(bits.to_bytes(4, "little"))
    assert decode(entry, data).tolist() == [31.0, -31.0, 1.0, -1.0, 2.0]


def test_every_six_bits_decode():
    entry = TensorEntry(name="t", shape=(64,), dtype="int6")
    one = torch.tensor([1.0], dtype=torch.float16).view(torch.uint8)
    bits = sum(k << 6 * k for k in range(64))
    data = torch.cat([one, torch.tensor(list(bits.to_bytes(48, "little")), dtype=torch.uint8)])
    assert decode(entry, data).tolist() == [*range(32), *range(-32, 0)]


def test_every_nibble_decodes():
    entry = TensorEntry(name="t", shape=(16,), dtype="int4")
    one = torch.tensor([1.0], dtype=torch.float16).view(torch.uint8)
    data = torch.cat([one, torch.tensor([2 * k + 16 * (2 * k + 1) for k in range(8)], dtype=torch.uint8)])
    assert decode(entry, data).tolist() == [*range(8), *range(-8, 0)]


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_value_that_is_not_finite_is_refused_by_name(bad):
    with pytest.raises(ArtifactError, match=r"'stem\.weight'.*not finite"):
        encode("stem.weight", torch.tensor([[1.0, bad]]), "int8")


@pytest.mark.parametrize(("dtype", "value"), [("f16", 1e5), ("int8", 1e9)])
def test_a_value_too_large_for_its_storage_is_refused_with_a_remedy(dtype, value):
    with pytest.raises(ArtifactError, match="f32"):
        encode("t", torch.full((2, 8), value), dtype)


def test_whole_numbers_other_than_bytes_are_refused():
    with pytest.raises(ArtifactError, match="int64"):
        encode("t", torch.arange(3), "f32")


def test_a_wrong_number_of_bytes_is_refused():
    entry, data = encode("t", values((3, 5), seed=9), "int8")
    with pytest.raises(ArtifactError, match="bytes"):
        decode(entry, data[:-1])


def test_weights_that_write_pixels_keep_8_bits_where_the_others_have_4():
    matrix, bias = torch.ones(2, 3), torch.ones(3)
    assert storage_for(matrix, "int4") == "int4"
    assert storage_for(matrix, "int4", writes_pixels=True) == "int8"
    assert storage_for(matrix, "int6", writes_pixels=True) == "int8"
    assert storage_for(matrix, "f16", writes_pixels=True) == "f16"
    assert storage_for(bias, "int4") == "f16"
    assert storage_for(bias, "f32") == "f32"
    assert storage_for(torch.zeros(2, 2, dtype=torch.uint8), "int4") == "u8"
