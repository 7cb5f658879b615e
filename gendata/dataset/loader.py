"""`ds.loader(...)`: ready batches on the training device, and an epoch that can be resumed anywhere, however set up."""

from __future__ import annotations

import hashlib
import operator
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch.utils.data import DataLoader, Dataset, get_worker_info

from gendata.dataset.indices import Rows
from gendata.dataset.prefetch import in_background, on_side_stream
from gendata.dataset.ranks import current_rank
from gendata.dataset.steps import Plan, Step
from gendata.dataset.supply import SampleSupply, Supply, supply_for
from gendata.dataset.views import check_at_least
from gendata.errors import SpecError

if TYPE_CHECKING:
    from gendata.dataset.generated import GeneratedDataset
    from gendata.dataset.mixture import Mixture

_STATE_VERSION = 1
_AHEAD = 2  # batches whose host part a thread has ready


@dataclass
class _Position:
    """Where an iteration stands."""

    epoch: int
    samples: int  # of this epoch, taken by all ranks together


class GeneratedLoader:
    """Batches of a dataset, an epoch per `for` loop: [images (N, C, H, W) float32 in [0, 1], labels (N,) int64].

    The order is a function of (seed, epoch) alone, every epoch another, and of fresh samples every epoch has its own.
    All ranks together take each sample once; ranks have equally many batches, and every one holds a sample.

    `state_dict()` says how many samples of which epoch have been handed over (what was made ahead does not count), so
    another loader goes on at that very sample, with other workers, another batch size or another number of ranks. It
    may be taken after any batch. A loop that was left early counts as an epoch: the next loop begins the next one,
    except after `load_state_dict`, which goes on with the rest of the one it was taken in.

    The frozen set is made on the host, and so are samples with workers, transforms or in pictures. Fresh samples are
    else generated on `device`: there a pixel may be one step of 255 away from the host's. On CUDA the next batch is
    made on a stream of its own while the last one is used. Images travel as uint8. No global random state is used.

    Args:
        dataset: what to read. Its `epoch` is not used; see `set_epoch` here.
        batch_size: samples per batch of this rank. The last one of an epoch may be smaller.
        shuffle: False: class after class.
        seed: of the order, 0 to 2**63 - 1.
        device: where batches go. None: the host.
        num_workers: processes that make samples; they live as long as the loader. 0: none. What transforms draw from
            torch's random numbers in them follows from `seed`, rank, worker and the sample that they begin with: a
            loader that resumes draws others than the one before would have.
        drop_last: leave out what does not fill a batch of every rank.
        rank, world_size: None: of torch.distributed or its launcher, if there is one, else 0 of 1.
        multiprocessing_context: "fork", "spawn" or "forkserver" for the workers. None: as the platform does.
        timeout_sec: of waiting for a worker's batch; 0: none.

    Raises:
        SpecError: an option out of range, no sample for some rank, or a device that is not there.
    """

    def __init__(
        self,
        dataset: GeneratedDataset | Mixture,
        *,
        batch_size: int,
        shuffle: bool = True,
        seed: int = 0,
        device: torch.device | str | None = None,
        num_workers: int = 0,
        drop_last: bool = False,
        rank: int | None = None,
        world_size: int | None = None,
        multiprocessing_context: str | None = None,
        timeout_sec: float = 0,
    ) -> None:
        for name, value, least in (("batch_size", batch_size, 1), ("seed", seed, 0), ("num_workers", num_workers, 0)):
            check_at_least(name, value, least)
        self.dataset, self.device = dataset, _checked_device(device)
        self._plan = Plan(
            length=len(dataset),
            batch_size=batch_size,
            shuffle=bool(shuffle),
            seed=seed,
            drop_last=bool(drop_last),
            rank=current_rank(rank, world_size),
        )
        self._check_length()
        self._num_workers, self._context, self._timeout_sec = num_workers, multiprocessing_context, timeout_sec
        self._position, self._resumed = _Position(0, 0), True
        self._loops = 0  # that have begun
        self._supply: Supply | None = None
        self._workers: DataLoader[Any] | None = None

    @property
    def epoch(self) -> int:
        """The epoch of the running loop; after it, of the next one."""
        return self._position.epoch

    def set_epoch(self, epoch: int) -> None:
        """The next loop begins at the start of `epoch`."""
        check_at_least("epoch", operator.index(epoch), 0)
        self._position, self._resumed = _Position(operator.index(epoch), 0), True

    def __len__(self) -> int:
        """Batches of a whole epoch, also where the next loop has only the rest of one."""
        return self._plan.num_steps

    def __iter__(self) -> Iterator[Any]:
        position = self._begun()
        number = self._loops
        steps = self._plan.steps(position.epoch, position.samples)
        for stop, batch in self._made(steps):
            position.samples = stop
            yield batch
            self._check_newest(number)
        position.epoch, position.samples = position.epoch + 1, 0

    def state_dict(self) -> dict[str, Any]:
        """Whose samples, in which order, and where it stands: a few numbers and texts, fit for JSON."""
        return {
            "version": _STATE_VERSION,
            "dataset": self.dataset.identity(),
            "shuffle": self._plan.shuffle,
            "seed": self._plan.seed,
            "epoch": self._position.epoch,
            "samples": self._position.samples,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """The next loop goes on where `state` was taken.

        Raises:
            SpecError: it is no state of a loader, or of another artifact, mode, selection, seed or order; or so little
                of the epoch is left that a rank would have no sample.
        """
        own = self.state_dict()
        if not isinstance(state, Mapping) or set(state) != set(own) or state["version"] != _STATE_VERSION:
            raise SpecError("this is no state of a loader", expected=f"what state_dict() gives: {', '.join(own)}")
        _check_same(state["dataset"], own["dataset"])
        for name in ("shuffle", "seed"):
            if state[name] != own[name]:
                raise _other(name, state[name], own[name])
        check_at_least("epoch", state["epoch"], 0)
        check_at_least("samples", state["samples"], 0)
        if state["samples"] > self._plan.length:
            raise SpecError(f"the state has taken {state['samples']} samples", expected=f"at most {self._plan.length}")
        self._plan.check(state["samples"])
        self._position, self._resumed = _Position(state["epoch"], state["samples"]), True

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_supply": None, "_workers": None}

    def __repr__(self) -> str:
        plan = self._plan
        order = f"shuffled with seed {plan.seed}" if plan.shuffle else "in order"
        where = f"rank {plan.rank.number} of {plan.rank.world_size}, " if plan.rank.world_size > 1 else ""
        return (
            f"GeneratedLoader({len(self):,} batches of {plan.batch_size} on {self.device}, {order}, {where}"
            f"epoch {self.epoch}, {self._position.samples:,} of {plan.length:,} samples taken, {self.dataset!r})"
        )

    def _check_length(self) -> None:
        if not self._plan.num_steps:
            raise SpecError(
                f"{self._plan.length} samples do not fill a batch of {self._plan.batch_size} on "
                f"{self._plan.rank.world_size} ranks",
                expected="at least one step in an epoch",
                remedy="Use a smaller batch_size, drop_last=False, or more samples: ds.fresh(num_samples=...).",
            )
        self._plan.check(0)

    def _check_newest(self, number: int) -> None:
        """Workers make one loop's batches at a time, and an older loop would take those of a newer one."""
        if self._num_workers and number != self._loops:
            raise SpecError(
                "another loop over this loader has begun", expected="one at a time where it has workers",
                remedy="Make a loader for each loop, or take num_workers=0.",
            )  # fmt: skip

    def _begun(self) -> _Position:
        if not self._resumed and self._position.samples:  # the loop before was left early
            self._position = _Position(self._position.epoch + 1, 0)
        self._loops += 1
        # An object of its own: an older iterator that is still used cannot move the state of a newer one.
        self._position, self._resumed = _Position(self._position.epoch, self._position.samples), False
        return self._position

    def _made(self, steps: Iterator[Step]) -> Iterator[tuple[int, Any]]:
        """(samples taken, batch) of each step."""
        if self.device.type != "cpu" and get_worker_info() is not None:
            raise SpecError(
                f"a DataLoader worker cannot put batches on {self.device}",
                expected='device="cpu" inside a worker',
                remedy="Iterate the loader in the main process; its own num_workers make samples on the host.",
            )
        supply = self._supplied()
        if self._num_workers:
            host: Iterator[tuple[int, Any]] = iter(self._through_workers(supply, steps))
        else:
            host = ((step.stop, supply.host(step.rows)) for step in steps)
            if self.device.type != "cpu" and supply.threaded:
                host = in_background(host, depth=_AHEAD)

        def finished(entry: tuple[int, Any]) -> tuple[int, Any]:
            return entry[0], supply.device(entry[1])

        if self.device.type == "cuda":
            return on_side_stream(host, finished, device=self.device)
        return map(finished, host)

    def _supplied(self) -> Supply:
        if self._supply is None:
            from gendata.dataset.generated import GeneratedDataset

            if isinstance(self.dataset, GeneratedDataset):
                self._supply = supply_for(self.dataset, device=self.device, in_workers=self._num_workers > 0)
            else:
                self._supply = SampleSupply(self.dataset, device=self.device)
        return self._supply

    def _through_workers(self, supply: Supply, steps: Iterator[Step]) -> DataLoader[Any]:
        if self._workers is None:
            self._workers = DataLoader(
                _HostParts(supply),
                batch_size=None,
                sampler=_Steps(),
                num_workers=self._num_workers,
                persistent_workers=True,
                pin_memory=self.device.type == "cuda",
                multiprocessing_context=self._context,
                timeout=self._timeout_sec,
                collate_fn=_as_it_is,
                # Else every epoch would draw a seed from the global one.
                generator=torch.Generator().manual_seed(_seed_of_workers(self._plan, self._position)),
            )
        self._workers.sampler.steps = steps  # type: ignore[attr-defined]
        return self._workers


def _seed_of_workers(plan: Plan, start: _Position) -> int:
    """Whence the workers' random numbers come, which transforms draw: by seed, rank and where the workers begin."""
    text = f"gendata/loader/{plan.seed}/{plan.rank.number}/{start.epoch}/{start.samples}"
    digest = hashlib.sha256(text.encode()).digest()
    return int.from_bytes(digest[:7], "big")


class _Steps:
    """A sampler that gives the steps of the epoch that is due."""

    steps: Iterator[Step] = iter(())

    def __iter__(self) -> Iterator[Step]:
        return self.steps


class _HostParts(Dataset[Any]):
    """What workers do for a step."""

    def __init__(self, supply: Supply) -> None:
        self.supply = supply

    def __getitem__(self, step: Step) -> tuple[int, Any]:
        return step.stop, self.supply.host(Rows(*step.rows))


def _as_it_is(made: Any) -> Any:
    return made


def _checked_device(device: torch.device | str | None) -> torch.device:
    try:
        chosen = torch.device("cpu" if device is None else device)
    except RuntimeError as error:
        raise SpecError(
            f"device is {device!r} ({str(error).splitlines()[0][:100]})", expected="a torch device"
        ) from None
    if chosen.type == "cuda":
        if not torch.cuda.is_available():
            raise SpecError(
                f"device is {str(chosen)!r}, and torch sees no CUDA device", expected='"cpu", or a machine with one'
            )
        if str(chosen) == "cuda":
            return torch.device("cuda", torch.cuda.current_device())
    return chosen


def _check_same(theirs: Any, own: Mapping[str, Any]) -> None:
    if not isinstance(theirs, Mapping):
        raise SpecError(f"the state's dataset is {theirs!r}", expected="what identity() gives")
    for name in (*own, *theirs):
        if theirs.get(name) != own.get(name):
            raise _other(name, theirs.get(name), own.get(name))


def _other(name: str, theirs: Any, own: Any) -> SpecError:
    return SpecError(
        f"the state is of {name} {theirs!r}",
        expected=f"{own!r}, as this loader has",
        remedy="Make the loader from the dataset, seed and order that the state was taken of.",
    )
