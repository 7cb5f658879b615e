"""JSON read strictly and written one way only, so that its hash means something."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from gendata.errors import ArtifactError

_DEEPEST = 64  # mappings and lists inside each other
_LINE = 120  # characters that a value may take before it is broken over lines


def canonical(value: Any) -> bytes:
    """The bytes that are hashed: UTF-8, keys sorted, no blanks, numbers as Python's json writes them."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8", errors="strict")


def sha256_of(value: Any) -> str:
    """Hex sha256 of the canonical form."""
    return hashlib.sha256(canonical(value)).hexdigest()


def pretty(value: Any) -> bytes:
    """The bytes that are stored: the same content for human eyes, short groups on one line."""
    return (_lines(value, "") + "\n").encode("utf-8")


def parse_json(data: bytes, *, where: str) -> Any:
    """The value in `data`; refuses what two readers could read in two ways.

    Raises:
        ArtifactError: not UTF-8 JSON, a repeated key, NaN or infinity, or nesting without end.
    """
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant)
        _check_depth(value)
        canonical(value)  # lone surrogates and infinite floats ("1e999") pass the parser and fail here
    except (ValueError, RecursionError) as error:
        raise ArtifactError(f"is not readable JSON ({error})", where=where) from None
    return value


def _check_depth(value: Any, depth: int = 0) -> None:
    """Raises ValueError for what others, which walk it in Python, could not get to the end of."""
    if depth > _DEEPEST:
        raise ValueError(f"nested deeper than {_DEEPEST}")
    if isinstance(value, (dict, list)):
        for inner in value.values() if isinstance(value, dict) else value:
            if isinstance(inner, (dict, list)):
                _check_depth(inner, depth + 1)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a key appears twice")
    return fields


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number in JSON")


def _lines(value: Any, indent: str) -> str:
    short = json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False)
    if len(indent) + len(short) <= _LINE or not isinstance(value, (dict, list, tuple)) or not value:
        return short
    deeper = indent + "  "
    if isinstance(value, dict):
        items = [f"{json.dumps(key, ensure_ascii=False)}: {_lines(value[key], deeper)}" for key in sorted(value)]
        return "{\n" + ",\n".join(deeper + item for item in items) + f"\n{indent}}}"
    return "[\n" + ",\n".join(deeper + _lines(item, deeper) for item in value) + f"\n{indent}]"
