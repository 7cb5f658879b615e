"""Claim: killed at ten random moments, a condensation ends with the bytes of an undisturbed one.

    python benchmarks/resume.py [--kills 10] [--recipe digits/generative-demo] [--set method.options.steps=100]

Runs the recipe once undisturbed, then again with SIGKILL at random moments of the clock, through the command line, and
compares every file of the two artifacts.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def run(command: list[str], *, kill_after_sec: float | None = None) -> bool:
    """Whether the command came to its end."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            process.wait(timeout=kill_after_sec)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            return False
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return True


def progress_of(folder: Path) -> str:
    """Stage and step of the last checkpoint."""
    from safetensors import safe_open

    state = folder.with_name(folder.name + ".run") / "state.safetensors"
    if not state.is_file():
        return "no checkpoint yet"
    with safe_open(state, framework="np") as file:
        saved = json.loads(file.metadata()["progress"])
    return f"stage {saved['stage']}, step {saved['step']}"


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="digits/generative-demo")
    parser.add_argument("--set", action="append", default=[], dest="overrides")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    arguments = parser.parse_args()

    root = Path(tempfile.mkdtemp(prefix="gendata-resume-"))
    command = [sys.executable, "-m", "gendata", "recipe", "run", arguments.recipe]
    command += [part for override in arguments.overrides for part in ("--set", override)]
    started = time.monotonic()
    run([*command, "--out", str(root / "undisturbed")])
    whole_sec = time.monotonic() - started
    print(f"undisturbed: {whole_sec:.1f} s")

    moments, killed = random.Random(arguments.seed), 0
    disturbed = [*command, "--out", str(root / "killed")]
    while killed < arguments.kills:
        # From before the first checkpoint to well inside: start-up alone takes some seconds.
        after_sec = moments.uniform(0.1, 0.35) * whole_sec
        if run(disturbed, kill_after_sec=after_sec):
            break
        killed += 1
        print(f"kill {killed}: after {after_sec:.1f} s, at {progress_of(root / 'killed')}")
    run(disturbed)
    expected, found = files_of(root / "undisturbed"), files_of(root / "killed")
    same, size = expected == found, sum(map(len, expected.values()))
    print(f"{killed} kills; {len(expected)} files of {size} bytes: {'equal' if same else 'DIFFERENT'}")
    shutil.rmtree(root)
    raise SystemExit(0 if same else 1)


if __name__ == "__main__":
    main()
