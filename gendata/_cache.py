"""Where this machine keeps what can be made or fetched again."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder(kind: str) -> Path:
    """$GENDATA_CACHE/kind, else ~/.cache/gendata/kind. It may not exist yet."""
    return Path(os.environ.get("GENDATA_CACHE") or "~/.cache/gendata").expanduser() / kind
