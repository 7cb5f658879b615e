"""A token is shown nowhere: in no message, no traceback, no log."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from typing import Any

import pytest

import gendata
from gendata.errors import HubError
from gendata.fetch import shipped_folder
from gendata.hub_access import HubAccess, ask, without_secrets

SECRET = "hf_veryS3cretVeryS3cret"


def told(error: BaseException) -> str:
    return "".join(traceback.format_exception(error)) + repr(error)


def test_whatever_fails_the_token_is_not_told(
    hub: Any, loopback: Any, load: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    hub.seed("org/secret", {"README.md": b""}, private=True)
    hub.seed("org/other", {"README.md": b""})
    for fault in (None, loopback.Fault(".", status=500, times=9), loopback.Fault(".", status=403, times=9)):
        hub.faults[:] = [fault] if fault else []
        for name in ("org/secret", "org/other", "org/other@v9"):
            with pytest.raises(HubError) as caught:
                load(name, token=SECRET)
            assert SECRET not in told(caught.value)
    with pytest.raises(HubError) as caught:
        gendata.push_to_hub(shipped_folder("digits"), "org/new", token=SECRET, endpoint=hub.url)
    assert SECRET not in told(caught.value)
    assert caplog.text
    assert SECRET not in caplog.text


@pytest.mark.parametrize("token", [SECRET + "\n", SECRET + " x", SECRET + "é", ""])
def test_a_token_that_cannot_be_sent_is_refused_before_the_client_quotes_it(token: str) -> None:
    with pytest.raises(HubError, match=f"a token of {len(token)} characters") as caught:
        gendata.load_condensed("org/digits", token=token, endpoint="http://127.0.0.1:9")
    assert SECRET not in told(caught.value)


def test_what_the_client_quotes_is_cut_out() -> None:
    access = HubAccess(token="another-kind-of-token")
    quoted = "Illegal header value b'Bearer another-kind-of-token' or hf_abcDEF012345 for https://me:pw@hub.example/x"
    shown = without_secrets(quoted, access)
    assert not any(secret in shown for secret in ("another-kind", "abcDEF", "me:pw"))
    assert "another-kind" not in repr(access)

    def quotes() -> None:
        raise ConnectionError(quoted)

    with pytest.raises(HubError, match="cannot be reached") as caught:
        ask(quotes, access, where="org/digits")
    assert not any(secret in told(caught.value) for secret in ("another-kind-of", "abcDEF", "me:pw"))
