"""A stop where Python cannot raise it."""

from __future__ import annotations

import subprocess
import sys

_IN_A_FINALIZER = """
import os, signal, time
from penstock import stopping


class Held:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)


class Broken:
    def __del__(self):
        raise ValueError("told")


stopping.install()
Broken()
try:
    Held()
    time.sleep(60)
except stopping.StopAsked as stopped:
    print(stopped)
"""


def test_stop_in_a_finalizer_is_raised_again_without_a_traceback() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", _IN_A_FINALIZER], capture_output=True, text=True, timeout=60, check=True
    )
    assert ended.stdout == "SIGTERM\n"
    assert "StopAsked" not in ended.stderr
    assert "ValueError: told" in ended.stderr
