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


_IN_A_THREAD = """
import os, signal, threading, time
from penstock import stopping

told = []


def work(entered, may_leave):
    try:
        with stopping.put_off():
            entered.set()
            may_leave.wait()
    except BaseException as error:
        told.append(error)


stopping.install()
entered, may_leave = threading.Event(), threading.Event()
thread = threading.Thread(target=work, args=(entered, may_leave))
thread.start()
entered.wait()
try:
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(60)
except stopping.StopAsked as stopped:
    print(stopped)
may_leave.set()
thread.join()
print(told)
"""


def test_a_thread_neither_puts_a_stop_off_nor_is_stopped() -> None:
    """Loaders of several ranks in one process end their workers in threads."""
    ended = subprocess.run([sys.executable, "-c", _IN_A_THREAD], capture_output=True, text=True, timeout=60, check=True)
    assert ended.stdout == "SIGTERM\n[]\n"
