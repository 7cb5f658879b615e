"""Processes that are forks of one that has computed already."""

from __future__ import annotations

import os

import torch

_settled = os.getpid()  # the process that may use as many threads as it likes


def settle() -> None:
    """To be called before computing: a fork goes on with one thread.

    OpenMP's threads do not survive a fork, and whoever waits for them waits for ever (pytorch/pytorch#17199).
    DataLoader workers see to it themselves; pools, and the processes of `datasets`, do not.
    """
    global _settled
    if _settled != os.getpid():
        torch.set_num_threads(1)
        _settled = os.getpid()
