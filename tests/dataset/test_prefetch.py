from __future__ import annotations

import itertools
import threading

import pytest
import torch

from gendata.dataset.prefetch import in_background, on_side_stream, tensors_in


def threads():
    return [thread for thread in threading.enumerate() if thread.name == "gendata-ahead"]


def test_items_come_in_their_order_from_another_thread():
    makers = set()

    def items():
        for number in range(20):
            makers.add(threading.get_ident())
            yield number

    assert list(in_background(items(), depth=3)) == list(range(20))
    assert makers and threading.get_ident() not in makers and not threads()


def test_no_more_than_the_depth_is_made_ahead():
    made = []
    reached = threading.Event()

    def items():
        for number in itertools.count():
            made.append(number)
            if number == 3:
                reached.set()
            yield number

    ahead = in_background(items(), depth=2)
    assert next(ahead) == 0
    reached.wait(10)  # one in the thread's hands, two in the queue
    assert made == [0, 1, 2, 3]
    ahead.close()
    assert not threads()


def test_an_error_of_the_thread_is_raised_where_items_are_read():
    def items():
        yield 1
        raise ValueError("no more")

    ahead = in_background(items(), depth=2)
    assert next(ahead) == 1
    with pytest.raises(ValueError, match="no more"):
        next(ahead)
    assert not threads()


def test_leaving_a_loop_early_ends_the_thread():
    for number in in_background(itertools.count(), depth=2):
        if number == 5:
            break
    assert not threads()


def test_tensors_are_found_in_any_nesting():
    one, two, three = torch.zeros(1), torch.zeros(2), torch.zeros(3)
    assert [t.numel() for t in tensors_in([one, {"a": (two, 5), "b": "x"}, three])] == [1, 2, 3]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device")
def test_a_side_stream_hands_over_what_it_has_finished():
    device = torch.device("cuda", torch.cuda.current_device())

    def make(number):
        value = torch.randn(512, 512, device=device)
        for _ in range(20):
            value = value @ value / 512
        return torch.full((1000,), number, device=device) + value.sum() * 0

    totals = [made.sum().item() for made in on_side_stream(range(10), make, device=device)]
    assert totals == [1000 * number for number in range(10)]
