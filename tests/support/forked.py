"""Steps and scripts in processes of their own that need not import torch anew: forked from one that has imported it.

What runs is what the console script, or Python, runs, with its own argv, environment, folder, output and exit code; its
command line is its own too. It saves more than a second of CPU each time. Run as a program this is the process that
forks: a request is a line of JSON, its answer the new process's id.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import pkgutil
import runpy
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NoReturn

import penstock

_ROOM_BYTES = 4096
"""For the command line of a forked process, which takes the place of this program's."""


_LIBRARIES = (
    "torch",
    "torch._inductor",
    "torch.utils.serialization.config",
    "matplotlib.backends.backend_svg",
    "matplotlib.figure",
    "matplotlib.style",
    "pyarrow.compute",
    "pyarrow.parquet",
    "boto3",
    "tabulate",
)
"""That take long to import: the second is what torch imports to be deterministic."""


@cache
def _server() -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, __file__, "." * _ROOM_BYTES],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    atexit.register(_close, process)
    return process


def _close(server: subprocess.Popen[str]) -> None:
    assert server.stdin is not None
    server.stdin.close()
    server.wait()


class Forked:
    """A process that was forked; to be used as ``subprocess.Popen`` is.

    Args:
        words: of a step; with ``script``, what follows that.
        environment: all of it; None is this process's.
        script: Python file that runs in the place of a step.
        cwd: its folder; None is this process's.
        session: it begins one, and a process group.
        output: folder for ``stdout`` and ``stderr``; None is one of its own.
    """

    def __init__(
        self,
        words: Sequence[object],
        *,
        environment: Mapping[str, str] | None = None,
        script: Path | None = None,
        cwd: Path | None = None,
        session: bool = False,
        output: Path | None = None,
    ) -> None:
        self.args = [str(word) for word in words]
        self.returncode: int | None = None
        own = Path(tempfile.mkdtemp())
        self._output = output or own
        os.mkfifo(own / "code")
        self._code = os.open(own / "code", os.O_RDONLY | os.O_NONBLOCK)
        weakref.finalize(self, os.close, self._code)
        weakref.finalize(self, shutil.rmtree, own)
        self.pid = _ask(
            {
                "words": self.args,
                "environment": dict(os.environ if environment is None else environment),
                "script": script and str(script),
                "cwd": str(cwd or Path.cwd()),
                "session": session,
                "output": str(self._output),
                "code": str(own / "code"),
            }
        )

    def poll(self) -> int | None:
        if self.returncode is None and select.select([self._code], [], [], 0)[0]:
            self.returncode = int(os.read(self._code, 100))
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end.

        Raises:
            subprocess.TimeoutExpired: it runs on.
        """
        if self.returncode is None and not select.select([self._code], [], [], timeout)[0]:
            raise subprocess.TimeoutExpired(self.args, timeout or 0, *self.output())
        code = self.poll()
        assert code is not None
        return code

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        self.wait(timeout)
        return self.output()

    def output(self) -> tuple[str, str]:
        """Give what it has written up to now: standard output and error."""
        return (self._output / "stdout").read_text(), (self._output / "stderr").read_text()

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def run_forked(
    words: Sequence[object],
    *,
    environment: Mapping[str, str] | None = None,
    script: Path | None = None,
    timeout: float = 240,
) -> subprocess.CompletedProcess[str]:
    """Run ``penstock WORDS``, or a script, to its end; the options are those of ``Forked``.

    Raises:
        subprocess.TimeoutExpired: it took longer; it was killed.
    """
    process = Forked(words, environment=environment, script=script)
    try:
        code = process.wait(timeout)
    except BaseException:
        process.kill()
        process.wait()
        raise
    return subprocess.CompletedProcess(process.args, code, *process.output())


def _ask(asked: Mapping[str, object]) -> int:
    server = _server()
    assert server.stdin is not None
    assert server.stdout is not None
    try:
        server.stdin.write(f"{json.dumps(asked)}\n")
        server.stdin.flush()
        return int(server.stdout.readline())
    except BaseException:  # its answer would be taken for that to the next question
        server.kill()
        server.wait()
        _server.cache_clear()
        raise


def _serve() -> None:
    own = [module.name for module in pkgutil.walk_packages(penstock.__path__, "penstock.")]
    for name in (*_LIBRARIES, *own):
        if not name.endswith("__main__"):
            with contextlib.suppress(
                ImportError
            ):  # of a torch that has it elsewhere, or an extra that is not installed
                importlib.import_module(name)
    gc.freeze()  # what is here is looked at, and so copied, by no process to come

    for line in sys.stdin:
        asked = json.loads(line)
        if not os.fork():
            _keep(asked)
        _reap()


def _reap() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def _keep(asked: dict[str, object]) -> NoReturn:
    """Fork the process that was asked for, and tell its id and its exit code."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    output = [os.open(f"{asked['output']}/{name}", flags, 0o600) for name in ("stdout", "stderr")]
    told = os.open(str(asked["code"]), os.O_WRONLY | os.O_CLOEXEC)
    child = os.fork()
    if not child:
        os.close(told)
        _become(asked, output)
    os.setsid()  # a signal to the group is not for this one
    os.write(1, b"%d\n" % child)
    _, status = os.waitpid(child, 0)
    os.write(told, b"%d\n" % os.waitstatus_to_exitcode(status))
    os._exit(0)


def _become(asked: dict[str, object], output: Sequence[int]) -> NoReturn:
    words: list[str] = asked["words"]  # type: ignore[assignment]
    script: str | None = asked["script"]  # type: ignore[assignment]
    if asked["session"]:
        os.setsid()
    os.environ.clear()
    os.environ.update(asked["environment"])  # type: ignore[call-overload]
    tempfile.tempdir = None  # what this program found in its own environment
    os.chdir(str(asked["cwd"]))
    for number, opened in enumerate(output, 1):
        os.dup2(opened, number)
        os.close(opened)
    os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
    sys.stdin, sys.stdout, sys.stderr = (os.fdopen(n, m, closefd=False) for n, m in ((0, "r"), (1, "w"), (2, "w")))
    sys.argv = [script or "penstock", *words]
    _take_command_line([sys.executable, *([script] if script else ["-m", "penstock"]), *words])
    sys.path[:0] = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    if script is None:
        from penstock.entry import entry

        entry()
    runpy.run_path(script or "", run_name="__main__")
    raise SystemExit


def _take_command_line(words: Sequence[str]) -> None:
    """Have the system tell these words as its command line: tests look for processes by them."""
    import ctypes

    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    start, end = int(fields[45]), int(fields[46])  # arg_start and arg_end: proc_pid_stat(5)
    text = b"\0".join(os.fsencode(word) for word in words)[: end - start - 1]
    ctypes.memmove(start, text.ljust(end - start, b"\0"), end - start)


if __name__ == "__main__":
    _serve()
