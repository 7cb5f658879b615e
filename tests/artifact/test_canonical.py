"""JSON has one canonical form, and its stored form holds the same."""

from __future__ import annotations

import json

import pytest

from gendata.artifact.canonical import canonical, parse_json, pretty, sha256_of
from gendata.errors import ArtifactError

VALUE = {
    "b": [1, 2.5, 1e-5, 10**20],
    "a": {"ü": '\n"', "list": list(range(60)), "empty": []},
    "c": None,
    "d": [{}] * 50,
}


def test_the_order_of_keys_does_not_matter():
    assert canonical({"b": 1, "a": 2}) == canonical({"a": 2, "b": 1}) == b'{"a":2,"b":1}'


def test_what_is_stored_reads_as_what_is_hashed():
    assert json.loads(pretty(VALUE)) == json.loads(canonical(VALUE)) == VALUE
    assert sha256_of(parse_json(pretty(VALUE), where="x")) == sha256_of(VALUE)


def test_what_is_stored_has_short_lines_where_it_can():
    assert max(map(len, pretty(VALUE).decode().splitlines())) <= 120


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {"a": float("-inf")}])
def test_numbers_that_json_does_not_have_are_refused(value):
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical(value)


def test_what_is_nested_beyond_use_is_refused():
    deep = b"[" * 65 + b"]" * 65
    assert parse_json(deep[1:-1], where="here")
    with pytest.raises(ArtifactError, match="nested deeper than 64"):
        parse_json(b"[" * 66 + b"]" * 66, where="here")
