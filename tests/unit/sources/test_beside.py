"""A small object that many ask for is found and read once, and again where it could not be had."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from penstock.errors import ObjectUnreadable, SourceUnavailable
from penstock.manifest import SourceSpec
from penstock.sources import RequestMeter, base, open_source


def opened(folder: Path) -> Any:
    return open_source(SourceSpec(uri=str(folder)), meter=RequestMeter(), purpose="data")


def test_it_is_read_once_for_all_that_ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "index.json").write_bytes(b"{}")
    source, asked = opened(tmp_path), []
    find = source.find

    async def counted(key: str) -> Any:
        asked.append(key)
        if len(asked) == 1:
            raise SourceUnavailable("away", fix="try again")
        return await find(key)

    monkeypatch.setattr(source, "find", counted)

    async def ask() -> Any:
        with pytest.raises(SourceUnavailable):
            await source.beside("index.json")
        found = await asyncio.gather(*(source.beside("index.json") for _ in range(9)))
        return [data for _, data in found], await source.beside("none.json")

    assert asyncio.run(ask()) == ([b"{}"] * 9, None)
    assert asked == ["index.json", "index.json", "none.json"]


def test_it_is_not_read_where_it_is_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "index.json").write_bytes(b"{}" * 9)
    monkeypatch.setattr(base, "MOST_BESIDE_BYTES", 9)
    with pytest.raises(ObjectUnreadable, match=r"index\.json has 18 B"):
        asyncio.run(opened(tmp_path).beside("index.json"))
