"""``penstock prices`` as it is called, and credentials of nobody for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.cli import main
from support.prices import TODAY, Told


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]) -> Told:
    """Call the command, and return its exit status and what it wrote."""

    def run(*words: str | Path) -> tuple[int, str, str]:
        code = main(["prices", *map(str, words), "--today", TODAY.isoformat()])
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def aws_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Give boto3 credentials that no server looks at, and none of this machine's."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "nothing")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
