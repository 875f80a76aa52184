"""Steps and scripts in processes of their own that need not import anything anew: forked from one that has.

What runs is what the console script, or Python, runs, with its own argv, environment, folder, output and exit code; its
command line is its own too. It saves more than a second of CPU each time. The processes that Penstock itself starts,
prefetchers and listings, are forked in the same way where a test asks for it. Run as a program this is the process that
forks: a request is a message on a socket of its own, with the new process's standard input, output and error; the
answers are its id and its exit code.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import math
import os
import pkgutil
import runpy
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any, NoReturn

import penstock
from penstock.children import process as children

_ROOM_BYTES = 4096
"""For the command line of a forked process, which takes the place of this program's."""
_MOST_BYTES = 150_000
"""Of a request, most of which is the environment."""

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

_BEGINNING = {**os.environ, "OMP_NUM_THREADS": "1"}
"""The environment before any test: what forks outlasts the test that was the first to need it."""

_address = ""
"""Of the socket at which requests are taken."""


@cache
def _server() -> subprocess.Popen[str]:
    global _address
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind("")  # Linux chooses a name: unix(7)
    listener.listen(64)
    _address = listener.getsockname()
    process = subprocess.Popen(
        [sys.executable, __file__, str(listener.fileno()), "." * _ROOM_BYTES],
        stdin=subprocess.PIPE,
        pass_fds=[listener.fileno()],
        text=True,
        env=_BEGINNING,
    )
    listener.close()
    atexit.register(_close, process)
    return process


def _close(server: subprocess.Popen[str]) -> None:
    assert server.stdin is not None
    server.stdin.close()
    server.wait()


class _Process:
    """A process that was forked; to be used as ``subprocess.Popen`` is."""

    def __init__(self, args: Sequence[str], asked: Mapping[str, object], files: Sequence[int]) -> None:
        self.args = list(args)
        self.returncode: int | None = None
        self._lock = threading.Lock()
        self._told = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._told.connect(_address)
        socket.send_fds(self._told, [json.dumps(asked).encode()], files)
        self.pid = int(self._told.recv(100))
        weakref.finalize(self, self._told.close)

    def poll(self) -> int | None:
        with self._lock:
            if self.returncode is None and select.select([self._told], [], [], 0)[0]:
                self.returncode = int(self._told.recv(100))
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end.

        Raises:
            subprocess.TimeoutExpired: it runs on.
        """
        deadline = math.inf if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            left = deadline - time.monotonic()
            if left <= 0:
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
            select.select([self._told], [], [], min(left, 0.5))  # another thread may hear of the end instead
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):  # it has ended, and that is about to be told
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class Forked(_Process):
    """A step or a script.

    Args:
        words: of a step; with ``script``, what follows that.
        environment: all of it; None is this process's.
        script: Python file that runs in the place of a step.
        cwd: its folder; None is this process's.
        session: it begins one, and a process group.
        output: folder for ``stdout`` and ``stderr``; None is one of its own.
        forks_children: prefetchers and listings that it starts are forked too.
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
        forks_children: bool = False,
    ) -> None:
        self._output = output or Path(tempfile.mkdtemp())
        if output is None:
            weakref.finalize(self, shutil.rmtree, self._output)
        asked = {
            "words": [str(word) for word in words],
            "environment": dict(os.environ if environment is None else environment),
            "script": script and str(script),
            "cwd": str(cwd or Path.cwd()),
            "session": session,
            "forks_children": forks_children,
        }
        _server()
        with (
            Path(os.devnull).open("rb") as nothing,
            (self._output / "stdout").open("wb") as out,
            (self._output / "stderr").open("wb") as err,
        ):
            super().__init__([str(word) for word in words], asked, [file.fileno() for file in (nothing, out, err)])

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        self.wait(timeout)
        return self.output()

    def output(self) -> tuple[str, str]:
        """Return what it has written up to now: standard output and error."""
        return (self._output / "stdout").read_text(), (self._output / "stderr").read_text()


def run_forked(
    words: Sequence[object],
    *,
    environment: Mapping[str, str] | None = None,
    script: Path | None = None,
    timeout: float = 240,
) -> subprocess.CompletedProcess[str]:
    """Run ``penstock WORDS``, or a script, to its end; a step's children are forked too.

    Raises:
        subprocess.TimeoutExpired: it took longer; it was killed.
    """
    process = Forked(words, environment=environment, script=script, forks_children=script is None)
    try:
        code = process.wait(timeout)
    except BaseException:
        process.kill()
        process.wait()
        raise
    return subprocess.CompletedProcess(process.args, code, *process.output())


