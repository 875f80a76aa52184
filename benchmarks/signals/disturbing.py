"""A job that is disturbed by signals, started again as often as it ends early, and looked over at its end."""

from __future__ import annotations

import collections
import contextlib
import os
import random
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.common.machine import REPOSITORY
from benchmarks.signals.looking import MARK, left_in_memory, processes_of, wait_for_end
from benchmarks.signals.subjects import Subject

__all__ = ["Disturbed", "Seen", "undisturbed"]

STUCK_SECONDS = 240
"""For an attempt, from its last signal on: longer than a trainer waits for a prefetcher."""
GONE_SECONDS = 30
FIRST_SHARE, NEXT_SHARE = 0.7, 0.3
"""Of the time that an undisturbed job takes: the longest pause before an attempt's first signal, and the next."""
STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
KINDS = (*STOPS, signal.SIGKILL, signal.SIGSTOP)
ROLES = ("trainer", "worker", "prefetcher", "listing")
MAX_EARLY_ENDS = 8
"""Attempts of a job that are ended; the next one is left alone."""


@dataclass(kw_only=True)
class Seen:
    """What was done and seen.

    Attributes:
        sent: signals, by kind and target.
        codes: exit codes of attempts, by what was done to them last.
        broken: promises that were not kept, in words.
    """

    sent: collections.Counter[tuple[str, str]] = field(default_factory=collections.Counter)
    codes: collections.Counter[tuple[str, int]] = field(default_factory=collections.Counter)
    jobs: int = 0
    attempts: int = 0
    broken: list[str] = field(default_factory=list)

    @property
    def num_sent(self) -> int:
        """Signals."""
        return sum(self.sent.values())


def undisturbed(subject: Subject) -> tuple[object, float]:
    """Run a job that nobody disturbs; give its result and its seconds."""
    with _folder() as folder:
        began = time.monotonic()
        done = subprocess.run(
            subject.words(folder), cwd=REPOSITORY, env=_environment(folder, "none"), check=False, capture_output=True
        )
        assert done.returncode == 0, done.stderr
        return subject.result(folder), time.monotonic() - began


