"""A window that is larger than what is free is refused before a source is asked for anything."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

import penstock
from penstock.errors import DiskFull
from penstock.options.window import ServingOptions
from penstock.owning import WINDOW_MARK
from penstock.window import check_room, start_prefetcher
from support.cli import penstock as penstock_step
from support.small_s3 import small_s3

TOO_MUCH = 1 << 62


def _whole(data: bytes, key: str) -> bytes:
    return data


def free(monkeypatch: pytest.MonkeyPatch, num_bytes: int) -> None:
    told = SimpleNamespace(f_frsize=1, f_bavail=num_bytes, f_bfree=num_bytes, f_blocks=1)
    monkeypatch.setattr(os, "statvfs", lambda path: told)


def test_what_is_free_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free(monkeypatch, 7 << 20)
    check_room(tmp_path / "not" / "there", 8 << 20)  # its files take some less than its bound
    with pytest.raises(DiskFull, match=r"window .*there: 9\.0 MiB are wanted, 7\.0 MiB are free: .*--window-size"):
        check_room(tmp_path / "not" / "there", 9 << 20)
    assert list(tmp_path.iterdir()) == []


def test_what_a_window_has_already_counts_as_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "slots").write_bytes(b"x" * (8 << 20))
    free(monkeypatch, 1 << 20)
    with pytest.raises(DiskFull):
        check_room(tmp_path, 8 << 20)
    (tmp_path / WINDOW_MARK).touch()
    check_room(tmp_path, 8 << 20)


def test_no_child_is_started_for_it(tmp_path: Path) -> None:
    with pytest.raises(DiskFull):
        start_prefetcher(tmp_path, ServingOptions(prefetch="process", window_size=TOO_MUCH))
    assert start_prefetcher(tmp_path, ServingOptions(prefetch="sidecar", window_size=TOO_MUCH)) is None


def test_a_dataset_of_python_is_not_listed_for_it() -> None:
    with small_s3(is_open=True) as server:
        server.objects["bucket/x.jsonl"] = b"{}\n"
        given = {"endpoint_url": server.url, "anonymous": True}
        opened: list[Callable[[], object]] = [
            lambda: penstock.jsonl("s3://bucket", **given).loader(1, window=TOO_MUCH),
            lambda: penstock.Stream("s3://bucket", decode=_whole, window=TOO_MUCH, **given),
        ]
        for each in opened:
            with pytest.raises(DiskFull, match="choose a smaller window or another folder"):
                each()
        assert server.requests == []


def test_a_job_tells_before_it_asks_for_anything(tmp_path: Path) -> None:
    with small_s3(is_open=True) as server:
        words = ("--source", "s3://bucket", "--endpoint-url", server.url, "--task", "eeg-c1", "--out", tmp_path / "out")
        done = penstock_step("run", *words, "--window-size", TOO_MUCH)
        assert done.returncode == 51, done.stderr
        assert "4194304.0 TiB are wanted" in done.stderr
        assert server.requests == []
    assert list(tmp_path.iterdir()) == []
