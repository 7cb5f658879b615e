"""The Hub's names of licences."""

from __future__ import annotations

import pytest

from gendata.licences import allows_sharing, hub_identifier


@pytest.mark.parametrize(
    ("spdx", "hub"),
    [
        ("CC-BY-4.0", "cc-by-4.0"), ("CC0-1.0", "cc0-1.0"), ("MIT", "mit"),
        ("BSD-3-Clause-Clear", "bsd-3-clause-clear"),
        ("ODC-By-1.0", "odc-by"), ("ODbL-1.0", "odbl"), ("PDDL-1.0", "pddl"), ("C-UDA-1.0", "c-uda"),
        ("CDLA-Permissive-2.0", "cdla-permissive-2.0"), ("GPL-3.0-or-later", "gpl-3.0"), ("LGPL-2.1-only", "lgpl-2.1"),
        ("AGPL-3.0-only", "agpl-3.0"), ("GFDL-1.3-or-later", "gfdl"), ("etalab-2.0", "etalab-2.0"),
        ("odc-by", "odc-by"),
    ],
)  # fmt: skip
def test_a_licence_is_told_to_the_hub_in_its_own_words(spdx: str, hub: str) -> None:
    assert hub_identifier(spdx) == hub


@pytest.mark.parametrize("license", ["CC-BY-ND-2.0", "CC-BY-SA-2.0", "ODC-By-9", "other", "unknown", "", "my own"])
def test_a_licence_that_the_hub_has_no_name_for_is_not_given_another_ones(license: str) -> None:
    assert hub_identifier(license) is None


@pytest.mark.parametrize("license", ["ODC-By-1.0", "ODbL-1.0", "PDDL-1.0", "odbl", "CC-BY-SA-4.0", "Unlicense"])
def test_both_spellings_of_a_licence_that_allows_sharing_are_known(license: str) -> None:
    assert allows_sharing(license)


@pytest.mark.parametrize("license", [None, "", "CC-BY-ND-4.0", "CC-BY-NC-ND-4.0", "cc", "other"])
def test_without_a_word_that_allows_it_nothing_is_shared(license: str | None) -> None:
    assert not allows_sharing(license)
