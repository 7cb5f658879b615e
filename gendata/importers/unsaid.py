"""What neither the files nor the user say, told in one message: nobody wants to be asked one thing after the other."""

from __future__ import annotations

from types import TracebackType

from gendata.errors import SpecError


class Unsaid:
    """Collects the refusals of questions that do not depend on each other.

    ```python
    unsaid = Unsaid()
    with unsaid:
        classes = classes_of(...)
    with unsaid:
        space = space_of(...)
    unsaid.check()
    ```

    After `check` every answer is there.
    """

    def __init__(self) -> None:
        self._refused: list[SpecError] = []

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> bool:
        if isinstance(error, SpecError):
            self._refused.append(error)
        return isinstance(error, SpecError)

    def check(self) -> None:
        """Raises:
        SpecError: the one that was refused, or all of them together.
        """
        if not self._refused:
            return
        first, *others = self._refused
        if not others:
            raise first
        told = [error.what + (f" (expected {error.expected})" if error.expected else "") for error in self._refused]
        remedies = [error.remedy for error in self._refused if error.remedy]
        raise SpecError("; ".join(told), where=first.where, remedy="\n    ".join(remedies) or None)
