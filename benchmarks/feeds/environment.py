"""The peers' own environment, and the versions of what it holds."""

from __future__ import annotations

import hashlib
import json
import subprocess
import venv
from dataclasses import dataclass
from pathlib import Path

from benchmarks.common.machine import REPOSITORY
from benchmarks.common.processes import ERROR_CHARACTERS

REQUIREMENTS = REPOSITORY / "benchmarks" / "requirements-peers.txt"


@dataclass(frozen=True, kw_only=True)
class Peers:
    """The peers' environment: its interpreter, or what kept it from being made."""

    python: str | None
    error: str = ""


def make_peers(folder: Path) -> Peers:
    """Install the peers into an environment of their own, or take the one that is there."""
    python = folder / "bin" / "python"
    stamp = folder / "requirements.sha256"
    wanted = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return Peers(python=str(python))
    venv.create(folder, with_pip=True)
    words = [str(python), "-m", "pip", "install", "--quiet", "--requirement", str(REQUIREMENTS)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        return Peers(python=None, error=done.stderr.strip()[-ERROR_CHARACTERS:])
    stamp.write_text(wanted)
    return Peers(python=str(python))


def versions(python: str) -> dict[str, str]:
    """Return the versions of what an environment holds of the libraries that matter here."""
    names = [
        "penstock",
        *(line.partition("==")[0] for line in REQUIREMENTS.read_text().splitlines() if line and line[0] != "#"),
    ]
    code = (
        "import importlib.metadata as m, json, sys\nfound = {}\n"
        "for name in sys.argv[1:]:\n"
        "    try: found[name] = m.version(name)\n"
        "    except m.PackageNotFoundError: pass\n"
        "print(json.dumps(found))"
    )
    done = subprocess.run([python, "-c", code, *names], capture_output=True, text=True, check=True)
    found: dict[str, str] = json.loads(done.stdout)
    return found
