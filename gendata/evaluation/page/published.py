"""Numbers that others published, for the data set, protocol and network of a report."""

from __future__ import annotations

from functools import cache

import msgspec
import yaml

from gendata._resources import shipped
from gendata.spec import SampleSpec

_FILE = "published.yaml"


class Reading(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a number was read."""

    title: str
    url: str | None = None


class Point(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One number, in percent as printed."""

    accuracy: float  # percent
    std: float | None = None  # over networks; None: not printed
    ipc: int | None = None  # None: the whole data set
    bytes: int | None = None  # derived; None: not known


class Series(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one method reached, by budget."""

    data_set: str
    protocols: tuple[str, ...]  # ours that train as the published one; none: the source does not say
    network: str
    method: str
    source: tuple[str, ...]  # keys of `sources`
    points: tuple[Point, ...]
    labels: str = "hard"
    note: str = ""


class _Look(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    shape: tuple[int, int, int]
    num_classes: int


class Published(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file hub/published.yaml."""

    sources: dict[str, Reading]
    data_sets: dict[str, _Look]
    series: tuple[Series, ...]

    def comparable(self, data_set: str | None, *, protocol: str, network: str) -> tuple[Series, ...]:
        """Series of exactly this data set, protocol and network."""
        return tuple(s for s in self._of(data_set, network) if protocol in s.protocols)

    def quoted(self, data_set: str | None, *, network: str, method: str) -> Series | None:
        """A baseline's published numbers whose protocol the source does not say: for the text, never for a chart."""
        return next((s for s in self._of(data_set, network) if s.method == method and not s.protocols), None)

    def data_set_of(self, name: str, spec: SampleSpec) -> str | None:
        """Which known data set `name` (of a source, or of a repository) means; None: none whose images look so."""
        known = name.lower().rpartition("/")[2]
        look = self.data_sets.get(known)
        return known if look is not None and (look.shape, look.num_classes) == (spec.shape, spec.num_classes) else None

    def _of(self, data_set: str | None, network: str) -> list[Series]:
        return [s for s in self.series if s.data_set == data_set and s.network == network]


@cache
def published() -> Published:
    """The shipped numbers."""
    text = (shipped("hub") / _FILE).read_text(encoding="utf-8")
    return msgspec.convert(yaml.safe_load(text), Published)
