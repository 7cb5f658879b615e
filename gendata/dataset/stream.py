"""`ds.stream()`: samples without end, for trainers that count steps and not epochs."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from torch.utils.data import IterableDataset, get_worker_info

from gendata.dataset.order import shuffled
from gendata.dataset.ranks import Rank, current_rank
from gendata.dataset.views import check_at_least
from gendata.errors import SpecError

if TYPE_CHECKING:
    from gendata.dataset.generated import GeneratedDataset

_STATE_VERSION = 1
_BLOCK = 64  # samples made at once where the user did not ask for batches


class SampleStream(IterableDataset[Any]):
    """All samples of epoch 0 in an order drawn from (seed, epoch), then those of epoch 1, and so on for ever.

    Every worker of every rank takes each n-th one, n workers in all: nobody gets what another gets. Its iterator has
    `state_dict` and `load_state_dict`, which is what torchdata's StatefulDataLoader asks for; as the state is one
    worker's own, resuming needs as many workers and ranks as before (`ds.loader` does not).

    Args:
        dataset: what to read; its transforms, format and labels hold.
        batch_size: gives ready batches, for `DataLoader(stream, batch_size=None)`. None: samples.
        shuffle: False: class after class.
        seed: of the order, 0 to 2**63 - 1.
        rank, world_size: None: of torch.distributed or its launcher, if there is one, else 0 of 1.
    """

    def __init__(
        self,
        dataset: GeneratedDataset,
        *,
        batch_size: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        rank: int | None = None,
        world_size: int | None = None,
    ) -> None:
        if batch_size is not None:
            check_at_least("batch_size", batch_size, 1)
        check_at_least("seed", seed, 0)
        if not len(dataset):
            raise SpecError("the dataset is empty", expected="at least one sample to repeat")
        self.dataset, self.batch_size, self.shuffle, self.seed = dataset, batch_size, bool(shuffle), seed
        # Now, in the main process: a worker started by spawn knows nothing of torch.distributed.
        self.rank = current_rank(rank, world_size)

    def __iter__(self) -> StreamIterator:
        worker = get_worker_info()
        number, count = (0, 1) if worker is None else (worker.id, worker.num_workers)
        shard = Rank(self.rank.number * count + number, self.rank.world_size * count)
        return StreamIterator(self, shard)

    def __repr__(self) -> str:
        what = "samples" if self.batch_size is None else f"batches of {self.batch_size}"
        return f"SampleStream({what}, seed {self.seed}, {self.dataset!r})"


class StreamIterator(Iterator[Any]):
    """One worker's part of a stream."""

    def __init__(self, stream: SampleStream, shard: Rank) -> None:
        self.stream, self.shard = stream, shard
        self.taken = 0  # samples of this part that were handed over
        self._made: deque[Any] = deque()  # samples that follow, already made

    def __next__(self) -> Any:
        if self.stream.batch_size is not None:
            batch = self.stream.dataset[self._following(self.stream.batch_size)]
            self.taken += self.stream.batch_size
            return batch
        if not self._made:
            self._made.extend(self.stream.dataset.__getitems__(self._following(_BLOCK)))
        self.taken += 1
        return self._made.popleft()

    def state_dict(self) -> dict[str, Any]:
        """Whose part of which stream, and how far it is: a few numbers and texts, fit for JSON."""
        return {
            "version": _STATE_VERSION,
            "dataset": self.stream.dataset.identity(),
            "shuffle": self.stream.shuffle,
            "seed": self.stream.seed,
            "part": list(self.shard),
            "taken": self.taken,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on where `state` was taken.

        Raises:
            SpecError: it is of another dataset, order, worker, or number of workers or ranks.
        """
        own = self.state_dict()
        for name in own:
            if name != "taken" and (not isinstance(state, Mapping) or state.get(name) != own[name]):
                found = state.get(name) if isinstance(state, Mapping) else state
                raise SpecError(
                    f"the state is of {name} {found!r}",
                    expected=f"{own[name]!r}, as this stream has",
                    remedy="A stream resumes with the workers and ranks it had; ds.loader resumes with any.",
                )
        check_at_least("taken", state.get("taken"), 0)
        self.taken = state["taken"]
        self._made.clear()

    def _following(self, count: int) -> list[tuple[int, int]]:
        """(epoch, index) of the next `count` samples of this part."""
        length = len(self.stream.dataset)
        numbers = self.shard.number + self.shard.world_size * np.arange(self.taken, self.taken + count, dtype=np.int64)
        epochs, places = np.divmod(numbers, length)
        index = places.copy()
        if self.stream.shuffle:
            for epoch in np.unique(epochs).tolist():
                chosen = epochs == epoch
                index[chosen] = shuffled(places[chosen], length=length, seed=self.stream.seed, epoch=epoch)
        return list(zip(epochs.tolist(), index.tolist(), strict=True))
