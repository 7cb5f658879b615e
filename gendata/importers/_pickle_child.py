"""Reads one file that `torch.save` wrote, in a process of its own that may take little memory and run little code.

Run by `pickles.py`. torch's restricted unpickler makes tensors and plain containers, nothing else; the NumPy scalars
that DC's files hold are made by the stand-ins below, so that no state of a stranger's reaches NumPy. What was read goes
back as a safetensors file and a JSON description.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

TREE, TENSORS, FAULT = "tree.json", "tensors.safetensors", "fault.json"

_MAX_NODES, _MAX_DEPTH = 200_000, 32
_MAX_TEXT = 4096  # characters of one text


class _Dtype:
    """In the place of numpy.dtype: takes whatever state it is given, and keeps none."""

    def __init__(self, *args: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass


def _scalar(*args: Any) -> None:
    """In the place of numpy's scalar: a measured accuracy, which nobody needs."""
    return None


class Refused(Exception):
    """What was read is not handed back."""


class Flattened:
    """A tree of containers as JSON data, and the tensors it names by number."""

    def __init__(self, *, max_bytes: int) -> None:
        self.tensors: dict[str, Any] = {}
        self._left, self._nodes = max_bytes, 0

    def node(self, value: Any, depth: int = 0) -> Any:
        """`value` as [kind, content].

        Raises:
            Refused: too deep, too many parts, or a tensor with more values than the file can hold.
        """
        import torch

        self._nodes += 1
        if depth > _MAX_DEPTH or self._nodes > _MAX_NODES:
            raise Refused(f"nested deeper than {_MAX_DEPTH} or more than {_MAX_NODES} parts")
        if isinstance(value, torch.Tensor):
            return self._tensor(value)
        if isinstance(value, dict):
            entries = [(key, item) for key, item in value.items() if isinstance(key, (str, int))]
            return ["dict", [[key, self.node(item, depth + 1)] for key, item in entries]]
        if isinstance(value, (list, tuple)):
            return ["list", [self.node(item, depth + 1) for item in value]]
        if isinstance(value, str):
            return ["value", value[:_MAX_TEXT].encode("utf-8", "replace").decode()]
        if value is None or isinstance(value, (bool, int)) or (isinstance(value, float) and math.isfinite(value)):
            return ["value", value]
        return ["other", type(value).__name__]

    def _tensor(self, value: Any) -> Any:
        import torch

        kinds = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.bool)
        if value.layout != torch.strided or not (value.dtype in kinds or value.dtype.is_floating_point):
            return ["other", f"tensor of {value.dtype}, {value.layout}"]
        num_bytes = value.numel() * value.element_size()
        self._left -= num_bytes  # before anything is copied: a shape may repeat a few values for ever
        if self._left < 0:
            raise Refused(f"a tensor of shape {list(value.shape)[:8]} takes more bytes than the file has")
        name = str(len(self.tensors))
        self.tensors[name] = value.detach().clone(memory_format=torch.contiguous_format)
        return ["tensor", name]


def main(path: str, out: str, *, max_memory: int, max_tensors: int) -> None:
    """Reads `path`; writes tree and tensors, or the fault, into the folder `out`.

    Args:
        path, out: a file; an empty folder.
        max_memory: bytes that reading may take, beyond what torch's own code has taken.
        max_tensors: bytes that the tensors may have.
    """
    import safetensors.torch
    import torch

    folder = Path(out)
    _limit(max_memory)
    try:
        with torch.serialization.safe_globals([*_stand_ins()]):
            tree = torch.load(path, map_location="cpu", weights_only=True)
        flattened = Flattened(max_bytes=max_tensors)
        text = json.dumps(flattened.node(tree))
        safetensors.torch.save_file(flattened.tensors, folder / TENSORS)
        (folder / TREE).write_text(text, encoding="utf-8")
    except Exception as error:  # whatever it is, it is the file's fault, and told
        kind = "memory" if isinstance(error, MemoryError) or "alloc" in str(error) else type(error).__name__
        (folder / FAULT).write_text(json.dumps({"kind": kind, "message": str(error)[:4000]}), encoding="utf-8")
        sys.exit(3)


def _stand_ins() -> list[Any]:
    """(stand-in, name in the pickle), for old and new names of NumPy's modules."""
    dtypes = ("Float16DType", "Float32DType", "Float64DType", "Int32DType", "Int64DType")
    return [
        (_scalar, "numpy.core.multiarray.scalar"),
        (_scalar, "numpy._core.multiarray.scalar"),
        (_Dtype, "numpy.dtype"),
        *((_Dtype, f"numpy.dtypes.{name}") for name in dtypes),
    ]


def _limit(max_memory: int) -> None:
    """Memory beyond what torch's own code has taken, files, processor time, and no core file."""
    import resource

    statm = Path("/proc/self/statm")
    taken = int(statm.read_text().split()[0]) * resource.getpagesize() if statm.exists() else 2**33
    for what, most in (
        (resource.RLIMIT_AS, taken + max_memory),
        (resource.RLIMIT_FSIZE, max_memory),
        (resource.RLIMIT_CPU, 600),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(what)[1]
        resource.setrlimit(what, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))
