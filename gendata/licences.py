"""Licences: what the Hub calls them, and which let others share what is under them, changed."""

from __future__ import annotations

# What a card may say, from https://huggingface.co/docs/hub/repositories-licenses; left out: licences of one model
# family, and "unknown" and "other".
_HUB = {
    "afl-3.0", "agpl-3.0", "apache-2.0", "artistic-2.0", "bsd", "bsd-2-clause", "bsd-3-clause", "bsd-3-clause-clear",
    "bsl-1.0", "c-uda", "cc", "cc-by-2.0", "cc-by-2.5", "cc-by-3.0", "cc-by-4.0", "cc-by-nc-2.0", "cc-by-nc-3.0",
    "cc-by-nc-4.0", "cc-by-nc-nd-3.0", "cc-by-nc-nd-4.0", "cc-by-nc-sa-2.0", "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0",
    "cc-by-nd-4.0", "cc-by-sa-3.0", "cc-by-sa-4.0", "cc0-1.0", "cdla-permissive-1.0", "cdla-permissive-2.0",
    "cdla-sharing-1.0", "ecl-2.0", "epl-1.0", "epl-2.0", "etalab-2.0", "eupl-1.1", "gfdl", "gpl", "gpl-2.0", "gpl-3.0",
    "isc", "lgpl", "lgpl-2.1", "lgpl-3.0", "lgpl-lr", "lppl-1.3c", "mit", "mpl-2.0", "ms-pl", "ncsa", "odbl", "odc-by",
    "ofl-1.1", "openrail", "openrail++", "osl-3.0", "pddl", "postgresql", "unlicense", "wtfpl", "zlib",
}  # fmt: skip

# SPDX identifiers that the Hub spells otherwise; it has one name for all versions of some.
_HUB_NAMES = {
    "c-uda-1.0": "c-uda", "gfdl-1.1": "gfdl", "gfdl-1.2": "gfdl", "gfdl-1.3": "gfdl", "lgpllr": "lgpl-lr",
    "odbl-1.0": "odbl", "odc-by-1.0": "odc-by", "pddl-1.0": "pddl",
}  # fmt: skip

# As the Hub calls them. Those that allow it without profit are among them; those that allow no changes are not.
_SHARED = {
    "apache-2.0", "bsd-2-clause", "bsd-3-clause", "cc-by-2.0", "cc-by-2.5", "cc-by-3.0", "cc-by-4.0",
    "cc-by-nc-2.0", "cc-by-nc-3.0", "cc-by-nc-4.0", "cc-by-nc-sa-2.0", "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0",
    "cc-by-sa-3.0", "cc-by-sa-4.0", "cc0-1.0", "cdla-permissive-1.0", "cdla-permissive-2.0", "cdla-sharing-1.0",
    "isc", "mit", "mpl-2.0", "odbl", "odc-by", "pddl", "unlicense",
}  # fmt: skip

EXAMPLES = "CC0-1.0, CC-BY-4.0, CC-BY-SA-4.0 or MIT"


def hub_identifier(license: str) -> str | None:
    """What the Hub calls a licence, by its SPDX identifier ("ODC-By-1.0", in any case); None: it has no name for it."""
    name = license.strip().lower()
    name = name.removesuffix("-only").removesuffix("-or-later")  # of the GNU licences
    name = _HUB_NAMES.get(name, name)
    return name if name in _HUB else None


def allows_sharing(license: str | None) -> bool:
    """Whether images under this licence may be published again, resized or cropped. Unknown ones do not."""
    return license is not None and hub_identifier(license) in _SHARED
