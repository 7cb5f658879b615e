from __future__ import annotations

import subprocess
import sys

import pytest

import gendata.testing


def test_every_public_name_is_found_and_listed():
    for name in gendata.testing.__all__:
        assert callable(getattr(gendata.testing, name)) and name in dir(gendata.testing)
    with pytest.raises(AttributeError, match="assert_nothing"):
        gendata.testing.assert_nothing  # noqa: B018


def test_importing_the_package_does_not_import_torch():
    code = "import gendata.testing, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
