"""A sample is bit-equal whatever stands beside it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gendata.artifact.artifact import save_artifact
from gendata.artifact.sampling import sample_images
from gendata.errors import SpecError

CODEBOOK = {"dim": 6, "codes": 5, "neighbours": 2}
LAWS = [("normal", {"dim": 6}), ("mixture", {"dim": 6, "components": 3}), ("codebook", CODEBOOK)]


@pytest.fixture(params=LAWS, ids=[name for name, _ in LAWS])
def sampled(request, make_draft, tmp_path):
    name, options = request.param
    return save_artifact(tmp_path / name, make_draft(latent=name, latent_options=options, ipc=11))


def test_frozen_images_are_bit_equal_in_any_subset_and_order(sampled):
    images, labels = sampled.frozen_images()
    rng = np.random.default_rng(0)
    for size in (1, 2, 7, 8, 9, 33):
        index = rng.permutation(33)[:size]
        subset, y = sampled.frozen_images(index)
        assert torch.equal(subset, images[torch.from_numpy(index)])
        assert torch.equal(y, labels[torch.from_numpy(index)])


def test_fresh_images_are_bit_equal_in_any_split(sampled):
    asked = {"samples_per_class": 9, "seed": 5, "epoch": 2}
    whole, labels = sampled.fresh_images(np.arange(27), **asked)
    for size in (1, 4, 8, 13):
        parts = [sampled.fresh_images(np.arange(27)[at : at + size], **asked) for at in range(0, 27, size)]
        assert torch.equal(torch.cat([x for x, _ in parts]), whole)
        assert torch.equal(torch.cat([y for _, y in parts]), labels)


def test_autocast_training_mode_and_thread_count_change_nothing(artifact):
    images, _ = artifact.frozen_images()
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            artifact.generator.train()
            assert torch.equal(artifact.frozen_images()[0], images)
            assert artifact.generator.training
    finally:
        torch.set_num_threads(threads)
        artifact.generator.eval()


def test_reduced_precision_that_the_user_allowed_is_not_used_and_is_left_as_it_was(artifact):
    images, _ = artifact.frozen_images()
    precision = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision("medium")
        assert torch.equal(artifact.frozen_images()[0], images)
        assert torch.get_float32_matmul_precision() == "medium"
        assert torch.backends.mkldnn.matmul.fp32_precision == "bf16"
    finally:
        torch.set_float32_matmul_precision(precision)


def test_images_may_be_used_like_any_tensor(artifact):
    images, _ = artifact.frozen_images()
    assert not images.is_inference()
    scale = torch.ones(1, requires_grad=True)
    (images.float() * scale).sum().backward()
    assert scale.grad.item() == images.float().sum().item()


def test_global_random_state_is_neither_read_nor_changed(make_draft, tmp_path):
    draft = make_draft()
    torch.manual_seed(1)
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()
    first = save_artifact(tmp_path / "a", draft).frozen_images()[0]
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert np.array_equal(np.random.get_state()[1], numpy_state)
    torch.manual_seed(2)
    assert torch.equal(save_artifact(tmp_path / "b", draft).frozen_images()[0], first)


def test_labels_are_class_major(artifact):
    assert artifact.frozen_images()[1].tolist() == [0] * 5 + [1] * 5 + [2] * 5
    assert artifact.fresh_images(np.arange(6), samples_per_class=2, seed=0, epoch=0)[1].tolist() == [0, 0, 1, 1, 2, 2]


def test_seed_and_epoch_change_fresh_images_and_leave_frozen_ones(artifact):
    frozen = artifact.frozen_images()[0]

    def fresh(seed, epoch):
        return artifact.fresh_images(np.arange(15), samples_per_class=5, seed=seed, epoch=epoch)[0]

    drawn = [frozen, fresh(1, 0), fresh(1, 1), fresh(1 + 2**32, 0)]
    assert all(not torch.equal(a, b) for i, a in enumerate(drawn) for b in drawn[:i])
    assert torch.equal(artifact.frozen_images()[0], frozen)


def test_values_are_rounded_half_to_even():
    class Levels(torch.nn.Module):
        spec = type("Spec", (), {"shape": (1, 1, 1)})

        def forward(self, z, y):
            return z.reshape(-1, 1, 1, 1)

    from gendata.artifact.sampling import render

    z = torch.tensor([[0.5 / 255], [1.5 / 255], [2.5 / 255], [-0.2], [1.7]])
    assert render(Levels(), z, torch.zeros(5, dtype=torch.int64), micro_batch=2).flatten().tolist() == [0, 2, 2, 0, 255]


def test_no_sample_is_an_empty_batch(artifact):
    x, y = artifact.fresh_images(np.array([], dtype=np.int64), samples_per_class=1, seed=0, epoch=0)
    assert x.shape == (0, 1, 12, 10)
    assert y.shape == (0,)


def test_an_index_outside_the_epoch_is_refused(artifact):
    with pytest.raises(SpecError, match="0 to 14"):
        artifact.frozen_images(np.array([15]))
    with pytest.raises(SpecError, match="0 to 5"):
        artifact.fresh_images(np.array([-1]), samples_per_class=2, seed=0, epoch=0)


def test_lengths_that_differ_are_refused(artifact):
    with pytest.raises(SpecError, match="equally many"):
        sample_images(
            artifact.generator,
            artifact.law,
            torch.zeros(2, dtype=torch.int64),
            np.arange(3),
            torch.zeros(3, dtype=torch.int64),
            seed=0,
            epoch=0,
            stream="fresh",
            micro_batch=4,
        )
