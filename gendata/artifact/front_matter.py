"""README.md as the Hub wants it: metadata in YAML at the top, our block between two marks, and everybody's own words.

Whoever owns the repository may write what they like around the block and add metadata of their own; only our keys and
the block change when the artifact is published again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from gendata.errors import ArtifactError

# By their beginnings: what a mark says besides may change from one gendata to the next.
_BEGIN = re.compile(r"^<!-- gendata:begin\b.*?-->", re.MULTILINE)
_END = re.compile(r"^<!-- gendata:end\b.*?-->", re.MULTILINE)
_FRONT = re.compile(r"\A\s*---[ \t]*\n(?P<yaml>.*?)^---[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE)


class Readme:
    """A README.md, taken apart.

    Args:
        text: as it is; empty: there is none.
        where: how messages call it.

    Raises:
        ArtifactError: its metadata cannot be read, or one of our marks is missing.
    """

    def __init__(self, text: str, *, where: str) -> None:
        self._newline = "\r\n" if "\r\n" in text else "\n"
        text = text.removeprefix("\ufeff").replace("\r\n", "\n")
        found = _FRONT.match(text)
        self._yaml = found["yaml"] if found else ""
        self._body = text[found.end() :] if found else text
        self.metadata = _parsed(self._yaml, where=where)
        self._span = _span(self._body, where=where)

    def with_ours(self, metadata: Mapping[str, Any], block: str) -> str:
        """The text with these keys and this block, the rest as it was.

        Args:
            metadata: our keys, None for one that goes; the others stay as they are written.
            block: Markdown with its two marks.
        """
        body = self._body
        if self._span is not None:
            body = body[: self._span[0]] + block + body[self._span[1] :]
        else:
            body = f"{body.rstrip()}\n\n{block}\n" if body.strip() else f"\n{block}\n"
        text = f"---\n{_with_keys(self._yaml, self.metadata, metadata)}---\n{body}"
        return text.replace("\n", self._newline)


def _span(body: str, *, where: str) -> tuple[int, int] | None:
    """Where our block begins and ends; None: there is none."""
    begins, ends = list(_BEGIN.finditer(body)), list(_END.finditer(body))
    if not begins and not ends:
        return None
    if len(begins) != 1 or len(ends) != 1 or begins[0].end() > ends[0].start():
        raise ArtifactError(
            f"has {len(begins)} marks where gendata's block begins and {len(ends)} where it ends, or in another order",
            where=where,
            expected="one of each, or none",
            remedy="Restore the missing mark, or remove the others: then the block is written at the end.",
        )
    return begins[0].start(), ends[0].end()


def _parsed(text: str, *, where: str) -> dict[str, Any]:
    import yaml

    try:
        metadata = yaml.safe_load(text)
    except yaml.YAMLError as error:
        told = " ".join(str(error).split())[:300]
        raise ArtifactError(
            f"its metadata is not readable YAML ({told})", where=where, remedy="Mend what is between the two lines ---."
        ) from None
    if metadata is not None and not isinstance(metadata, dict):
        raise ArtifactError(f"its metadata is a {type(metadata).__name__}", where=where, expected="names with values")
    return metadata or {}


def _with_keys(text: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """YAML in which `new` replaces or follows what is there; where that can be done, all other lines stay as typed."""
    result = text if not text or text.endswith("\n") else text + "\n"
    for key, value in new.items():
        if old.get(key) == value:
            continue
        lines = "" if value is None else _dumped({key: value})
        # From the key to the next line that is neither indented nor an item of its list.
        typed = rf"^(['\"]?){re.escape(key)}\1[ \t]*:.*\n(?:\n*[ \t-].*\n)*"
        found = re.search(typed, result, re.MULTILINE)
        start, stop = found.span() if found else (len(result), len(result))
        result = result[:start] + lines + result[stop:]
    wanted = {key: value for key, value in {**old, **new}.items() if value is not None or key not in new}
    try:
        if _parsed(result, where="") == wanted:
            return result
    except ArtifactError:
        pass
    return _dumped(wanted)  # an unusual way of writing: right before pretty


def _dumped(values: Mapping[str, Any]) -> str:
    import yaml

    text: str = yaml.safe_dump(dict(values), sort_keys=False, allow_unicode=True, width=1 << 20)
    return text
