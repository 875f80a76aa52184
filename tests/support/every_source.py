"""Servers of each source with the same files, which can be told to fail now and then."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, unquote

from penstock.sources.registry import own_scheme_names
from support.azure_server import ACCOUNT, KEY, serve_azure
from support.ftp_server import PASSWORD, USER, Ftp, serve_ftp
from support.gcs_server import serve_gcs
from support.hub_server import serve_hub
from support.inventories import s3_inventory, s3_rows
from support.kaggle_server import TOKEN as KAGGLE_TOKEN
from support.kaggle_server import serve_kaggle
from support.small_s3 import Asked, Reply, SmallS3, small_s3

__all__ = ["OF_SCHEMES", "PLACES", "Faulty", "Files", "Place", "watched"]

Files = Mapping[str, bytes]


@dataclass(kw_only=True)
class Faulty:
    """A server that fails now and then when bytes are asked for: it is busy, resets the connection, or cuts the body.

    Attributes:
        is_data: tells whether a request is for bytes of an object.
        every: of how many such requests one fails, 0 for none.
        num_faults: so far.
        num_resets: of them that reset a connection.
    """

    answer: Callable[[Asked], Reply]
    is_data: Callable[[Asked], bool]
    every: int = 0
    num_asked: int = 0
    num_faults: int = 0
    num_resets: int = 0

    def __call__(self, asked: Asked) -> Reply:
        reply = self.answer(asked)
        if not self.every or not self.is_data(asked) or reply.status not in (200, 206) or len(reply.body) < 2:
            return reply
        self.num_asked += 1
        if self.num_asked % self.every:
            return reply
        self.num_faults += 1
        if self.num_faults % 3 == 1:
            return Reply(status=503, headers={"Retry-After": "0"})
        if self.num_faults % 3 == 2:
            self.num_resets += 1
            return Reply(is_reset=True)
        told = {**reply.headers, "Content-Length": str(len(reply.body)), "Connection": "close"}
        return Reply(status=reply.status, body=reply.body[: len(reply.body) // 2], headers=told)


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where the files lie, and how they are asked for.

    Attributes:
        put: puts another file in the place of one.
    """

    uri: Callable[[str], str]
    put: Callable[[str, bytes], object]
    options: Mapping[str, Any] = field(default_factory=dict)
    faulty: Faulty | Ftp | None = None


def watched(server: SmallS3, answer: Callable[[Asked], Reply], is_data: Callable[[Asked], bool]) -> Faulty:
    server.takeover = faulty = Faulty(answer=answer, is_data=is_data)
    return faulty


def _s3(stack: contextlib.ExitStack, files: Files, folder: Path) -> Place:
    server = stack.enter_context(small_s3(is_open=True))
    server.objects |= {f"bucket/{key}": data for key, data in files.items()}
    return Place(
        uri=lambda name: f"s3://bucket/{name}",
        options={"endpoint_url": server.url, "anonymous": True},
        faulty=watched(server, server._serve, lambda asked: "list-type" not in asked.query),
        put=lambda name, data: server.objects.update({f"bucket/{name}": data}),
    )


def _s3_by_inventory(stack: contextlib.ExitStack, files: Files, folder: Path) -> Place:
    server = stack.enter_context(small_s3(is_open=True))
    server.objects |= {f"bucket/{key}": data for key, data in files.items()}
    server.objects |= {f"inv/{key}": data for key, data in s3_inventory(s3_rows(files), kind="ORC").items()}
    options = {"anon": True, "endpoint_url": server.url, "inventory": "s3://inv/of/bucket/config"}
    return Place(
        uri=lambda name: f"s3://bucket/{name}",
        options={"storage_options": options},
        faulty=watched(server, server._serve, lambda asked: asked.path.startswith("/bucket/")),
        put=lambda name, data: server.objects.update({f"bucket/{name}": data}),
    )


def _gs(stack: contextlib.ExitStack, files: Files, folder: Path) -> Place:
    gcs = stack.enter_context(serve_gcs(token="ya29.of-the-test"))
    for key, data in files.items():
        gcs.put(key, data)
    return Place(
        uri=lambda name: f"{gcs.uri}/{name}",
        options={"storage_options": {"token": "ya29.of-the-test", "endpoint_url": gcs.url}},
        faulty=watched(gcs.server, gcs.answer, lambda asked: asked.query.get("alt") == "media"),
        put=gcs.put,
    )


def _az(stack: contextlib.ExitStack, files: Files, folder: Path) -> Place:
    azure = stack.enter_context(serve_azure())
    for key, data in files.items():
        azure.put(key, data)
    return Place(
        uri=lambda name: f"{azure.uri}/{name}",
        options={"storage_options": {"account_name": ACCOUNT, "account_key": KEY, "endpoint_url": azure.url}},
        faulty=watched(azure.server, azure.answer, lambda asked: "comp" not in asked.query),
        put=azure.put,
    )


