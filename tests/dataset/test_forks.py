from __future__ import annotations

import subprocess
import sys

import torch

from gendata.dataset import forks

IN_A_FORK = """
import os, signal, sys, torch
from gendata.dataset.generated import GeneratedDataset

torch.set_num_threads(2)
fresh = GeneratedDataset.open(sys.argv[1]).fresh(samples_per_class=20, seed=1)
expected = fresh[:][0]
assert torch.randn(400, 400).mm(torch.randn(400, 400)).isfinite().all()  # the threads are there
child = os.fork()
if child == 0:
    signal.alarm(60)  # whoever hangs is killed
    os._exit(0 if torch.equal(fresh[:][0], expected) and torch.get_num_threads() == 1 else 1)
status = os.waitpid(child, 0)[1]
assert torch.get_num_threads() == 2
sys.exit(os.waitstatus_to_exitcode(status))
"""


def test_a_fork_of_a_process_that_has_computed_samples_in_one_thread(folder, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", IN_A_FORK, str(folder)]
    found = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert found.returncode == 0, found.stderr[-2000:]


def test_a_process_that_is_no_fork_keeps_its_threads():
    threads = torch.get_num_threads()
    forks.settle()
    assert torch.get_num_threads() == threads
