"""When an attempt began: by real processes of Penstock's, and what is told of their pods."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from penstock import beginning
from penstock.beginning import take_beginning

LATE = """
import time; time.sleep(0.5)
from penstock import beginning
beginning.mark()
print(beginning.take_beginning().isoformat(), beginning.take_beginning().isoformat())
"""


def _begun(told: str | None = None) -> tuple[datetime, datetime, datetime, str]:
    """Return when a process was begun, its first attempt and its second one, and what it said."""
    before = datetime.now(UTC)
    environ = {} if told is None else {"PENSTOCK_POD_STARTED_AT": told}
    done = subprocess.run([sys.executable, "-c", LATE], env=environ, capture_output=True, text=True, check=True)
    first, second = map(datetime.fromisoformat, done.stdout.split())
    return before, first, second, done.stderr


def test_the_first_attempt_of_a_process_began_with_it_and_others_later() -> None:
    before, first, second, _ = _begun()
    assert abs(first - before) < timedelta(seconds=0.4), "half a second before it was taken"
    assert second - first >= timedelta(seconds=0.5)


@pytest.mark.parametrize("zone", ["+00:00", "Z", ""])
def test_a_pod_began_when_it_is_told_to_have(zone: str) -> None:
    told = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=2)
    _, first, second, _ = _begun(told.isoformat().removesuffix("+00:00") + zone)
    assert first == told
    assert second > told + timedelta(hours=1)


@pytest.mark.parametrize("told", ["yesterday", "2001-01-01T00:00:00Z", "2999-01-01T00:00:00Z"])
def test_a_pod_that_cannot_have_begun_then_is_not_believed(told: str) -> None:
    before, first, _, said = _begun(told)
    assert abs(first - before) < timedelta(seconds=0.4)
    assert told in said


def test_a_process_that_only_imports_penstock_begins_its_attempts_now() -> None:
    before = datetime.now(UTC)
    assert before <= take_beginning() <= datetime.now(UTC)


def _machine(root: Path, *, pid: int, parent: int, age_seconds: int, first: tuple[int, int], pod: int | None) -> None:
    """Write what a system tells.

    Args:
        age_seconds: of this process.
        first: age of the container's first process, and processor time of what it started before.
        pod: age of the pod, None where none is told.
    """
    boot, hz = time.clock_gettime(time.CLOCK_BOOTTIME), os.sysconf("SC_CLK_TCK")
    for name, own, above, age, waited in (("self", pid, parent, age_seconds, 0), ("1", 1, 0, *first)):
        fields = ["0"] * 50
        fields[0], fields[1], fields[2], fields[3] = str(own), "(a (b) c)", "S", str(above)
        fields[15], fields[21] = str(waited), str(int((boot - age) * hz))
        (root / "proc" / name).mkdir(parents=True)
        (root / "proc" / name / "stat").write_text(" ".join(fields))
    mounts = ["367 350 254:0 /k/etc-hosts /etc/hosts rw,relatime - ext4 /dev/vda rw"]
    mounts += [] if pod is None else ["369 350 254:0 /s/hostname /etc/hostname ro,relatime - ext4 /dev/vda rw"]
    (root / "proc/self/mountinfo").write_text("\n".join(mounts))
    (root / "etc").mkdir()
    (root / "etc/hostname").write_text("pod\n")
    at = time.time() - (999 if pod is None else pod)
    os.utime(root / "etc/hostname", (at, at))


@pytest.mark.parametrize(
    ("case", "age_seconds"),
    [
        ({"pid": 1, "parent": 0, "age_seconds": 20, "first": (20, 0), "pod": 300}, 300),  # images were pulled
        ({"pid": 7, "parent": 1, "age_seconds": 20, "first": (30, 0), "pod": 300}, 300),  # by a launcher
        ({"pid": 7, "parent": 1, "age_seconds": 20, "first": (30, 0), "pod": None}, 30),  # the image's own file
        ({"pid": 7, "parent": 1, "age_seconds": 20, "first": (30, 0), "pod": 31 * 86400}, 30),  # not believed
        ({"pid": 99, "parent": 80, "age_seconds": 20, "first": (86400, 0), "pod": 86400}, 20),  # in a notebook
        ({"pid": 9, "parent": 1, "age_seconds": 20, "first": (600, 250), "pod": 900}, 20),  # a script's second command
    ],
)
def test_a_pod_counts_where_it_is_there_for_the_attempt(
    tmp_path: Path, case: dict[str, Any], age_seconds: float
) -> None:
    _machine(tmp_path, **case)
    for environ, expected in (({"KUBERNETES_SERVICE_HOST": "10.96.0.1"}, age_seconds), ({}, 20)):
        beginning.mark()
        age = datetime.now(UTC) - take_beginning(environ, root=tmp_path)
        assert age.total_seconds() == pytest.approx(expected, abs=5)