def _hf(stack: contextlib.ExitStack, files: Files, folder: Path) -> Place:
    hub = stack.enter_context(serve_hub())
    hub.files |= files
    hub.large |= set(files)
    return Place(
        uri=lambda name: f"hf://datasets/org/name/{name}",
        options={"storage_options": {"token": False, "endpoint": hub.url}},
        faulty=watched(hub.cdn, hub.signed, lambda asked: True),
        put=lambda name, data: hub.files.update({name: data}),
    )


def _kaggle(stack: contextlib.ExitStack, files: Files, folder: Path) -> Place:
    kaggle = stack.enter_context(serve_kaggle())
    kaggle.files = {1: dict(files)}
    kaggle.is_private = True
    return Place(
        uri=lambda name: f"kaggle://datasets/owner/name/{name}",
        options={"storage_options": {"token": KAGGLE_TOKEN, "endpoint": kaggle.url}},
        faulty=watched(kaggle.store, kaggle.signed, lambda asked: True),
        put=lambda name, data: kaggle.files[1].update({name: data}),
    )


def _web(stack: contextlib.ExitStack, files: Files, folder: Path) -> Place:
    server = stack.enter_context(small_s3(is_open=True))
    kept = dict(files)
    faulty = watched(server, lambda asked: _page_or_file(kept, asked), _is_file)
    return Place(
        uri=lambda name: f"{server.url}/{name}/",
        faulty=faulty,
        put=lambda name, data: kept.update({name: data}),
    )


def _urls(stack: contextlib.ExitStack, files: Files, folder: Path) -> Place:
    web = _web(stack, files, folder)

    def listed(name: str) -> str:
        path = folder / f"{name.replace('/', '-')}.txt"
        root = web.uri("").rstrip("/")
        path.write_text("".join(f"{root}/{key}\n" for key in files if key.startswith(f"{name}/")))
        return f"urls+{path.as_uri()}"

    return Place(uri=listed, faulty=web.faulty, put=web.put)


def _local(stack: contextlib.ExitStack, files: Files, folder: Path) -> Place:
    def put(key: str, data: bytes) -> None:
        (folder / key).parent.mkdir(parents=True, exist_ok=True)
        (folder / key).write_bytes(data)

    for key, data in files.items():
        put(key, data)
    return Place(uri=lambda name: str(folder / name), put=put)


def _ftp(stack: contextlib.ExitStack, files: Files, folder: Path) -> Place:
    local = _local(stack, files, folder)
    server = stack.enter_context(serve_ftp(folder))

    def put(key: str, data: bytes) -> None:
        """Put it there as a later second would: FTP tells no more of time."""
        local.put(key, data)
        os.utime(folder / key, (2e9, 2e9))

    options = {"storage_options": {"username": USER, "password": PASSWORD}}
    return Place(uri=lambda name: f"{server.uri}/{name}", options=options, faulty=server, put=put)


def _is_file(asked: Asked) -> bool:
    return asked.method == "GET" and not asked.path.endswith("/")


def _page_or_file(files: Files, asked: Asked) -> Reply:
    """Answer as a web server with pages of links."""
    key = unquote(asked.path).strip("/")
    if asked.path.endswith("/"):
        below = [name.removeprefix(f"{key}/").split("/", 1) for name in files if name.startswith(f"{key}/")]
        names = dict.fromkeys(name + "/" * bool(rest) for name, *rest in below)
        page = "".join(f'<a href="{quote(name)}">{name}</a>\n' for name in names)
        return Reply(body=f"<html><body>{page}</body></html>".encode(), headers={"Content-Type": "text/html"})
    data = files.get(key)
    if data is None:
        return Reply(status=404)
    told = {"ETag": f'"{hashlib.md5(data, usedforsecurity=False).hexdigest()}"', "Accept-Ranges": "bytes"}
    if asked.headers.get("if-match", told["ETag"]) != told["ETag"]:
        return Reply(status=412)
    span = asked.headers.get("range", "").removeprefix("bytes=")
    if not span:
        return Reply(body=data, headers=told)
    first, last = map(int, span.split("-"))
    told["Content-Range"] = f"bytes {first}-{min(last, len(data) - 1)}/{len(data)}"
    return Reply(status=206, body=data[first : last + 1], headers=told)


PLACES: dict[str, Callable[[contextlib.ExitStack, Files, Path], Place]] = {
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
"""By the name of a source: what serves some files there until the stack is left."""

OF_SCHEMES: Final = {
    "file": "local",
    "s3": "s3",
    "gs": "gs",
    "hf": "hf",
    "kaggle": "kaggle",
    "https": "web",
    "http": "web",
    **dict.fromkeys(("az", "abfs", "abfss"), "az"),
    **dict.fromkeys(("urls+https", "urls+http", "urls+file"), "urls"),
}
"""The source that each scheme of the registry is tried as."""

assert set(OF_SCHEMES) == set(own_scheme_names()), (
    f"give each scheme a server in {__file__}: {set(OF_SCHEMES) ^ set(own_scheme_names())}"
)
