"""Files that `torch.save` wrote, read by a process that could do no harm; see `_pickle_child.py`."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import safetensors.torch
from torch import Tensor

from gendata.errors import SourceError
from gendata.importers._pickle_child import FAULT, TENSORS, TREE

MAX_FILE_BYTES = 4 << 30
TIMEOUT_S = 600

_SPARE_BYTES = 256 << 20  # beside some copies of the file: what reading itself takes
_MAX_ENTRIES = 100_000  # of a zip
# The child's path is set before anything is imported, so that no file beside the user's can stand for a module.
_START = (
    "import json, sys; a = json.loads(sys.argv[1]); sys.path[:] = a.pop('path'); "
    "from gendata.importers._pickle_child import main; main(a.pop('file'), a.pop('out'), **a)"
)


def read_pickle(path: Path) -> Any:
    """What `torch.save` wrote into `path`: dicts, lists, numbers, texts and tensors on the host; tuples as lists.

    Anything else in it, NumPy's scalars for one, comes as None.

    Raises:
        SourceError: it needs other code to be read, too much memory for its size, or too long; or it is no such file.
    """
    size = _checked_size(path)
    if importlib.util.find_spec("resource") is None:
        raise SourceError(
            "is a pickle, and this system cannot limit the memory of a process", where=str(path),
            remedy="Read it on Linux or macOS.",
        )  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="gendata-import-") as out:
        limits = {"max_memory": 6 * size + _SPARE_BYTES, "max_tensors": 2 * size + (1 << 20)}
        _run_child({"path": _module_path(), "file": str(path.resolve()), "out": out, **limits}, path)
        tree = json.loads((Path(out) / TREE).read_text(encoding="utf-8"))
        tensors = safetensors.torch.load((Path(out) / TENSORS).read_bytes())
    return _value(tree, tensors)


def _checked_size(path: Path) -> int:
    if not path.is_file():
        raise SourceError("no such file", where=str(path), expected="a file that torch.save wrote")
    size = path.stat().st_size
    if size > MAX_FILE_BYTES:
        raise SourceError(f"has {size} bytes", where=str(path), expected=f"at most {MAX_FILE_BYTES}")
    if zipfile.is_zipfile(path):
        _check_zip(path, size)
    return size


def _check_zip(path: Path, size: int) -> None:
    """torch stores, it does not compress: what would grow on being read was made to."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError) as error:
        raise SourceError(f"is a damaged zip ({error})", where=str(path), remedy="Fetch it again.") from None
    unpacked = sum(entry.file_size for entry in entries)
    packed = any(entry.compress_type != zipfile.ZIP_STORED for entry in entries)
    if packed or unpacked > size or len(entries) > _MAX_ENTRIES:
        raise SourceError(
            f"is a zip of {size} bytes that unpacks to {unpacked} in {len(entries)} entries",
            where=str(path), expected="what torch.save writes: stored entries, not compressed ones",
        )  # fmt: skip


def _module_path() -> list[str]:
    """Where the child finds modules: as here, but never the folder it happens to stand in."""
    return [str(Path(__file__).parents[2]), *(entry for entry in sys.path if entry)]


def _run_child(arguments: dict[str, Any], path: Path) -> None:
    command = [sys.executable, "-I", "-c", _START, json.dumps(arguments)]
    try:
        done = subprocess.run(
            command, env={**os.environ, "OMP_NUM_THREADS": "1"}, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, timeout=TIMEOUT_S, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise SourceError(f"was not read within {TIMEOUT_S} s", where=str(path), remedy=_ASK) from None
    fault = Path(arguments["out"]) / FAULT
    if fault.exists():
        raise _refusal(json.loads(fault.read_text(encoding="utf-8")), path)
    if done.returncode:
        raise SourceError(
            f"ended the process that read it (exit code {done.returncode})", where=str(path),
            expected=f"a file that is read in {arguments['max_memory']} bytes of memory", remedy=_ASK,
        )  # fmt: skip


_ASK = (
    "Ask its publisher for the tensors alone: safetensors.torch.save_file({'images': images, 'labels': labels}, ...), "
    "or torch.save of them without other objects."
)


def _refusal(fault: dict[str, str], path: Path) -> SourceError:
    message = fault["message"]
    named = re.search(r"(?:GLOBAL|class|function) ([\w.<>' -]{1,120})", message)
    if fault["kind"] == "memory":
        what = "takes far more memory than its size"
    elif fault["kind"] == "UnpicklingError" and "GLOBAL" in message and named:
        what = f"needs {named[1].split(' ')[0]}; of pickles only tensors, plain containers and NumPy scalars are read"
    elif fault["kind"] == "Refused":
        what = message
    else:
        what = f"cannot be read as tensors and plain containers ({fault['kind']}: {' '.join(message.split())[:200]})"
    return SourceError(what, where=str(path), remedy=_ASK)


def _value(node: Any, tensors: dict[str, Tensor]) -> Any:
    kind, content = node
    if kind == "dict":
        return {key: _value(item, tensors) for key, item in content}
    if kind == "list":
        return [_value(item, tensors) for item in content]
    return tensors[content] if kind == "tensor" else content if kind == "value" else None
