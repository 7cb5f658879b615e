from __future__ import annotations

import pickle

import torch

from gendata.dataset.recent import RecentBlocks


def block(value: int) -> torch.Tensor:
    return torch.full((10,), value, dtype=torch.uint8)


def test_the_least_recently_used_block_goes_first():
    recent = RecentBlocks(max_bytes=20)
    for key in (0, 1, 0, 2):
        recent.get(key, lambda key=key: block(key))
    made = []
    for key in (0, 2, 1):
        recent.get(key, lambda key=key: made.append(key) or block(key))
    assert made == [1] and len(recent) == 2


def test_a_block_larger_than_the_bound_is_still_held_until_the_next():
    recent = RecentBlocks(max_bytes=5)
    first = recent.get("a", lambda: block(1))
    assert recent.get("a", lambda: block(2)) is first
    recent.get("b", lambda: block(2))
    assert len(recent) == 1


def test_a_pickle_carries_the_bound_but_no_blocks():
    recent = RecentBlocks(max_bytes=20)
    recent.get("a", lambda: block(1))
    copy = pickle.loads(pickle.dumps(recent))
    assert copy.max_bytes == 20 and len(copy) == 0
