"""Mixes of many members: one process lists them, and one fills all their windows."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import penstock
from penstock.dataset import mixed_helpers
from penstock.errors import ConfigError, PenstockError

pytestmark = pytest.mark.usefixtures("children_are_forked")

NUM = 5
"""More than have processes of their own."""
ROWS = 12


def written(folder: Path, number: int) -> Any:
    folder.mkdir()
    rows = [json.dumps({"n": number * 1000 + row}) for row in range(ROWS)]
    (folder / "a.jsonl").write_text("\n".join(rows))
    return penstock.jsonl(folder)


@pytest.fixture
def mixed(tmp_path: Path) -> Any:
    return penstock.mix([written(tmp_path / str(number), number) for number in range(NUM)], stop="once", seed=1)


def numbers(batches: Any) -> list[int]:
    return [int(number) for batch in batches for number in batch["n"]]


def prefetchers(loader: Any) -> set[int]:
    return {stream._reading._own.prefetcher.pid for stream in loader._streams}


def is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_one_process_gives_what_each_members_own_gave(mixed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for alone in (NUM, 4):
        monkeypatch.setattr(mixed_helpers, "ALONE", alone)
        with mixed.loader(5, seed=3) as loader:
            pids = prefetchers(loader)
            found.append([numbers(loader), numbers(loader)])
            assert loader.meters().window_high_water_bytes <= 2**30
        assert len(pids) == (NUM if alone == NUM else 1)
        assert not any(map(is_there, pids))
    assert found[0] == found[1]
    assert sorted(found[0][0]) == sorted(n * 1000 + row for n in range(NUM) for row in range(ROWS))


def test_it_is_outlived(mixed: Any) -> None:
    with mixed.loader(5, seed=3) as loader:
        whole = numbers(loader)
    with mixed.loader(5, seed=3) as loader:
        batches = iter(loader)
        given = [next(batches) for _ in range(3)]
        (pid,) = prefetchers(loader)
        os.kill(pid, signal.SIGKILL)
        assert numbers([*given, *batches]) == whole
        assert numbers(loader) != whole
        # Another one, unless all lay in the windows before this one was killed: then nobody misses it.
        (other,) = prefetchers(loader)
        assert other == pid or is_there(other)
    assert not is_there(other)
    assert not is_there(pid)


def test_a_member_that_cannot_be_listed_is_named(mixed: Any, tmp_path: Path) -> None:
    (tmp_path / "4" / "a.jsonl").write_text("{broken")
    with pytest.raises(PenstockError) as met:
        mixed.loader(5)
    assert any("member 4 (from 0) of the mix" in note for note in met.value.__notes__)


def test_a_member_that_fails_is_named(mixed: Any, tmp_path: Path) -> None:
    with mixed.loader(5, window="64Mi") as loader:
        (tmp_path / "3" / "a.jsonl").write_text("changed")
        with pytest.raises(PenstockError) as met:
            numbers(loader)
    assert any("member 3 (from 0) of the mix" in note for note in met.value.__notes__)


def test_members_whose_credentials_differ_have_processes_apart(tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        helpers = mixed_helpers.MixHelpers(stack, are_used=True)
        options = written(tmp_path / "a", 0).asked()
        other = replace(options, environment={"AWS_PROFILE": "other"})
        assert helpers.of(options) is helpers.of(options)
        assert helpers.of(options) is not helpers.of(other)


def test_more_files_than_may_be_open_are_told_before_anything_is_begun(
    mixed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda which: (100, 200))
    with pytest.raises(ConfigError, match=r"a mix of 5 datasets, which take 208 open files, .* may have 200"):
        mixed.loader(5)


def test_a_position_goes_on(mixed: Any) -> None:
    with mixed.loader(5, seed=3) as loader:
        batches = iter(loader)
        given = [next(batches) for _ in range(4)]
        state = loader.state_dict()
        whole = numbers([*given, *batches])
    with mixed.loader(5, seed=3) as loader:
        loader.load_state_dict(state)
        assert numbers([*given, *loader]) == whole
