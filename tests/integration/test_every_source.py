"""One dataset through every source: the same samples in the same order, whatever fails on the way."""

from __future__ import annotations

import contextlib
import hashlib
import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

import penstock
from penstock.records import Meters
from support.azure_server import ACCOUNT, KEY, serve_azure
from support.ftp_server import PASSWORD, USER, Ftp, serve_ftp
from support.gcs_server import serve_gcs
from support.hub_server import serve_hub
from support.inventories import s3_inventory, s3_rows
from support.kaggle_server import TOKEN as KAGGLE_TOKEN
from support.kaggle_server import serve_kaggle
from support.objects import content, to_number
from support.small_s3 import Asked, Reply, SmallS3, small_s3

pytestmark = pytest.mark.usefixtures("children_are_forked")

NUM_OBJECTS = 24
NUM_ROWS, ROWS_OF_GROUP = 600, 100


def _table() -> bytes:
    numbers = list(range(NUM_ROWS))
    table = pa.table({"number": numbers, "text": [f"row {number}" * 20 for number in numbers], "other": numbers})
    file = io.BytesIO()
    pq.write_table(table, file, row_group_size=ROWS_OF_GROUP, compression="none", use_dictionary=False)
    return file.getvalue()


FILES = {f"objects/{number:04}.bin": content(number) for number in range(NUM_OBJECTS)} | {"tables/a.parquet": _table()}