class Disturbed:
    """Disturbs jobs of one subject.

    Args:
        wanted: the undisturbed result.
        seconds: that an undisturbed job takes.
    """

    def __init__(self, subject: Subject, wanted: object, seconds: float, *, seed: int, seen: Seen) -> None:
        self._subject, self._wanted, self._seconds = subject, wanted, seconds
        self._chance = random.Random(seed)
        self.seen = seen

    def job(self, most: int) -> None:
        """Disturb one job, by ``most`` signals at most, until it has done all it had to."""
        self.seen.jobs += 1
        goal, ends = self.seen.num_sent + most, 0
        with _folder() as folder:
            while True:
                left = goal - self.seen.num_sent if ends < MAX_EARLY_ENDS else 0
                code = self._attempt(folder, left)
                if code is None or code == 0:
                    break
                ends += 1
            if code == 0:
                self._look_over(folder)

    def _attempt(self, folder: Path, most: int) -> int | None:
        """Start the job, and send signals until it ends; give its exit code, None where it got stuck."""
        self.seen.attempts += 1
        mark = uuid.uuid4().hex
        with (folder / "log").open("ab") as log:
            process = subprocess.Popen(
                self._subject.words(folder),
                cwd=REPOSITORY,
                env=_environment(folder, mark),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        last, allowed, pids = "nothing", {0}, {process.pid}
        longest, sent_before = self._seconds * FIRST_SHARE, self.seen.num_sent
        while self.seen.num_sent - sent_before < most:
            if _ends(process, self._chance.uniform(0, longest)):
                break
            pids |= {found.pid for found in processes_of(mark)}
            last, allowed = self._send(process, mark)
            longest = self._seconds * NEXT_SHARE
            if allowed != {0}:
                last, allowed = self._send_second(process, last, allowed)
                break
        stuck = not _ends(process, STUCK_SECONDS)
        if stuck:
            self._broken(folder, f"stuck after {last}")
            os.killpg(process.pid, signal.SIGKILL)
        code = process.wait()
        self.seen.codes[last, code] += 1
        if code not in allowed and not stuck:
            self._broken(folder, f"exit code {code} after {last}")
        pids |= {found.pid for found in processes_of(mark)}
        for left in wait_for_end(mark, seconds=GONE_SECONDS):
            self._broken(folder, f"left running after {last}: {left.words}")
            with contextlib.suppress(ProcessLookupError):
                os.kill(left.pid, signal.SIGKILL)
        for name in left_in_memory(pids):
            self._broken(folder, f"left in /dev/shm after {last}: {name}")
        return None if stuck or code not in allowed else code

    def _send(self, process: subprocess.Popen[bytes], mark: str) -> tuple[str, set[int]]:
        """Send a signal; give in words what was done, and the exit codes that it may end the attempt with."""
        found = processes_of(mark, process.pid)
        there = {one.role for one in found} - {"other"}
        number = self._chance.choice(KINDS)
        target = self._chance.choice(["group", *(role for role in ROLES if role in there)])
        if target == "group":
            pids = [one.pid for one in found if _group(one.pid) == process.pid]
        else:
            pids = [self._chance.choice([one.pid for one in found if one.role == target])]
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        if number == signal.SIGSTOP:
            time.sleep(self._chance.uniform(0.05, 2))
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)
        name = "STOP+CONT" if number == signal.SIGSTOP else number.name
        self.seen.sent[name, target] += 1
        ends = target in ("group", "trainer") and number != signal.SIGSTOP
        return f"{name} to {target}", {0} if not ends else self._codes(number)

    def _send_second(self, process: subprocess.Popen[bytes], last: str, allowed: set[int]) -> tuple[str, set[int]]:
        """Half the time, ask a job that is about to end once more, as an impatient person does."""
        if -signal.SIGKILL in allowed or self._chance.random() < 0.5 or _ends(process, self._chance.uniform(0, 0.5)):
            return last, allowed
        number = self._chance.choice(STOPS)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        self.seen.sent[number.name, "group, as the second"] += 1
        return f"{last}, then {number.name}", allowed | self._codes(number)

    def _codes(self, number: signal.Signals) -> set[int]:
        """Return what a job may end with: 0 where it had just ended, or where Ctrl-C is not its end."""
        if number == signal.SIGKILL:
            return {0, -number}
        if self._subject.saves:
            return {0, 75}
        return {0, -number} if number != signal.SIGINT else {0, 1, 130, -number}

    def _look_over(self, folder: Path) -> None:
        try:
            if self._subject.result(folder) != self._wanted:
                self._broken(folder, "another result than that of the undisturbed job")
        except (AssertionError, OSError) as error:
            self._broken(folder, f"result: {error}")
        # torch keeps a cache of its own there.
        names = sorted(path.name for path in (folder / "tmp").iterdir())
        left = [name for name in names if not name.startswith("torchinductor_")]
        left += [path.name for path in (folder / "out").glob("window*")]
        if left:
            self._broken(folder, f"left behind: {', '.join(left[:5])}")

    def _broken(self, folder: Path, what: str) -> None:
        told = (folder / "log").read_text(errors="replace").splitlines()[-12:] if (folder / "log").exists() else []
        self.seen.broken.append("\n".join([f"{self._subject.name}: {what}", *told]))
        print(f"BROKEN: {self.seen.broken[-1]}", flush=True)


def _group(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return 0


def _ends(process: subprocess.Popen[bytes], seconds: float) -> bool:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def _environment(folder: Path, mark: str) -> dict[str, str]:
    (folder / "tmp").mkdir(exist_ok=True)
    return {**os.environ, MARK: mark, "TMPDIR": str(folder / "tmp"), "OMP_NUM_THREADS": "1"}


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="signals-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
