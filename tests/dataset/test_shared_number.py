from __future__ import annotations

import copy
import multiprocessing
import os
import pickle

import pytest
import torch

import gendata
from gendata.dataset.mixture import mix
from gendata.dataset.shared_number import SharedNumber


def _told(number, asked, answers):
    while asked.get():
        answers.put(number.value)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_worker_reads_what_is_set_after_it_was_started(method):
    context = multiprocessing.get_context(method)
    number, asked, answers = SharedNumber(1), context.Queue(), context.Queue()
    worker = context.Process(target=_told, args=(number, asked, answers))
    worker.start()
    found = []
    for value in (1, 2**40):
        number.value = value
        asked.put(True)
        found.append(answers.get(timeout=60))
    asked.put(False)
    worker.join(60)
    assert found == [1, 2**40]


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_worker_keeps_its_number_when_the_parent_lets_go_of_it(method):
    context = multiprocessing.get_context(method)
    asked, answers = context.Queue(), context.Queue()
    worker = context.Process(target=_told, args=(SharedNumber(7), asked, answers))
    worker.start()  # which drops its arguments
    others = [SharedNumber(3) for _ in range(20)]
    asked.put(True)
    found = answers.get(timeout=60)
    asked.put(False)
    worker.join(60)
    assert found == 7 and {other.value for other in others} == {3}


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda number: pickle.loads(pickle.dumps(number))])
def test_a_copy_is_a_number_of_its_own(copied):
    number = SharedNumber(3)
    other = copied(number)
    number.value = 4
    assert (number.value, other.value) == (4, 3)


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts open files in /proc")
def test_many_fresh_datasets_cost_few_open_files(frozen):
    before = len(os.listdir("/proc/self/fd"))
    held = [frozen.fresh(seed=seed) for seed in range(60)]
    assert len(held) == 60 and len(os.listdir("/proc/self/fd")) - before < 10


def test_datasets_made_in_inference_mode_work_outside_of_it(folder):
    with torch.inference_mode():
        made = gendata.load_condensed(folder)
        fresh, mixed = made.fresh(), mix([(made, 1.0)])
    assert made[:3][0].shape == made[0][0].expand(3, -1, -1, -1).shape
    for moved in (fresh, mixed):
        moved.set_epoch(1)
        assert moved.epoch == 1


def test_another_default_device_does_not_matter(frozen):
    with torch.device("meta"):
        fresh, mixed = frozen.fresh(), mix([(frozen, 1.0)])
    assert fresh[0][0].device.type == mixed[0][0].device.type == "cpu"
