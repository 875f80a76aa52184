"""Steps in processes of their own that need not import torch anew: forked from one that has imported it, no more.

What runs is what the console script runs, with its own argv, environment, folder, output and exit code. It saves more
than a second of CPU each time. Run as a program this is the process that forks.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NoReturn


@cache
def _server() -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, __file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert process.stdin is not None
    atexit.register(process.stdin.close)
    return process


def run_step(
    words: Sequence[str], *, environment: Mapping[str, str], timeout: float
) -> subprocess.CompletedProcess[str]:
    """Run ``penstock WORDS`` to its end.

    Raises:
        subprocess.TimeoutExpired: it took longer; it was killed.
    """
    server = _server()
    assert server.stdin is not None
    assert server.stdout is not None
    with tempfile.TemporaryDirectory() as folder:
        asked = {"words": list(words), "environment": dict(environment), "cwd": str(Path.cwd()), "output": folder}
        try:
            server.stdin.write(f"{json.dumps({**asked, 'timeout': timeout})}\n")
            server.stdin.flush()
            code = json.loads(server.stdout.readline())
        except BaseException:  # its answer would be taken for that to the next question
            server.kill()
            server.wait()
            _server.cache_clear()
            raise
        out, err = (Path(folder, name).read_text() for name in ("stdout", "stderr"))
    if code is None:
        raise subprocess.TimeoutExpired(list(words), timeout, out, err)
    return subprocess.CompletedProcess(list(words), code, out, err)


def _serve() -> None:
    import torch  # noqa: F401 - for the children

    for line in sys.stdin:
        asked = json.loads(line)
        child = os.fork()
        if not child:
            _become(asked)
        code = _wait(child, asked["timeout"])
        sys.stdout.write(f"{json.dumps(code)}\n")
        sys.stdout.flush()


def _wait(child: int, timeout: float) -> int | None:
    signal.signal(signal.SIGALRM, lambda *_: os.kill(child, signal.SIGKILL))
    signal.setitimer(signal.ITIMER_REAL, timeout)
    _, status = os.waitpid(child, 0)
    late = not signal.setitimer(signal.ITIMER_REAL, 0)[0]
    return None if late else os.waitstatus_to_exitcode(status)


def _become(asked: dict[str, object]) -> NoReturn:
    from penstock.entry import entry

    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    os.environ.clear()
    os.environ.update(asked["environment"])  # type: ignore[arg-type]
    os.chdir(str(asked["cwd"]))
    sys.path[1:1] = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path not in {*sys.path, ""}]
    flags = os.O_WRONLY | os.O_CREAT
    for number, path in ((1, "stdout"), (2, "stderr")):
        os.dup2(os.open(f"{asked['output']}/{path}", flags, 0o600), number)
    os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
    sys.stdin, sys.stdout, sys.stderr = (os.fdopen(n, m, closefd=False) for n, m in ((0, "r"), (1, "w"), (2, "w")))
    sys.argv = ["penstock", *asked["words"]]  # type: ignore[misc]
    entry()


if __name__ == "__main__":
    _serve()
