"""A child that is lost is started again, one that tells why it fails is not, and either is told of in the same way."""

from __future__ import annotations

import errno
import logging
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from penstock.children import process
from penstock.children.step import Restarts
from penstock.children.telling import tell_error
from penstock.errors import AccessDenied, EmptyListing, PenstockError, PrefetcherLost, ProcessLost
from support.handles import open_files, open_sockets

from .conftest import Start

SERVE = """
    watch_parent(lambda: os._exit(0))
    tell_begun()
    signal.pause()
"""


def wait_for(done: Callable[[], object], seconds: float = 30) -> None:
    give_up = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < give_up
        time.sleep(0.01)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_command_of_nobodys_tells_nobody_and_leaves_no_file_open() -> None:
    before = open_files(Path("/dev"))
    assert not tell_error(EmptyListing("nothing lies there", fix="look elsewhere"))
    assert open_files(Path("/dev")) == before


@pytest.mark.parametrize("where", ["start", "work"])
@pytest.mark.parametrize(
    "how", ["os.kill(os.getpid(), signal.SIGKILL)", "os.kill(os.getpid(), 15)", "os._exit(3)", "os._exit(0)"]
)
def test_one_that_is_lost_is_started_again_wherever_it_was(start: Start, where: str, how: str) -> None:
    """Exit code 0 is no more than another end of one that did not say that it is done."""
    if where == "start":
        child = start(f"if time < 2: {how}\ntell_begun()\ntell_done()")
    else:
        child = start(f"tell_begun()\nif time < 2: {how}\ntell_done()")
    child.wait_done()
    assert child.num_restarts == 2
    assert child.error() is None


def test_one_that_says_that_it_is_done_is_done_however_it_ends(start: Start) -> None:
    child = start("tell_done()\nos.kill(os.getpid(), signal.SIGKILL)")
    child.wait_done()
    time.sleep(0.2)
    assert (child.num_restarts, child.error()) == (0, None)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (
            "os.kill(os.getpid(), signal.SIGKILL)",
            "the child was killed (SIGKILL), as the kernel does where it is out of memory",
        ),
        ("os.kill(os.getpid(), signal.SIGTERM)", "the child was ended by SIGTERM"),
        ("tell_begun()\nos._exit(3)", "the child ended with exit code 3"),
        ("import there_is_no_such_module", "the child ended with exit code 1"),
        ("raise MemoryError", "the child ended with exit code 1"),
    ],
)
def test_one_that_is_lost_again_and_again_is_given_up(start: Start, body: str, told: str) -> None:
    child = start(body, idle=" without doing anything")
    with pytest.raises(ProcessLost) as lost:
        child.wait_done()
    assert str(lost.value) == f"{told}, 3 times in a row without doing anything: run it again"
    assert lost.value.retryable
    assert child.num_restarts == 2
    assert child.error() is lost.value


def test_what_gets_something_done_in_between_is_started_again_for_ever(start: Start, tmp_path: Path) -> None:
    body = """
        if time < 8:
            (folder / "done").write_text(str(time // 2))
            os.kill(os.getpid(), signal.SIGKILL)
        tell_done()
    """
    done = tmp_path / "done"
    child = start(body, progress=lambda: done.exists() and done.read_text(), restarts=Restarts(deaths=2))
    child.wait_done()
    assert child.num_restarts == 8


def test_deaths_and_failures_are_counted_to_their_own_ends(start: Start) -> None:
    killed = start("os.kill(os.getpid(), 9)", restarts=Restarts(deaths=5, failures=2, pause_seconds=(0, 0)))
    failed = start("os._exit(1)", restarts=Restarts(deaths=5, failures=2, pause_seconds=(0, 0)), lost=PrefetcherLost)
    with pytest.raises(ProcessLost, match="5 times in a row"):
        killed.wait_begun()
    with pytest.raises(PrefetcherLost, match="2 times in a row"):
        failed.wait_begun()


