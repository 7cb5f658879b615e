"""Files that spare work the next time; what cannot be kept costs a warning, not what was measured."""

from __future__ import annotations

import logging
from pathlib import Path

from gendata.artifact.layout import replace_file

_log = logging.getLogger(__name__)


def keep_file(path: Path, data: bytes) -> bool:
    """Writes or replaces a file, on disk before this returns; whether there was room for it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, data)
    except OSError as error:
        _log.warning("what was measured is not kept for the next time: %s", error)
        return False
    return True
