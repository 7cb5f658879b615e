"""Which licences let others share what is under them, changed."""

from __future__ import annotations

# SPDX identifiers. Those that allow it without profit are among them; those that allow no changes are not.
_SHARED = {
    "apache-2.0", "bsd-2-clause", "bsd-3-clause", "cc-by-2.0", "cc-by-2.5", "cc-by-3.0", "cc-by-4.0",
    "cc-by-nc-2.0", "cc-by-nc-3.0", "cc-by-nc-4.0", "cc-by-nc-sa-2.0", "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0",
    "cc-by-sa-3.0", "cc-by-sa-4.0", "cc0-1.0", "cdla-permissive-1.0", "cdla-permissive-2.0", "cdla-sharing-1.0",
    "isc", "mit", "mpl-2.0", "odc-by-1.0", "odbl-1.0", "pddl-1.0", "unlicense",
}  # fmt: skip

EXAMPLES = "CC0-1.0, CC-BY-4.0, CC-BY-SA-4.0 or MIT"


def allows_sharing(license: str | None) -> bool:
    """Whether images under this licence may be published again, resized or cropped. Unknown ones do not."""
    return license is not None and license.strip().lower() in _SHARED