@contextlib.contextmanager
def forked_children() -> Iterator[None]:
    """Have prefetchers and listings that this process starts forked, for as long as the block runs."""
    _server()
    _fork_children()
    try:
        yield
    finally:
        children.subprocess = subprocess  # type: ignore[misc]


def _fork_children() -> None:
    children.subprocess = SimpleNamespace(  # type: ignore[assignment]
        Popen=_start_child, TimeoutExpired=subprocess.TimeoutExpired
    )


def _start_child(argv: Sequence[str], **how: Any) -> object:
    """Start a child of ours, as ``subprocess.Popen`` does."""
    is_ours = list(argv[1:3]) == ["-P", "-m"] and argv[3].split(".")[0] == "penstock"
    return _Child(argv, **how) if is_ours else subprocess.Popen(argv, **how)


class _Child(_Process):
    """A prefetcher or a listing, or another of our modules."""

    def __init__(
        self,
        argv: Sequence[str],
        *,
        stdin: int,
        stdout: int | IO[Any] | None,
        stderr: int | IO[Any] | None,
        env: Mapping[str, str],
        start_new_session: bool,
    ) -> None:
        self.stdout: IO[bytes] | None = None
        asked = {
            "words": list(argv[4:]),
            "environment": dict(env),
            "script": None if argv[3] == "penstock" else str(importlib.import_module(argv[3]).__file__),
            "cwd": str(Path.cwd()),
            "session": start_new_session,
            "forks_children": False,
        }
        with contextlib.ExitStack() as opened:
            files = [stdin]
            for given, own in ((stdout, 1), (stderr, 2)):
                if given == subprocess.PIPE:
                    read, write = os.pipe()
                    self.stdout = os.fdopen(read, "rb")
                    files.append(opened.enter_context(os.fdopen(write, "wb")).fileno())
                elif given == subprocess.DEVNULL:
                    files.append(opened.enter_context(Path(os.devnull).open("wb")).fileno())
                else:
                    files.append(own if given is None else given if isinstance(given, int) else given.fileno())
            super().__init__(argv, asked, files)


def _serve(listener: socket.socket) -> None:
    own = [module.name for module in pkgutil.walk_packages(penstock.__path__, "penstock.")]
    for name in (*_LIBRARIES, *own):
        if not name.endswith("__main__"):
            with contextlib.suppress(
                ImportError
            ):  # of a torch that has it elsewhere, or an extra that is not installed
                importlib.import_module(name)
    gc.freeze()  # what is here is looked at, and so copied, by no process to come

    global _address
    _address = listener.getsockname()
    running: dict[int, tuple[int, socket.socket]] = {}
    while 0 not in (ready := select.select([listener, 0, *running], [], [])[0]):
        for end in running.keys() & set(ready):
            _tell(end, *running.pop(end))
        if listener in ready:
            told, _ = listener.accept()
            request, files, _, _ = socket.recv_fds(told, _MOST_BYTES, 3)
            child = os.fork()
            if not child:
                _leave(listener, told, running)
                _become(json.loads(request), files)
            for file in files:
                os.close(file)
            running[os.pidfd_open(child)] = child, told
            with contextlib.suppress(OSError):  # who asked may have been killed
                told.send(b"%d" % child)


def _tell(end: int, child: int, told: socket.socket) -> None:
    """Tell the exit code of a process that has ended."""
    os.close(end)
    _, status = os.waitpid(child, 0)
    with contextlib.suppress(OSError):
        told.send(b"%d" % os.waitstatus_to_exitcode(status))
    told.close()


def _leave(listener: socket.socket, told: socket.socket, running: Mapping[int, tuple[int, socket.socket]]) -> None:
    """Close what is of the process that forks, and of others that it has forked."""
    listener.close()
    told.close()
    for end, (_, other) in running.items():
        os.close(end)
        other.close()


def _become(asked: dict[str, Any], files: Sequence[int]) -> NoReturn:
    words: list[str] = asked["words"]
    script: str | None = asked["script"]
    if asked["session"]:
        os.setsid()
    os.environ.clear()
    os.environ.update(asked["environment"])
    tempfile.tempdir = None  # what this program found in its own environment
    os.chdir(asked["cwd"])
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    sys.stdin, sys.stdout, sys.stderr = (os.fdopen(n, m, closefd=False) for n, m in ((0, "r"), (1, "w"), (2, "w")))
    sys.argv = [script or "penstock", *words]
    _take_command_line([sys.executable, *([script] if script else ["-m", "penstock"]), *words])
    sys.path[:0] = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    if asked["forks_children"]:
        _fork_children()
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
    _serve(socket.socket(fileno=int(sys.argv[1])))
