"""A list that makes its items when it is first looked at."""

from __future__ import annotations

import functools
from abc import abstractmethod
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

T = TypeVar("T")

# Every method of list that reads or changes items.
_TOUCHING = (
    *("__add__", "__contains__", "__delitem__", "__eq__", "__ge__", "__getitem__", "__gt__", "__iadd__", "__imul__"),
    *("__iter__", "__le__", "__len__", "__lt__", "__mul__", "__ne__", "__repr__", "__reversed__", "__rmul__"),
    *(
        "__setitem__",
        "append",
        "clear",
        "copy",
        "count",
        "extend",
        "index",
        "insert",
        "pop",
        "remove",
        "reverse",
        "sort",
    ),
)


class DeferredList(list[T]):
    """A true list to everyone who reads or changes it; costs nothing to those who know a shorter way."""

    touched = False  # somebody has looked at the items, and may have changed them

    @abstractmethod
    def _items(self) -> Iterable[T]:
        """The items, asked for at most once."""

    def __radd__(self, other: list[T]) -> list[T]:
        # Python asks here before list.__add__(other, self), which would see the items that are not made yet.
        self._touch()
        return [*other, *self] if isinstance(other, list) else NotImplemented

    def _touch(self) -> None:
        if not self.touched:
            self.touched = True
            list.extend(self, self._items())


def _touching(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def touch_first(self: DeferredList[Any], *args: Any, **options: Any) -> Any:
        for looked_at in (self, *args):  # `batch + batch`, `batch == batch`: list reads both without asking
            if isinstance(looked_at, DeferredList):
                looked_at._touch()
        return method(self, *args, **options)

    return touch_first


for _name in _TOUCHING:
    setattr(DeferredList, _name, _touching(getattr(list, _name)))
