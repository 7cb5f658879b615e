"""Networks without contents: shapes are all they have, so that even an absurd one costs nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

_DRAWS = frozenset({"normal_", "uniform_", "trunc_normal_"})


@contextmanager
def outline() -> Iterator[None]:
    """Modules made inside are on the meta device; torch's global generator is afterwards as it was."""
    with torch.random.fork_rng(devices=[]), torch.device("meta"), _Undrawn():
        yield


class _Undrawn(TorchFunctionMode):
    """Leaves out first weights. On the meta device a normal draw changes nothing, but torch 2.15 loads its compiler for
    the first one: 3 s on two cores.
    """

    def __torch_function__(
        self, function: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        target = kwargs.get("tensor", args[0] if args else None)
        named = getattr(function, "__name__", "")
        draws = named in _DRAWS or getattr(function, "__module__", "") == "torch.nn.init"
        if draws and isinstance(target, Tensor) and target.is_meta:
            return target
        return function(*args, **kwargs)
