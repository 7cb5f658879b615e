from __future__ import annotations

import pytest
import torch

from gendata.testing import assert_resumable


class Loader:
    """Batches of the numbers 0 .. 9, another order each epoch; faults on demand."""

    def __init__(self, batch_size=3, fault=None):
        self.batch_size, self.fault = batch_size, fault
        self.epoch = self.start = 0

    def __iter__(self):
        order = torch.randperm(10, generator=torch.Generator().manual_seed(self.epoch))
        if self.fault == "order" and self.start:
            order = order.flip(0)
        while self.start < 10:
            batch = order[self.start : self.start + self.batch_size]
            self.start += len(batch)
            yield [batch, batch % 2]
        if not (self.fault == "epoch" and self.resumed):
            self.epoch += 1
        self.start = 0

    resumed = False

    def state_dict(self):
        return {"epoch": self.epoch, "start": self.start}

    def load_state_dict(self, state):
        self.epoch, self.start, self.resumed = state["epoch"], state["start"], True
        if self.fault == "skips":
            self.start = min(10, self.start + 1)
        if self.fault == "repeats":
            self.start = 0


def test_a_loader_that_resumes_passes():
    assert_resumable(Loader)
    assert_resumable(Loader, resume_with=[lambda: Loader(batch_size=4), lambda: Loader(batch_size=10)])


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("skips", "is another one|samples came"),
        ("repeats", "is another one|samples came"),
        ("order", "is another one"),
        ("epoch", "in the next epoch"),
    ],
)
def test_a_loader_that_does_not_resume_fails(fault, message):
    with pytest.raises(AssertionError, match=message):
        assert_resumable(lambda: Loader(fault=fault))
    with pytest.raises(AssertionError, match="set-up 1 resumed after batch"):
        assert_resumable(Loader, resume_with=[lambda: Loader(fault=fault)])


def test_ranks_with_different_states_fail():
    class Ahead(Loader):
        def state_dict(self):
            return {**super().state_dict(), "start": 0}

    with pytest.raises(AssertionError, match="ranks have different states"):
        assert_resumable(lambda: [Loader(), Ahead()])
