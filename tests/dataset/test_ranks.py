from __future__ import annotations

import pytest

from gendata.dataset.ranks import current_rank
from gendata.errors import SpecError


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    monkeypatch.delenv("WORLD_SIZE", raising=False)


def test_a_process_alone_is_rank_0_of_1():
    assert current_rank() == (0, 1)


def test_a_launcher_says_the_rank(monkeypatch):
    monkeypatch.setenv("RANK", "3")
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert current_rank() == (3, 4)
    assert current_rank(0, 2) == (0, 2)


def test_torch_distributed_says_the_rank(tmp_path):
    import torch.distributed as distributed

    distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    try:
        assert current_rank() == (0, 1)
    finally:
        distributed.destroy_process_group()


@pytest.mark.parametrize("given", [(0, None), (None, 2), (2, 2), (-1, 2)])
def test_half_a_rank_or_one_outside_the_world_is_refused(given):
    with pytest.raises(SpecError):
        current_rank(*given)