@dataclass(kw_only=True)
class Faulty:
    """A server that fails now and then when bytes are asked for.

    Attributes:
        is_data: tells whether a request is for bytes of an object.
        every: of how many such requests one fails, 0 for none.
        num_faults: so far.
    """

    answer: Callable[[Asked], Reply]
    is_data: Callable[[Asked], bool]
    every: int = 0
    num_asked: int = 0
    num_faults: int = 0

    def __call__(self, asked: Asked) -> Reply:
        reply = self.answer(asked)
        if not self.every or not self.is_data(asked) or reply.status not in (200, 206) or len(reply.body) < 2:
            return reply
        self.num_asked += 1
        if self.num_asked % self.every:
            return reply
        self.num_faults += 1
        if self.num_faults % 2:
            return Reply(status=503, headers={"Retry-After": "0"})
        told = {**reply.headers, "Content-Length": str(len(reply.body)), "Connection": "close"}
        return Reply(status=reply.status, body=reply.body[: len(reply.body) // 2], headers=told)


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where the files lie, and how they are asked for."""

    uri: Callable[[str], str]
    options: Mapping[str, Any] = field(default_factory=dict)
    faulty: Faulty | Ftp | None = None


def _watched(server: SmallS3, answer: Callable[[Asked], Reply], is_data: Callable[[Asked], bool]) -> Faulty:
    server.takeover = faulty = Faulty(answer=answer, is_data=is_data)
    return faulty


def _s3(patch: pytest.MonkeyPatch, stack: contextlib.ExitStack, folder: Path) -> Place:
    server = stack.enter_context(small_s3(is_open=True))
    server.objects |= {f"bucket/{key}": data for key, data in FILES.items()}
    faulty = _watched(server, server._serve, lambda asked: "list-type" not in asked.query)
    options = {"endpoint_url": server.url, "anonymous": True}
    return Place(uri=lambda name: f"s3://bucket/{name}", options=options, faulty=faulty)


def _s3_by_inventory(patch: pytest.MonkeyPatch, stack: contextlib.ExitStack, folder: Path) -> Place:
    server = stack.enter_context(small_s3(is_open=True))
    server.objects |= {f"bucket/{key}": data for key, data in FILES.items()}
    server.objects |= {f"inv/{key}": data for key, data in s3_inventory(s3_rows(FILES), kind="ORC").items()}
    faulty = _watched(server, server._serve, lambda asked: asked.path.startswith("/bucket/"))
    options = {"anon": True, "endpoint_url": server.url, "inventory": "s3://inv/of/bucket/config"}
    return Place(uri=lambda name: f"s3://bucket/{name}", options={"storage_options": options}, faulty=faulty)


def _gs(patch: pytest.MonkeyPatch, stack: contextlib.ExitStack, folder: Path) -> Place:
    gcs = stack.enter_context(serve_gcs(token="ya29.of-the-test"))
    for key, data in FILES.items():
        gcs.put(key, data)
    faulty = _watched(gcs.server, gcs.answer, lambda asked: asked.query.get("alt") == "media")
    options = {"storage_options": {"token": "ya29.of-the-test", "endpoint_url": gcs.url}}
    return Place(uri=lambda name: f"{gcs.uri}/{name}", options=options, faulty=faulty)


def _az(patch: pytest.MonkeyPatch, stack: contextlib.ExitStack, folder: Path) -> Place:
    azure = stack.enter_context(serve_azure())
    for key, data in FILES.items():
        azure.put(key, data)
    faulty = _watched(azure.server, azure.answer, lambda asked: "comp" not in asked.query)
    options = {"storage_options": {"account_name": ACCOUNT, "account_key": KEY, "endpoint_url": azure.url}}
    return Place(uri=lambda name: f"{azure.uri}/{name}", options=options, faulty=faulty)


def _hf(patch: pytest.MonkeyPatch, stack: contextlib.ExitStack, folder: Path) -> Place:
    hub = stack.enter_context(serve_hub())
    hub.files |= FILES
    hub.large |= set(FILES)
    faulty = _watched(hub.cdn, hub.signed, lambda asked: True)
    options = {"storage_options": {"token": False, "endpoint": hub.url}}
    return Place(uri=lambda name: f"hf://datasets/org/name/{name}", options=options, faulty=faulty)


def _kaggle(patch: pytest.MonkeyPatch, stack: contextlib.ExitStack, folder: Path) -> Place:
    kaggle = stack.enter_context(serve_kaggle())
    kaggle.files = {1: FILES}
    kaggle.is_private = True
    faulty = _watched(kaggle.store, kaggle.signed, lambda asked: True)
    options = {"storage_options": {"token": KAGGLE_TOKEN, "endpoint": kaggle.url}}
    return Place(uri=lambda name: f"kaggle://datasets/owner/name/{name}", options=options, faulty=faulty)


def _web(patch: pytest.MonkeyPatch, stack: contextlib.ExitStack, folder: Path) -> Place:
    server = stack.enter_context(small_s3(is_open=True))
    faulty = _watched(server, _page_or_file, _is_file)
    return Place(uri=lambda name: f"{server.url}/{name}/", faulty=faulty)


def _urls(patch: pytest.MonkeyPatch, stack: contextlib.ExitStack, folder: Path) -> Place:
    server = stack.enter_context(small_s3(is_open=True))
    faulty = _watched(server, _page_or_file, _is_file)

    def listed(name: str) -> str:
        path = folder / f"{name}.txt"
        path.write_text("".join(f"{server.url}/{key}\n" for key in FILES if key.startswith(f"{name}/")))
        return f"urls+{path.as_uri()}"

    return Place(uri=listed, faulty=faulty)


def _local(patch: pytest.MonkeyPatch, stack: contextlib.ExitStack, folder: Path) -> Place:
    for key, data in FILES.items():
        (folder / key).parent.mkdir(exist_ok=True)
        (folder / key).write_bytes(data)
    return Place(uri=lambda name: str(folder / name))


def _ftp(patch: pytest.MonkeyPatch, stack: contextlib.ExitStack, folder: Path) -> Place:
    _local(patch, stack, folder)
    server = stack.enter_context(serve_ftp(folder))
    options = {"storage_options": {"username": USER, "password": PASSWORD}}
    return Place(uri=lambda name: f"{server.uri}/{name}", options=options, faulty=server)


def _is_file(asked: Asked) -> bool:
    return asked.method == "GET" and not asked.path.endswith("/")


def _page_or_file(asked: Asked) -> Reply:
    """Answer as a web server with pages of links."""
    key = unquote(asked.path).strip("/")
    if asked.path.endswith("/"):
        names = [name.rpartition("/")[2] for name in FILES if name.startswith(f"{key}/")]
        page = "".join(f'<a href="{quote(name)}">{name}</a>\n' for name in names)
        return Reply(body=f"<html><body>{page}</body></html>".encode(), headers={"Content-Type": "text/html"})
    data = FILES.get(key)
    if data is None:
        return Reply(status=404)
    told = {"ETag": f'"{hashlib.md5(data, usedforsecurity=False).hexdigest()}"', "Accept-Ranges": "bytes"}
    span = asked.headers.get("range", "").removeprefix("bytes=")
    if not span:
        return Reply(body=data, headers=told)
    first, last = map(int, span.split("-"))
    told["Content-Range"] = f"bytes {first}-{last}/{len(data)}"
    return Reply(status=206, body=data[first : last + 1], headers=told)


PLACES = {
    "local": _local,
    "s3": _s3,
    "gs": _gs,
    "az": _az,
    "hf": _hf,
    "kaggle": _kaggle,
    "web": _web,
    "urls": _urls,
    "ftp": _ftp,
    "s3 by inventory": _s3_by_inventory,
}


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Place]:
    with contextlib.ExitStack() as stack:
        yield PLACES[request.param](monkeypatch, stack, tmp_path)


def objects_of(place: Place) -> tuple[list[int], Meters]:
    with penstock.Stream(
        place.uri("objects"), decode=to_number, batch_size=8, window="2Mi", seed=1, **place.options
    ) as stream:
        found = [int(number) for _ in range(2) for batch in stream for number in batch]
    return found, stream.meters()


def rows_of(place: Place) -> tuple[str, Meters]:
    """Return the content that came, in its order, as one digest; what does not come is not asked for."""
    dataset = penstock.parquet(place.uri("tables"), columns=["number", "text"], **place.options)
    digest, numbers = hashlib.sha256(), []
    with dataset.loader(50, seed=3, window="4Mi") as loader:
        for batch in loader:
            numbers += [int(number) for number in torch.as_tensor(batch["number"])]
            digest.update(repr((numbers[-1], batch["text"])).encode())
    assert sorted(numbers) == list(range(NUM_ROWS))
    return digest.hexdigest(), loader.meters()


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[int], str]:
    """What a folder gives."""
    with contextlib.ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        place = _local(patch, stack, tmp_path_factory.mktemp("local"))
        return objects_of(place)[0], rows_of(place)[0]


def test_every_source_gives_the_same_objects_whatever_fails(place: Place, expected: tuple[list[int], str]) -> None:
    if place.faulty is not None:
        place.faulty.every = 5
    found, meters = objects_of(place)
    assert found == expected[0]
    _check_faults(place, meters)


def test_every_source_gives_the_same_rows_whatever_fails(place: Place, expected: tuple[list[int], str]) -> None:
    if place.faulty is not None:
        place.faulty.every = 3
    found, meters = rows_of(place)
    assert found == expected[1]
    _check_faults(place, meters)


def test_every_source_gives_the_same_shards_from_any_row_on_whatever_fails(place: Place) -> None:
    if place.faulty is not None:
        place.faulty.every = 3
    dataset = penstock.parquet(place.uri("tables"), columns=["number"], **place.options)
    with dataset.shards() as shards:
        (name,) = shards.shard_names
        assert shards.shard_info(name).num_rows == NUM_ROWS
        for row in (0, 250, NUM_ROWS - 1, NUM_ROWS):
            assert [int(each["number"]) for each in shards.open_shard_at_row(name, row)] == [*range(row, NUM_ROWS)]
    if place.faulty is not None:
        assert place.faulty.num_faults >= 2


def test_members_of_the_archive_of_kaggle_are_those_files_whatever_fails() -> None:
    """One link does for all members, asked for anew when it ends; the archive is not read twice."""
    with serve_kaggle() as kaggle:
        kaggle.files, kaggle.is_private, kaggle.link_seconds = {1: FILES}, True, 0.3
        faulty = _watched(kaggle.store, kaggle.signed, lambda asked: True)
        faulty.every = 5
        options = {"token": KAGGLE_TOKEN, "endpoint": kaggle.url, "archive": True}
        dataset = penstock.zip("kaggle://datasets/owner/name", by="member", storage_options=options)
        with dataset.loader(8, seed=1, window="2Mi", epochs=1, collate=list) as loader:
            found = [value for batch in loader for value in batch]
        meters = loader.meters()
        assert sorted(found) == sorted(FILES.values())
        assert meters.failed_requests == 0
        assert meters.retried_requests <= faulty.num_faults
        downloads = [asked for asked in kaggle.api.requests if "/download/" in asked.path]
        assert 1 <= len(downloads) < 16
        assert not any("authorization" in asked.headers for asked in kaggle.store.requests)


def _check_faults(place: Place, meters: Meters) -> None:
    """See that each fault was met by one more try, and counted."""
    assert meters.failed_requests == 0
    if place.faulty is not None:
        assert place.faulty.num_faults >= 2
        assert meters.retried_requests == place.faulty.num_faults
