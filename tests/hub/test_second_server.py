"""Loading from a server that others wrote: olah (PyPI, MIT), which serves git repositories and takes no uploads.

Optional: it runs where `olah-cli` is on the PATH or $OLAH_CLI names it. Install it apart from gendata, whose packages
it wants in other versions: `python -m venv olah && olah/bin/pip install olah`.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import gendata
from gendata.fetch import pull_artifact, shipped_folder
from gendata.hub_access import HubAccess

OLAH = os.environ.get("OLAH_CLI") or shutil.which("olah-cli")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(OLAH is None, reason="olah-cli is not installed; see the head of this file"),
    pytest.mark.skipif(shutil.which("git") is None, reason="git makes the repository that olah serves"),
]


@pytest.fixture
def olah(tmp_path: Path) -> Iterator[str]:
    """The address of a server that has org/digits."""
    repository = shutil.copytree(shipped_folder("digits"), tmp_path / "mirrors" / "datasets" / "org" / "digits")
    who = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    for command in (("init", "-q", "-b", "main"), ("add", "."), (*who, "commit", "-qm", "first"), ("tag", "v1.0.0")):
        subprocess.run(["git", *command], cwd=repository, check=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = tmp_path / "olah.toml"
    config.write_text(
        f'[basic]\nhost = "127.0.0.1"\nport = {port}\nrepos-path = "{tmp_path}/repos"\n'
        f'mirrors-path = ["{tmp_path}/mirrors"]\n'
        '[accessibility]\noffline = true\n[[accessibility.proxy]]\nrepo = "*/*"\nallow = true\n'
    )
    command = [str(OLAH), "--config", str(config), "--log-path", str(tmp_path / "logs")]
    server = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_for(port, server)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(20)


def _wait_for(port: int, server: subprocess.Popen[bytes]) -> None:
    for _ in range(300):
        assert server.poll() is None, "olah ended"
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise AssertionError("olah does not listen")


def test_an_artifact_is_loaded_and_pulled_from_a_server_that_others_wrote(olah: str, tmp_path: Path) -> None:
    for revision in ("main", "v1.0.0"):  # olah answers for named revisions only
        options = {"endpoint": olah, "token": False, "cache_dir": tmp_path / revision}
        ds = gendata.load_condensed(f"org/digits@{revision}", **options)
        assert ds.artifact.artifact_id == gendata.load_condensed("digits").artifact.artifact_id
    access = HubAccess(endpoint=olah, token=False, cache_dir=tmp_path / "main")
    pulled = pull_artifact("org/digits@main", out=tmp_path / "pulled", access=access)
    assert gendata.open_artifact(pulled.path, verify="probe").ipc == 1
