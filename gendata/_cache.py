"""Where this machine keeps what can be made or fetched again."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def cache_folder(kind: str) -> Path:
    """$GENDATA_CACHE/kind, else gendata/kind in the system's folder of caches. It may not exist yet."""
    return Path(os.environ.get("GENDATA_CACHE") or _caches() / "gendata").expanduser() / kind


def _caches() -> Path:
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