def test_an_error_that_it_tells_is_the_parents_at_once_and_told_once(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    child = start("tell_begun()\ntell_error(AccessDenied('no key', fix='get one', about='s3://b/k'))\nos._exit(21)")
    with pytest.raises(AccessDenied) as told:
        child.wait_done()
    assert (told.value.what, told.value.fix, told.value.about) == ("no key", "get one", "s3://b/k")
    assert [record for record in caplog.records if record.levelno > logging.INFO] == []
    assert child.num_restarts == 0


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("'\\u00e9 \\u2603 \\U0001f600'", "é ☃ 😀"),
        ("'name \\udcff'", r"name \udcff"),
        ("'x' * 1_000_000", "x" * 1499 + "…"),
        ("'\\U0001f600' * 100_000", "😀" * 1499 + "…"),
        ("'\\0' * 100_000", None),
        ("'secret_access_key=wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY'", "secret_access_key=[redacted]"),
        ("''", ""),
    ],
)
def test_whatever_it_tells_arrives(start: Start, what: str, told: str | None) -> None:
    child = start(f"tell_error(EmptyListing({what}, fix={what}))")
    with pytest.raises(EmptyListing) as error:
        child.wait_done()
    assert told is None or error.value.what == told


def test_a_fault_of_the_code_is_told_without_its_secrets_and_not_tried_again(start: Start) -> None:
    body = """
        def decode():
            raise TypeError("☃ secret_access_key=wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY")
        try:
            decode()
        except BaseException as error:
            tell_fault(error)
    """
    child = start(body)
    with pytest.raises(
        PenstockError, match=r"^the child failed in decode \(.*acts0.py, line \d+\): TypeError: ☃ .*\[redacted\]"
    ):
        child.wait_begun()
    assert child.num_restarts == 0


def test_words_of_another_release_are_passed_over(start: Start) -> None:
    child = start(
        'import socket\nsocket.socket(fileno=os.dup(0)).send(b\'{"type": "Later"}\')\ntell_begun()\ntell_done()'
    )
    child.wait_done()


def test_a_full_or_closed_standard_output_keeps_nothing_up(start: Start) -> None:
    child = start("print('x' * 1_000_000)\nos.close(0)\nos.close(1)\nos.close(2)\nos._exit(4)")
    with pytest.raises(ProcessLost, match="exit code 4"):
        child.wait_done()


def test_one_that_is_stopped_is_ended_at_once(start: Start) -> None:
    child = start(SERVE)
    child.wait_begun()
    os.kill(child.pid, signal.SIGSTOP)
    began = time.monotonic()
    child.close()
    assert time.monotonic() - began < 5
    assert not is_running(child.pid)


def test_the_end_of_one_is_nothing_to_another(start: Start) -> None:
    one, other = start(SERVE), start(SERVE)
    one.wait_begun(), other.wait_begun()
    os.kill(one.pid, signal.SIGKILL)
    one.wait_after(0)
    one.wait_begun()
    one.close()
    assert is_running(other.pid)
    assert (one.num_restarts, other.num_restarts) == (1, 0)


def test_closing_ends_a_wait_of_another_thread(start: Start) -> None:
    child = start("watch_parent(lambda: os._exit(0))\nsignal.pause()")
    threading.Timer(0.2, child.close).start()
    with pytest.raises(ProcessLost, match="was ended while it was waited for"):
        child.wait_begun()


def test_the_thread_that_watches_it_may_close_it(start: Start) -> None:
    """As a search for garbage does, which any thread may make, where nobody refers to it any more."""
    closed: list[int] = []

    class Holder:
        def close(self) -> None:
            child.close()
            closed.append(child.pid)

    holder = Holder()
    child = start("os._exit(3)")
    child.when_lost(holder.close)
    wait_for(lambda: closed)
    assert not is_running(closed[0])


def test_who_waits_for_another_than_one_that_was_done_is_not_kept(start: Start) -> None:
    child = start("tell_done()")
    with pytest.raises(ProcessLost):
        child.wait_after(child.wait_begun())


