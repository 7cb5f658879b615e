"""How numbers and strangers' texts are put."""

from __future__ import annotations

from collections.abc import Sequence

_MAX_CHARACTERS = 300
_UNITS = ("bytes", "kB", "MB", "GB", "TB")


def plain(text: object, *, limit: int = _MAX_CHARACTERS) -> str:
    """`text` as one line without control or format characters, cut to `limit`. No markup is escaped here."""
    line = " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def percent(fraction: float) -> str:
    """0.8392 -> "83.9"."""
    return f"{100 * fraction:.1f}"


def spread(mean: float, std: float, n: int) -> str:
    """Mean and standard deviation in percent; one network has no deviation."""
    return f"{percent(mean)} ± {percent(std)}" if n > 1 else percent(mean)


def short_bytes(count: float) -> str:
    """219204 -> "219 kB": powers of 1000, three digits."""
    value, unit = float(count), 0
    while value >= 999.5 and unit < len(_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    digits = 0 if value >= 100 or unit == 0 else 1
    return f"{value:.{digits}f}".removesuffix(".0") + f" {_UNITS[unit]}"


def counted(count: int, one: str, many: str | None = None) -> str:
    """A number with its noun: "1 network", "5 networks"."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def listed(texts: Sequence[str]) -> str:
    """An enumeration: "a, b and c"."""
    return " and ".join(filter(None, [", ".join(texts[:-1]), *texts[-1:]]))
