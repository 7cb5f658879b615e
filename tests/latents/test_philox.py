"""The random numbers are Philox's, are fixed for ever, and belong to an index, not to a batch."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from gendata.errors import SpecError
from gendata.latents.philox import normals, philox4x32, uniforms

ASKED = {"seed": 7, "epoch": 3, "stream": "frozen"}


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        ([0, 0, 0, 0], (0, 0), [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
        (
            [0xFFFFFFFF] * 4,
            (0xFFFFFFFF, 0xFFFFFFFF),
            [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD],
        ),
        (
            [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
            (0xA4093822, 0x299F31D0),
            [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
        ),
    ],
)
def test_words_equal_the_known_answers_of_random123(counter, key, expected):
    assert philox4x32(np.array(counter, dtype=np.uint64), key).tolist() == expected


def test_numbers_are_fixed_for_ever():
    index = np.array([0, 1, 2, 99, 2**40 + 5, 2**63 - 1])
    drawn = uniforms(index, 9, **ASKED).tobytes() + normals(index, 9, **ASKED).tobytes()
    assert hashlib.sha256(drawn).hexdigest() == "a0c22138ae10c136646b1b0cf3cdd98c3c4e7c257241438d7b29ce55aec68ff5"


@pytest.mark.parametrize("draw", [uniforms, normals])
def test_a_sample_has_the_same_numbers_in_any_batch_and_order(draw):
    index = np.arange(50)
    together = draw(index, 5, **ASKED)
    order = np.random.default_rng(0).permutation(50)
    assert np.array_equal(draw(order, 5, **ASKED), together[order])
    assert all(np.array_equal(draw(np.array([i]), 5, **ASKED)[0], together[i]) for i in (0, 17, 49))


@pytest.mark.parametrize("draw", [uniforms, normals])
def test_asking_for_more_numbers_keeps_the_first_ones(draw):
    index = np.arange(3)
    assert all(np.array_equal(draw(index, n, **ASKED), draw(index, 11, **ASKED)[:, :n]) for n in range(11))


@pytest.mark.parametrize("draw", [uniforms, normals])
@pytest.mark.parametrize("other", [{"seed": 7 + 2**32}, {"epoch": 4}, {"stream": "fresh"}])
def test_seed_epoch_and_stream_each_change_every_number(draw, other):
    index = np.arange(20)
    # Uniforms have 24 bits: an equal pair among 80 is a one in 200,000 event, and the draw is fixed.
    assert not np.any(draw(index, 4, **ASKED) == draw(index, 4, **{**ASKED, **other}))


def test_indices_beyond_32_bits_differ_from_their_low_words():
    assert not np.any(uniforms(np.array([5]), 8, **ASKED) == uniforms(np.array([5 + 2**32]), 8, **ASKED))


def test_uniforms_fill_the_half_open_unit_interval_evenly():
    drawn = uniforms(np.arange(20_000), 4, **ASKED)
    assert drawn.dtype == np.float32
    assert drawn.min() >= 0.0
    assert drawn.max() < 1.0
    counts, _ = np.histogram(drawn, bins=16, range=(0, 1))
    assert np.abs(counts / drawn.size * 16 - 1).max() < 0.05


def test_normals_have_the_moments_and_tails_of_a_normal():
    drawn = normals(np.arange(50_000), 4, **ASKED).astype(np.float64)
    assert abs(drawn.mean()) < 0.01
    assert abs(drawn.std() - 1) < 0.01
    assert abs((drawn**4).mean() - 3) < 0.1
    assert abs((np.abs(drawn) > 1.959964).mean() - 0.05) < 0.002
    assert np.abs(np.corrcoef(drawn.T) - np.eye(4)).max() < 0.02


def test_normals_equal_box_muller_by_the_mathematical_library():
    from gendata.latents import philox

    words = philox._words(np.arange(5000), 2, kind=1, key=philox._key(**ASKED))
    u = (words[:, 0].astype(np.float64) + 1) * 2.0**-32
    angle = (words[:, 1].astype(np.float64) * 2.0**-32 - 2.0**-3) * 2 * np.pi
    expected = np.sqrt(-2 * np.log(u))[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    # float64 throughout: a few ulp of the library, and less than one float32 ulp after rounding.
    np.testing.assert_allclose(normals(np.arange(5000), 2, **ASKED), expected, rtol=6e-8, atol=1e-15)


@pytest.mark.parametrize("bad", [{"seed": -1}, {"seed": 2**63}, {"epoch": -1}])
def test_a_seed_or_epoch_out_of_range_is_named_with_its_value(bad):
    with pytest.raises(SpecError, match=str(next(iter(bad.values())))):
        uniforms(np.arange(2), 1, **{**ASKED, **bad})


def test_a_negative_index_is_refused():
    with pytest.raises(SpecError, match="index holds -3"):
        normals(np.array([0, -3]), 1, **ASKED)


def test_no_samples_and_no_numbers_are_empty_arrays():
    assert uniforms(np.array([], dtype=np.int64), 4, **ASKED).shape == (0, 4)
    assert normals(np.array([], dtype=np.int64), 3, **ASKED).shape == (0, 3)
    assert normals(np.arange(3), 0, **ASKED).shape == (3, 0)
