"""The names by which measured rows are asked for."""

from __future__ import annotations


def option_of(row: str, mode: str) -> str:
    """What `gendata evaluate --rows` calls a row: "frozen", "fresh@10k", "random-real", "equal-bytes-real@10k".

    Args:
        row: "artifact", or a baseline.
        mode: "frozen(100)", "fresh@10k"; of a baseline "real", or "real@10k" in as many steps as `fresh@10k`.
    """
    if row == "artifact":
        return mode.partition("(")[0]
    kind, at, budget = mode.partition("@")
    return f"{row}{at}{budget}" if kind == "real" else row
