"""When an attempt began: by real processes of Penstock's, and what is told of their pods."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

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
