"""How the Hub is asked: with patience, and its refusals told in our words. Imports no client.

What the client raises is known by the names of its classes: it has changed its HTTP library, and with that the modules
they live in, more than once.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from gendata.errors import GendataError, HubError

_log = logging.getLogger(__name__)
_WAITS_SEC = (1.0, 2.0, 4.0)  # before the second, third and fourth attempt; the client repeats few things itself
_TRANSIENT_STATUS = (408, 429, 500, 502, 503, 504)
_LOST_CONNECTION = {"TransportError", "TimeoutException", "ConnectionError", "TimeoutError"}
_OFFLINE = {"OfflineModeIsEnabled", "LocalEntryNotFoundError", "RevisionResolutionError"}
_WRAPPERS = {"LocalEntryNotFoundError", "RevisionResolutionError", "RuntimeError", "ValueError"}

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class HubAccess:
    """How the Hub is reached; names as in `huggingface_hub`."""

    cache_dir: str | Path | None = None  # None: the client's cache ($HF_HUB_CACHE)
    token: str | bool | None = None  # None: the one that was logged in with; False: none
    local_files_only: bool = False  # nothing is asked of the network
    force_download: bool = False  # what the cache holds is fetched again
    endpoint: str | None = None  # None: $HF_ENDPOINT, else the public Hub

    def __repr__(self) -> str:
        return f"HubAccess(endpoint={self.endpoint!r})"  # never the token

    def check(self) -> None:
        """Raises HubError if the token could not be sent; the client would quote it in its own message."""
        if isinstance(self.token, str) and not re.fullmatch(r"[!-~]+", self.token):
            raise HubError(
                f"a token of {len(self.token)} characters is empty, or holds blanks or others that no token has",
                expected="a token of the Hub",
                remedy="Log in again: hf auth login",
            )


def ask(call: Callable[[], T], access: HubAccess, *, where: str, again: bool = True) -> T:
    """The answer to a call of the client, repeated with growing pauses while what fails may pass.

    Args:
        call: what to do.
        access: how the Hub is reached.
        where: what is asked for, as messages call it.
        again: whether it may be done more than once.

    Raises:
        HubError: it failed; neither message nor traceback holds a token.
    """
    for wait in (*(_WAITS_SEC if again else ()), None):
        try:
            return call()
        except GendataError:
            raise
        except Exception as error:
            fault = root_of(error)
        if wait is None or not is_transient(fault):
            break
        _log.warning("%s: %s; trying again in %g s", where, _brief(fault), wait)
        time.sleep(wait)
    # Raised out here, where no exception is being handled: what the client raised may quote a header with the token.
    told = _told(fault, access, where=where)
    raise fault if told is None else told


def root_of(error: BaseException) -> BaseException:
    """What really failed: the client wraps some faults in a guess."""
    while _kinds(error) & _WRAPPERS and "HfHubHTTPError" not in _kinds(error) and error.__cause__ is not None:
        error = error.__cause__
    return error


def is_transient(fault: BaseException) -> bool:
    """Whether the same call may succeed in a moment."""
    kinds = _kinds(fault)
    if "HfHubHTTPError" in kinds:
        return status_of(fault) in _TRANSIENT_STATUS
    if kinds & _OFFLINE:
        return False
    return bool(kinds & _LOST_CONNECTION) or "Consistency check failed" in str(fault)  # fewer bytes than announced


def is_missing(error: BaseException) -> bool:
    """Whether the Hub knows no such repository, or does not say that it does."""
    return "RepositoryNotFoundError" in _kinds(root_of(error)) and "GatedRepoError" not in _kinds(root_of(error))


def status_of(fault: BaseException) -> int | None:
    """The HTTP status that the Hub answered with, if it answered."""
    status: int | None = getattr(getattr(fault, "response", None), "status_code", None)
    return status


def without_secrets(text: str, access: HubAccess) -> str:
    """`text` on one line, without a token or a password."""
    text = " ".join(text.split())
    if isinstance(access.token, str):
        text = text.replace(access.token, "***")
    text = re.sub(r"\bhf_\w+", "hf_***", text)
    text = re.sub(r"(?i)\b(bearer|basic)\s+[^\s'\"]+", r"\1 ***", text)
    return re.sub(r"//[^/@\s]+@", "//***@", text)[:500]


def _told(fault: BaseException, access: HubAccess, *, where: str) -> HubError | None:
    """The error that a user reads; None: not of the Hub, a fault of the program."""
    kinds, message = _kinds(fault), without_secrets(str(fault), access)
    if "GatedRepoError" in kinds:
        return HubError("is gated, and this login has no access", where=where, remedy="Ask for it on its page.")
    if "RepositoryNotFoundError" in kinds:
        return HubError(
            "no such data set, or a private one that this login may not see",
            where=where,
            expected="a data set repository: org/name",
            remedy="Check the name. For a private one log in, hf auth login, or give a token that may read it.",
        )
    if "RevisionNotFoundError" in kinds:
        return HubError(
            "has no such revision",
            where=where,
            expected="a commit, tag or branch of the repository",
            remedy="Leave the revision out for the newest; the repository's page lists them.",
        )
    if kinds & _OFFLINE:
        return HubError(
            "is not in the cache, or only in part, and the network is switched off",
            where=where,
            remedy="Load it once with a network: without local_files_only and HF_HUB_OFFLINE.",
        )
    if "HFValidationError" in kinds:
        return HubError(f"is no name of a repository ({message})", where=where, expected="org/name")
    if "HfHubHTTPError" in kinds:
        return _refused(status_of(fault), message, where=where)
    if kinds & _LOST_CONNECTION or isinstance(fault, OSError):
        return HubError(
            f"cannot be reached, or its cache not written ({type(fault).__name__}: {message})",
            where=where,
            remedy="Check network and disk. What was loaded once opens without a network.",
        )
    return None


def _refused(status: int | None, message: str, *, where: str) -> HubError:
    if status in (401, 403):
        return HubError(
            f"the Hub refuses (HTTP {status}): nobody is logged in, or this login may not do that",
            where=where,
            remedy="Log in with a token that may: hf auth login",
        )
    if status in _TRANSIENT_STATUS:
        return HubError(f"the Hub is not available (HTTP {status})", where=where, remedy="Try again later.")
    return HubError(f"the Hub refuses (HTTP {status}: {message})", where=where)


def _kinds(fault: BaseException) -> set[str]:
    return {kind.__name__ for kind in type(fault).__mro__}


def _brief(fault: BaseException) -> str:
    status = status_of(fault)
    return f"HTTP {status}" if status else type(fault).__name__
