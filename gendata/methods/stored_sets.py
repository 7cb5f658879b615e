"""Stored sets whose codes are moved when the generator is done, and what judges how well each of them teaches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import starmap
from typing import NamedTuple, TypeAlias, cast

from torch import nn

from gendata.augmentation.dsa import Dsa
from gendata.errors import SpecError
from gendata.methods.draws import keyed_seed
from gendata.methods.expert_trajectories import ExpertTrajectories
from gendata.methods.generative_config import GenerativeConfig
from gendata.methods.method import RealData, Stage
from gendata.methods.set_gradients import GradientConfig, SetGradients
from gendata.methods.set_trajectories import SetTrajectories, TrajectoryConfig
from gendata.methods.unrolled_students import UnrollConfig, UnrolledStudents

SetJudge: TypeAlias = SetGradients | SetTrajectories | UnrolledStudents
_SetConfig: TypeAlias = GradientConfig | TrajectoryConfig | UnrollConfig
EXPERTS = "experts"  # name of their stage


class _Kind(NamedTuple):
    option: str  # of the method
    stage: str  # and the images per class
    loss: str
    betas: tuple[float, float]  # of adam


_KINDS = (  # in the order of their stages
    _Kind("gradients", "gradient", "gradient", (0.5, 0.99)),
    _Kind("unroll", "unroll", "real cross entropy", (0.9, 0.99)),
    _Kind("trajectories", "trajectory", "trajectory", (0.9, 0.99)),
)


@dataclass(frozen=True, kw_only=True)
class StoredSet:
    """The images of the first `ipc` codes of every class, and the stage that moves them."""

    stage: Stage
    loss: str  # name of what the judge gives
    judge: SetJudge
    kept: int  # codes of every class that stay as they are: those of the set before
    ipc: int
    rounded_share: float | None  # of the stage's steps, the last: codes as stored; None: the method's

    @property
    def follows_experts(self) -> bool:
        """Whether it is judged by where experts went."""
        return isinstance(self.judge, SetTrajectories)

    @property
    def learned(self) -> list[nn.Parameter]:
        """What the stage moves beside codes."""
        return [self.judge.log_lr] if isinstance(self.judge, SetTrajectories) else []


class StoredSets(nn.Module):
    """Judges of the sets that a recipe names, and the experts that some of them compare with.

    Args:
        config: the method's; `gradients`, `unroll`, `trajectories` and `experts` are read.
        real: what the sets stand for.
        augment: of the images that networks see.
        seed: of everything that is drawn.

    Raises:
        SpecError: an architecture that a judge cannot work with.
    """

    def __init__(self, config: GenerativeConfig, *, real: RealData, augment: Dsa, seed: int) -> None:
        super().__init__()
        self._config = config
        imitated = config.experts.network or config.network
        self.experts: ExpertTrajectories | None = None
        if config.trajectories:
            self.experts = ExpertTrajectories(config.experts, network=imitated, real=real, augment=augment, seed=seed)

        def judge(number: int, entry: _SetConfig) -> SetJudge:
            own = keyed_seed(seed, "stored set", number)  # no two sets of a kind are moved by the same draws
            if isinstance(entry, GradientConfig):
                network = entry.network or config.network
                return SetGradients(entry, network=network, real=real, augment=augment, seed=own)
            if isinstance(entry, UnrollConfig):
                return UnrolledStudents(entry, network=config.network, real=real, augment=augment, seed=own)
            assert self.experts is not None
            return SetTrajectories(entry, network=imitated, experts=self.experts, real=real, augment=augment, seed=own)

        self.judges = nn.ModuleDict(
            {kind.option: nn.ModuleList(starmap(judge, enumerate(getattr(config, kind.option)))) for kind in _KINDS}
        )

    def stages(self, *, ipc: int, num_codes: int) -> list[Stage]:
        """Those that move sets, and the experts' before the first that compares with them; see `sets`."""
        stages, c = [], self._config.experts
        experts = Stage(
            name=EXPERTS, num_steps=c.num_steps, lr=c.lr, final_lr_share=1.0, optimiser="sgd", averaged=False
        )
        for moved in self.sets(ipc=ipc, num_codes=num_codes):
            if moved.follows_experts and experts not in stages:
                stages.append(experts)
            stages.append(moved.stage)
        return stages

    def sets(self, *, ipc: int, num_codes: int) -> Iterator[StoredSet]:
        """In the order in which they are moved.

        Args:
            ipc: of entries that do not name their own.
            num_codes: of every class.

        Raises:
            SpecError: sets of a kind that do not grow, or that there are too few codes for.
        """
        for kind in _KINDS:
            entries: Sequence[_SetConfig] = getattr(self._config, kind.option)
            sizes = _sizes(entries, kind, ipc=ipc, num_codes=num_codes)
            judges = cast(Iterable[SetJudge], self.judges[kind.option])
            for entry, judge, kept, size in zip(entries, judges, [0, *sizes][:-1], sizes, strict=True):
                yield StoredSet(
                    stage=Stage(name=f"{kind.stage}-{size}", num_steps=entry.steps, lr=entry.lr, betas=kind.betas),
                    loss=kind.loss,
                    judge=judge,
                    kept=kept,
                    ipc=size,
                    rounded_share=getattr(entry, "rounded_share", None),
                )


def _sizes(entries: Sequence[_SetConfig], kind: _Kind, *, ipc: int, num_codes: int) -> list[int]:
    """Images per class of each."""
    sizes = [entry.ipc or ipc for entry in entries]
    if sizes != sorted(set(sizes)) or max(sizes, default=0) > num_codes:
        raise SpecError(
            f"sets of {sizes} images per class", where=f"method generative: {kind.option}",
            expected=f"sizes that rise, up to the {num_codes} codes of a class",
        )  # fmt: skip
    return sizes
