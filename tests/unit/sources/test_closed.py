"""A source that is refused is closed, by whoever opened it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import penstock
from penstock.dataset import asking
from penstock.errors import ConfigError, EmptyListing
from penstock.manifest import SourceSpec
from penstock.sources import RequestMeter, open_source
from penstock.sources.stores.objects import StoreObjects
from penstock.steps._shared import dataset_listing
from support.small_s3 import small_s3


def seen(monkeypatch: pytest.MonkeyPatch, module: Any) -> list[str]:
    """Return what is opened and closed by a module from now on."""
    told: list[str] = []
    really = module.open_source

    def opened(*args: Any, **more: Any) -> Any:
        source = really(*args, **more)
        close = source.close
        told.append("opened")

        def closed() -> None:
            told.append("closed")
            close()

        source.close = closed
        return source

    monkeypatch.setattr(module, "open_source", opened)
    return told


def test_one_whose_inventory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[object] = []
    monkeypatch.setattr(StoreObjects, "close", lambda self: closed.append(self))
    with pytest.raises(ConfigError):
        open_source(SourceSpec(uri="s3://bucket", options={"inventory_sample": "5", "anonymous": True}))
    assert len(closed) == 1


def test_one_of_shards_that_cannot_be_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    told = seen(monkeypatch, asking)
    with small_s3(is_open=True) as server, pytest.raises(EmptyListing):
        penstock.parquet("s3://b/none", endpoint_url=server.url, region="us-east-2", anonymous=True).shards()
    assert told == ["opened", "closed"]


@pytest.mark.parametrize("error", [ConfigError("no", fix="none"), KeyboardInterrupt()])
def test_one_that_is_listed(monkeypatch: pytest.MonkeyPatch, error: BaseException, tmp_path: Path) -> None:
    told = seen(monkeypatch, dataset_listing)

    async def made(*args: Any, **more: Any) -> Any:
        raise error

    class Args:
        task, option, task_options, source, release, split_by = "objects", (), None, str(tmp_path), "", "group"
        on_bad_object, max_files, mini, stream_listing, split, first_part = "fail", None, False, False, (1.0,), 1

    monkeypatch.setattr(dataset_listing, "make_manifest", made)
    monkeypatch.setattr(dataset_listing, "get_task", lambda name: None)
    monkeypatch.setattr(dataset_listing, "read_options", lambda *args: {})
    monkeypatch.setattr(dataset_listing.common, "source_from", lambda uri, args: SourceSpec(uri=uri))
    args: Any = Args()
    meter = RequestMeter()
    with pytest.raises(type(error)):
        dataset_listing.list_dataset(args, path=tmp_path / "m", seed=0, meter=meter)
    assert told == ["opened", "closed"]
