"""A demo that is stopped promises nothing that it cannot keep: its dataset and its server are gone with it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from penstock.errors import Interrupted
from penstock.steps import demo
from penstock.steps.options.demo import DemoOptions


def test_a_stopped_demo_says_that_it_begins_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextlib.contextmanager
    def serve(*_: object, **__: object) -> Iterator[str]:
        yield "http://127.0.0.1:1"

    def stop(_: object) -> NoReturn:
        raise Interrupted("SIGINT stopped the run after step 3", fix="run the same command again to go on")

    monkeypatch.setattr(demo, "_generate", lambda *_: ("1 trial", 1))
    monkeypatch.setattr(demo, "serve_s3", serve)
    monkeypatch.setattr(demo.run_step, "run", stop)
    with pytest.raises(Interrupted, match="after step 3: run the same command again: the demo begins anew") as told:
        demo.run(DemoOptions(out=tmp_path / "out"))
    assert told.value.exit_code == 75
