from __future__ import annotations

import msgspec

from gendata.evaluation.protocol import Protocol
from gendata.evaluation.protocol_text import MEANINGS, differences, settings
from gendata.evaluation.protocols import DC, DSA, MTT, PROTOCOLS


def test_every_setting_has_a_meaning_in_words() -> None:
    fields = {field.name for field in msgspec.structs.fields(Protocol)} - {"name", "status", "summary"}
    assert set(MEANINGS) == fields
    for protocol in PROTOCOLS.values():
        assert all(settings(protocol).values())


def test_differences_are_the_settings_that_differ_and_no_others() -> None:
    assert differences(DSA, DSA) == []
    found = {difference.setting: difference for difference in differences(DC, DSA)}
    assert (found["epochs, as the paper counts"].first, found["epochs, as the paper counts"].second) == ("300", "1000")
    assert "images per step" not in found


def test_of_one_function_only_the_options_that_differ_are_told() -> None:
    (augmentation,) = (d for d in differences(DSA, MTT) if d.setting == "augmentation")
    assert augmentation.first.endswith("(align_corners False)")
    assert augmentation.second.endswith("(align_corners True)")
