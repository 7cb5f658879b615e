"""Float32 that is float32, and the same bits twice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch


@contextmanager
def full_float32(device: torch.device) -> Iterator[None]:
    """No TF32 or bfloat16 inside float32 operations whatever the user set, and on CUDA no algorithm that varies.

    cuDNN computes float32 convolutions in TF32, of ten bits, unless it is told otherwise.
    """
    own: Any = torch.backends  # its stubs do not know the operations
    operations = {"cpu": (own.mkldnn.matmul, own.mkldnn.conv), "cuda": (own.cuda.matmul, own.cudnn.conv)}
    with ExitStack() as undo:
        for operation in operations.get(device.type, ()):
            if operation.fp32_precision not in ("none", "ieee"):  # "none" is float32 as well
                _set(undo, operation, "fp32_precision", "ieee")
        if device.type == "cuda":
            _set(undo, torch.backends.cudnn, "benchmark", False)
            _set(undo, torch.backends.cudnn, "deterministic", True)
        yield


def _set(undo: ExitStack, owner: Any, name: str, value: object) -> None:
    undo.callback(setattr, owner, name, getattr(owner, name))
    setattr(owner, name, value)
