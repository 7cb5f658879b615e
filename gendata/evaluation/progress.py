"""Who wants to know how far an evaluation is. The library draws nothing; the command line draws bars."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from gendata.evaluation.report import Row


class Progress(Protocol):
    """Told as things happen, from the thread that trains."""

    def begin(self, name: str, mode: str, *, steps: int) -> None:
        """A row starts; it takes `steps` optimiser steps over all its networks."""

    def advance(self, steps: int) -> None:
        """So many steps are done since the last call."""

    def end(self, row: Row) -> None:
        """The row is measured."""


class Silence:
    """Nobody wants to know."""

    def begin(self, name: str, mode: str, *, steps: int) -> None: ...

    def advance(self, steps: int) -> None: ...

    def end(self, row: Row) -> None: ...