def test_one_that_cannot_be_started_is_told_as_that(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(process, "subprocess", type("Refused", (), {"Popen": refuse}))
    with pytest.raises(ProcessLost, match=r"could not be started \(Resource temporarily unavailable\): run it again"):
        start("pass")


@pytest.mark.parametrize("times", [1, 9])
def test_one_that_cannot_be_started_again_is_tried_once_more(
    start: Start, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    child = start(SERVE)
    child.wait_begun()
    left = [times]
    popen = subprocess.Popen

    def refuse(*args: object, **how: object) -> object:
        left[0] -= 1
        if left[0] >= 0:
            raise OSError(errno.ENOMEM, "Cannot allocate memory")
        return popen(*args, **how)  # type: ignore[call-overload]

    monkeypatch.setattr(process.subprocess, "Popen", refuse)
    os.kill(child.pid, signal.SIGKILL)
    if times == 1:
        child.wait_after(1)
        child.wait_begun()
    else:
        with pytest.raises(ProcessLost, match=r"could not be started \(Cannot allocate memory\), 3 times in a row"):
            child.wait_done()


def test_a_process_that_is_forked_while_a_child_starts_holds_nothing_of_it(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would keep the child from hearing of its parent's end."""
    popen, told, forking = subprocess.Popen, os.pipe(), []

    def fork() -> None:
        if not os.fork():
            os.write(told[1], str(len(open_sockets() - before)).encode())
            os._exit(0)

    def start_slowly(*args: object, **how: object) -> object:
        forking.append(threading.Thread(target=fork))
        forking[0].start()
        forking[0].join(0.3)
        return popen(*args, **how)  # type: ignore[call-overload]

    before = open_sockets()
    monkeypatch.setattr(process.subprocess, "Popen", start_slowly)
    child = start(SERVE)
    monkeypatch.setattr(process.subprocess, "Popen", popen)
    forking[0].join()
    assert int(os.read(told[0], 100)) == 0
    child.wait_begun()


PARENT = """
    import os, signal, sys
    if {ignores}: signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    from penstock.children.step import ChildStep, Program
    class Words:
        def to_argv(self): return []
    child = ChildStep(Program(words=("acts",), name="the child", event="child", fix="."), Words())
    if {waits}: child.wait_begun()
    print(child.pid, flush=True)
    {end}
"""


def run_parent(
    folder: Path, *, end: str, waits: bool = True, ignores: bool = False, acts: str = SERVE
) -> tuple[int, str]:
    head = "import os, signal\nfrom penstock.children.telling import *\n"
    (folder / "acts.py").write_text(head + textwrap.dedent(acts))
    script = textwrap.dedent(PARENT).format(end=end, waits=waits, ignores=ignores)
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, stdout=subprocess.PIPE, text=True, check=False
    )
    pid, _, rest = done.stdout.partition("\n")
    return int(pid), rest.strip()


@pytest.mark.parametrize("waits", [False, True], ids=["starting", "at work"])
@pytest.mark.parametrize("end", ["os.kill(os.getpid(), signal.SIGKILL)", "os._exit(0)", "sys.exit(0)", "1 / 0"])
def test_it_ends_with_its_parent_however_that_ends(tmp_path: Path, end: str, waits: bool) -> None:
    pid, _ = run_parent(tmp_path, end=end, waits=waits)
    wait_for(lambda: not is_running(pid))


def test_where_ends_of_children_are_ignored_one_that_is_lost_is_not_taken_for_done(tmp_path: Path) -> None:
    """Their exit codes are not known then."""
    acts = "tell_begun()\nos.kill(os.getpid(), signal.SIGKILL)"
    end = "try: child.wait_done()\nexcept BaseException as error: print(type(error).__name__)"
    _, told = run_parent(tmp_path, end=textwrap.dedent(end), ignores=True, acts=acts, waits=False)
    assert told == "ProcessLost"
