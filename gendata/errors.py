"""What gendata raises.

GendataError
├── RecipeError (also ValueError)         a recipe or its options
├── ArtifactError (also ValueError)       a folder that is not, or no longer, a sound artifact
│   ├── IntegrityError                    bytes that differ from what the manifest promises
│   └── UnsupportedVersionError           a format this gendata does not read
├── SpecError (also ValueError)           shapes, ranges, classes that do not agree
├── SourceError (also ValueError)         real data that is missing or cannot be read
├── UnknownNameError (also LookupError)   a name nobody registered; suggests the nearest
├── MissingExtraError (also ImportError)  a package that this activity needs
└── HubError (also OSError)               the Hub, or the way to it

Every message has four parts: what is wrong (with its value), where, what was expected, what to do.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class GendataError(Exception):
    """Base of all errors that gendata raises on purpose.

    Args:
        what: the fault with its value ("format_version is 3").
        where: path and field, as the user can find it ("runs/c10/config.json").
        expected: what would have been right ("0 to 1").
        remedy: what to do now, if possible a command.
    """

    def __init__(
        self, what: str, *, where: str | None = None, expected: str | None = None, remedy: str | None = None
    ) -> None:
        self.what, self.where, self.expected, self.remedy = what, where, expected, remedy
        head = f"{where}: {what}" if where else what
        head += f"; expected {expected}." if expected else "" if what.endswith((".", "?", "!")) else "."
        super().__init__(head + (f"\n    {remedy}" if remedy else ""))

    def __reduce__(self) -> tuple[object, ...]:
        # Exceptions travel between DataLoader workers by pickle, which forgets keyword arguments.
        return (_rebuilt, (type(self), self.what, self.where, self.expected, self.remedy))


class RecipeError(GendataError, ValueError):
    """A recipe, or an option in it, is not acceptable."""


class ArtifactError(GendataError, ValueError):
    """A folder is not a sound artifact."""


class IntegrityError(ArtifactError):
    """Bytes on disk differ from what the manifest promises."""


class UnsupportedVersionError(ArtifactError):
    """The artifact's format is newer, or older, than this gendata reads."""


class SpecError(GendataError, ValueError):
    """Shapes, ranges or classes do not agree."""


class SourceError(GendataError, ValueError):
    """Real data is missing or cannot be read."""


class UnknownNameError(GendataError, LookupError):
    """A name that nobody registered."""


class MissingExtraError(GendataError, ImportError):
    """A package that this activity needs is not installed."""


class HubError(GendataError, OSError):
    """The Hub refused, or could not be reached."""

    # OSError sets its own text from two positional arguments; we always pass one.
    def __str__(self) -> str:
        return str(self.args[0])


def unknown_name(kind: str, name: str, known: Iterable[str], *, where: str | None = None) -> UnknownNameError:
    """The error for a name nobody registered, with the nearest known names."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    remedy = f"Did you mean {' or '.join(repr(n) for n in near)}?" if near else None
    return UnknownNameError(
        f"no {kind} is called {name!r}", where=where, expected=f"one of {', '.join(names)}", remedy=remedy
    )


def _rebuilt(
    kind: type[GendataError], what: str, where: str | None, expected: str | None, remedy: str | None
) -> GendataError:
    return kind(what, where=where, expected=expected, remedy=remedy)
