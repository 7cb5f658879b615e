"""Work done ahead: on the host by a thread, on a CUDA device by a stream of its own."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import torch
from torch import Tensor

T = TypeVar("T")
Made = TypeVar("Made")

_POLL_SEC = 0.1  # how soon a thread notices that nobody wants its items any more


def in_background(items: Iterable[T], *, depth: int) -> Iterator[T]:
    """The same items, up to `depth` of them made ahead by a thread. What the thread raises is raised here.

    For work that neither reads nor changes settings of the process (random state, precision, algorithms): those belong
    to whoever trains meanwhile.
    """
    waiting: queue.Queue[tuple[bool, Any]] = queue.Queue(maxsize=depth)
    unwanted = threading.Event()
    thread = threading.Thread(target=_fill, args=(iter(items), waiting, unwanted), name="gendata-ahead", daemon=True)
    thread.start()
    try:
        while True:
            good, item = waiting.get()
            if good:
                yield item
            elif item is None:
                return
            else:
                raise item
    finally:
        unwanted.set()
        thread.join()


def _fill(items: Iterator[T], waiting: queue.Queue[tuple[bool, Any]], unwanted: threading.Event) -> None:
    try:
        for item in items:
            if not _put(waiting, (True, item), unwanted):
                return
        _put(waiting, (False, None), unwanted)
    except BaseException as error:  # whatever it is, the consumer has to hear of it
        _put(waiting, (False, error), unwanted)


def _put(waiting: queue.Queue[tuple[bool, Any]], entry: tuple[bool, Any], unwanted: threading.Event) -> bool:
    while not unwanted.is_set():
        try:
            waiting.put(entry, timeout=_POLL_SEC)
            return True
        except queue.Full:
            continue
    return False


def on_side_stream(items: Iterable[T], make: Callable[[T], Made], *, device: torch.device) -> Iterator[Made]:
    """`make(item)` of each item, launched on a second CUDA stream while the consumer works with the one before.

    The current stream waits for an item when it is handed over, and the memory of its tensors is not used again before
    the current stream is done with them.
    """
    side = torch.cuda.Stream(device)
    side.wait_stream(torch.cuda.current_stream(device))  # what `make` reads may still be on its way to the device

    def launched(item: T) -> tuple[Made, torch.cuda.Event]:
        with torch.cuda.stream(side):
            made = make(item)
            return made, side.record_event()

    ahead: tuple[Made, torch.cuda.Event] | None = None
    for item in items:
        following = launched(item)
        if ahead is not None:
            yield _handed_over(*ahead, device)
        ahead = following
    if ahead is not None:
        yield _handed_over(*ahead, device)


def _handed_over(made: Made, done: torch.cuda.Event, device: torch.device) -> Made:
    current = torch.cuda.current_stream(device)
    current.wait_event(done)
    for tensor in tensors_in(made):
        if tensor.is_cuda:
            tensor.record_stream(current)
    return made


def tensors_in(value: Any) -> Iterator[Tensor]:
    """Every tensor in nested lists, tuples and dictionaries."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from tensors_in(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from tensors_in(part)
