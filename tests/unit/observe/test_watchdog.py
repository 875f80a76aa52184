"""A hung event loop ends its process, and one that goes on does not."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import asyncio, time
from penstock.observe.watchdog import watch_loop

async def main():
    async with watch_loop(0.4):
        await asyncio.sleep(1.2)
        print("alive", flush=True)
        {then}
    time.sleep(0.8)
    print("out of it", flush=True)

asyncio.run(main())
"""


def run(then: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-c", PROGRAM.format(then=then)]
    return subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)


def test_a_hung_loop_ends_the_process_and_tells_where() -> None:
    done = run("hang = time.sleep; hang(30)")
    assert (done.returncode, done.stdout) == (1, "alive\n")
    assert "in main" in done.stderr


def test_a_loop_that_goes_on_is_left_alone() -> None:
    assert run("pass").stdout == "alive\nout of it\n"
