"""What DataLoader workers keep to themselves: pages that a fork copies one by one are how epochs run out of memory."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from torch.utils.data import DataLoader, Dataset

from gendata.dataset.batch import collate

_ROLLUP = Path("/proc/self/smaps_rollup")
pytestmark = pytest.mark.skipif(not _ROLLUP.exists(), reason="only Linux tells what memory is private")


class Weighed(Dataset):
    """A dataset whose batches say how many bytes their worker has for itself."""

    def __init__(self, dataset):
        self.dataset = dataset

    def __len__(self):
        return len(self.dataset)

    def __getitems__(self, items):
        collate(self.dataset.__getitems__(items))
        return [(private_bytes(), *items)]


def private_bytes():
    return 1024 * sum(int(size) for size in re.findall(r"Private_\w+: +(\d+) kB", _ROLLUP.read_text()))


@pytest.mark.parametrize("mode", ["frozen", "fresh"])
def test_the_private_memory_of_a_worker_stays_flat(frozen, mode):
    # 3 MB of pixels, once over: lists of tensors, or pixels of its own, would show.
    dataset = frozen.select(list(range(40)) * 500) if mode == "frozen" else frozen.fresh(num_samples=2000)
    loader = DataLoader(
        Weighed(dataset), batch_size=len(dataset) // 100, num_workers=1, timeout=120, collate_fn=lambda batch: batch[0]
    )
    sizes = [batch[0] for batch in loader]
    assert len(sizes) == 100
    assert max(sizes[50:]) - max(sizes[10:50]) < 2 * 2**20


def test_many_indices_are_an_array(frozen):
    assert frozen.select([0] * 1000)._view.picks.nbytes == 8000
    assert frozen.fresh(num_samples=10**9).take(10**8).shard(7, 3)[12345678][1] >= 0  # nothing as long as that is held
