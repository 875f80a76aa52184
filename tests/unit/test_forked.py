"""What forks the steps and scripts of tests knows nothing of the test that was the first to need it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from support import forked


def test_what_forks_has_no_environment_of_a_tests(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Else packages of that test's would be found, and its credentials used, by those of all that come later."""
    monkeypatch.setattr(forked, "_address", forked._address)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with forked._server.__wrapped__() as another:
        while not (told := Path(f"/proc/{another.pid}/environ").read_bytes()):  # empty until it runs its program
            time.sleep(0.01)
        another.kill()
    assert b"OMP_NUM_THREADS=1\0" in told
    assert str(tmp_path).encode() not in told
