"""The exception tree: four parts, bases that callers know, and travel between processes."""

from __future__ import annotations

import pickle

import pytest

from gendata import errors
from gendata.errors import GendataError, HubError, unknown_name

ALL = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, GendataError)]


def test_a_message_says_what_where_what_was_expected_and_what_to_do() -> None:
    error = GendataError("ipc is 0", where="x.yaml: artifact", expected="at least 1", remedy="Write ipc: 1")
    assert str(error) == "x.yaml: artifact: ipc is 0; expected at least 1.\n    Write ipc: 1"


def test_parts_that_are_not_given_leave_no_trace() -> None:
    assert str(GendataError("the disk is full")) == "the disk is full."
    assert str(GendataError("what now?")) == "what now?"


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_every_error_survives_a_pickle_with_all_its_parts(kind: type[GendataError]) -> None:
    error = kind("is broken", where="here", expected="whole", remedy="mend it")
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is kind
    assert str(copy) == str(error) == "here: is broken; expected whole.\n    mend it"
    assert (copy.what, copy.where, copy.expected, copy.remedy) == ("is broken", "here", "whole", "mend it")


@pytest.mark.parametrize(
    ("kind", "builtin"),
    [
        (errors.RecipeError, ValueError),
        (errors.IntegrityError, ValueError),
        (errors.UnsupportedVersionError, errors.ArtifactError),
        (errors.SpecError, ValueError),
        (errors.SourceError, ValueError),
        (errors.UnknownNameError, LookupError),
        (errors.MissingExtraError, ImportError),
        (errors.HubError, OSError),
    ],
)
def test_each_error_is_also_the_builtin_that_callers_already_catch(kind: type, builtin: type) -> None:
    assert issubclass(kind, builtin)


def test_an_os_error_keeps_our_message() -> None:
    error = HubError("the Hub cannot be reached", remedy="Check the network.")
    assert str(error) == "the Hub cannot be reached.\n    Check the network."
    assert error.errno is None


def test_the_tree_in_the_docstring_names_every_error() -> None:
    assert errors.__doc__ is not None
    assert all(kind.__name__ in errors.__doc__ for kind in ALL)


def test_an_unknown_name_suggests_the_nearest() -> None:
    error = unknown_name("generator", "conv-decode", ["conv-decoder", "pixel-bank"], where="x.yaml")
    assert str(error) == (
        "x.yaml: no generator is called 'conv-decode'; expected one of conv-decoder, pixel-bank.\n"
        "    Did you mean 'conv-decoder'?"
    )


def test_a_name_that_resembles_nothing_gets_no_suggestion() -> None:
    assert unknown_name("generator", "zzz", ["conv-decoder"]).remedy is None
