"""Children that do what a test asks for."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from penstock.children.step import ChildStep, Program, Restarts

Start = Callable[..., ChildStep]
SOON = Restarts(pause_seconds=(0.0, 0.0))


@dataclass(frozen=True, kw_only=True)
class Words:
    """A config of nothing but words."""

    words: list[str] = field(default_factory=list)

    def to_argv(self) -> list[str]:
        return self.words


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Start a child of some lines of Python, which know ``time``: how many were started before it."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    started: list[ChildStep] = []

    def start_child(body: str, *, restarts: Restarts = SOON, **program: object) -> ChildStep:
        name, counted = f"acts{len(started)}", tmp_path / f"count{len(started)}"
        head = f"""
            import os, signal, sys
            from pathlib import Path
            from penstock.children.telling import *
            from penstock.errors import *
            with Path({str(counted)!r}).open("a+") as file:
                time = file.tell()
                file.write(".")
            folder = Path({str(tmp_path)!r})
        """
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(head) + textwrap.dedent(body))
        made = Program(words=(name,), name="the child", event="child", fix="run it again", restarts=restarts, **program)  # type: ignore[arg-type]
        started.append(ChildStep(made, Words()))
        return started[-1]

    yield start_child
    for child in started:
        child.close()
