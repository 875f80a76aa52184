"""Files of a local folder as objects, through obstore; a read counts as a request, a walk through a folder as a LIST.

A file's ETag is made of its inode, modification time in microseconds and size: a file written over in place, with as
many bytes, within the grain of the file system's clock (a few milliseconds) cannot be told from what it was.

obstore must not be used in a process and then in its forked child, so sources are opened where they are used
and never handed over.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import obstore
from obstore.store import LocalStore

from penstock.errors import BucketNotFound, ConfigError, ObjectNotFound, PenstockError, SourceError, SourceUnavailable
from penstock.records import Purpose, SourceSpec
from penstock.sources.base import ObjectSource, changed, refuse_beyond
from penstock.sources.local.mapping import map_source_error, mapped
from penstock.sources.local.uris import local_folder
from penstock.sources.meter import Line, RequestMeter
from penstock.sources.protocols import ObjectInfo

__all__ = ["LocalObjects"]

LIST_PAGE = 1000
PATH_SHOWN = 80
_UNLISTED = re.compile(r"#[0-9]+\Z|[\x00-\x1f\x7f]")
"""Names of files that obstore leaves out, as its own unfinished writes, or cannot read."""


class LocalObjects(ObjectSource):
    """Files below one folder.

    Raises:
        ConfigError: it is a URI of another scheme, or no path.
        AccessDenied: it must not be looked at.
        BucketNotFound: there is no such folder.
    """

    def __init__(self, spec: SourceSpec, *, meter: RequestMeter | None = None, purpose: Purpose = "data") -> None:
        super().__init__(spec, RequestMeter() if meter is None else meter)
        folder = local_folder(spec.uri)
        if not _is_folder(folder, spec):
            raise BucketNotFound(
                f"there is no folder {folder}",
                fix="check the path; a source is a folder or an s3:// URI",
                about=spec.uri,
            )
        with mapped(spec, ""):
            self._store = LocalStore(folder)
        self._line = self.meter.line("GET", purpose)

    @property
    def lists_in_order(self) -> bool:
        """Whether listings come sorted."""
        return False

    async def list_objects(self, prefix: str = "") -> AsyncIterator[Sequence[ObjectInfo]]:
        """List; see the base class."""
        given_up = threading.Event()
        try:
            await asyncio.to_thread(refuse_unlisted, local_folder(self.spec.uri) / prefix, given_up)
        finally:
            given_up.set()
        with self._counted(self.meter.line("LIST", "listing")), mapped(self.spec, prefix):
            async for page in obstore.list(self._store, prefix or None, chunk_size=LIST_PAGE):
                yield [_info(cast("dict[str, Any]", meta)) for meta in page]

    async def get_range(self, info: ObjectInfo, offset: int, length_bytes: int) -> memoryview:
        """Read a range; see the base class."""
        refuse_beyond(info, offset + length_bytes)
        if length_bytes == 0:
            return memoryview(b"")
        with self._counted(self._line), mapped(self.spec, info.key):
            options = {"range": (offset, offset + length_bytes)} | ({"if_match": info.etag} if info.etag else {})
            result = await obstore.get_async(self._store, info.key, options=cast("Any", options))
            meta, body = result.meta, memoryview(await result.bytes_async())
        self._line.received(len(body))
        if meta["size"] != info.size_bytes or (info.etag and (meta["e_tag"] or "") != info.etag):
            raise changed(self.spec, info.key)
        if len(body) != length_bytes:
            raise SourceUnavailable(
                f"{info.key} in {self.spec.uri} gave {len(body)} of {length_bytes} bytes",
                fix="look whether another process writes to it, and run it again",
                about=info.key,
            )
        return body

    async def read_into(self, info: ObjectInfo, offset: int, place: memoryview) -> None:
        """Read a range to its place; see the base class."""
        place[:] = await self.get_range(info, offset, len(place))

    async def names_in(self, uri: str) -> list[str]:
        """Name what lies in a folder."""
        with mapped(self.spec, uri):
            listing = await obstore.list_with_delimiter_async(LocalStore(local_folder(uri)))
        names = [f"{name.rstrip('/').rsplit('/', 1)[-1]}/" for name in listing["common_prefixes"]]
        return names + [meta["path"].rsplit("/", 1)[-1] for meta in listing["objects"]]

    def split_uri(self, uri: str) -> tuple[str, list[str]]:
        """Give a path's parts."""
        return "", list(local_folder(uri).parts[1:])

    def close(self) -> None:
        """Nothing is kept open."""

    @contextlib.contextmanager
    def _counted(self, line: Line) -> Iterator[None]:
        line.sent(0)
        try:
            yield
        except PenstockError as error:
            line.answered(404 if isinstance(error, ObjectNotFound) else 500)
            self.meter.add("failed_requests")
            raise
        line.answered(200)


def _is_folder(folder: Path, spec: SourceSpec) -> bool:
    try:
        return folder.is_dir()
    except PermissionError as error:
        raise map_source_error(error, spec, "") from error
    except OSError as error:
        raise ConfigError(
            f"the source {str(folder)[:PATH_SHOWN]!r}, of {len(str(folder))} characters, cannot be looked at "
            f"({error.strerror})",
            fix="check the path; a source is a folder or an s3:// URI",
        ) from error


def refuse_unlisted(folder: Path, given_up: threading.Event) -> None:
    """Look through a folder, following links, each folder once, for what obstore cannot list.

    Args:
        folder: to look through.
        given_up: set where nobody waits for it any more.

    Raises:
        SourceError: a file has a name that cannot be read, or a link leads back to a folder that it lies in.
    """
    seen: set[tuple[int, int]] = set()
    for parent, folders, names in os.walk(folder, followlinks=True):
        if given_up.is_set():
            return
        found = _identity(Path(parent))
        if found in seen:
            _refuse_loop(Path(parent), folder)
            folders.clear()
            continue
        if found is not None:
            seen.add(found)
        for name in names:
            if _UNLISTED.search(name):
                raise SourceError(
                    f"{Path(parent, name)!s} has a name that cannot be read",
                    fix="rename it: names end in no # and number, and hold no control characters",
                    about=name,
                )


def _refuse_loop(path: Path, root: Path) -> None:
    found, above = _identity(path), path
    while above != root:
        above = above.parent
        if _identity(above) == found:
            raise SourceError(
                f"{path} leads back to {above}, which it lies in: the folder has no end",
                fix="remove the link on the way there, or pass a folder without it",
                about=str(path),
            )


def _identity(folder: Path) -> tuple[int, int] | None:
    with contextlib.suppress(OSError):  # gone meanwhile
        status = folder.stat()
        return status.st_dev, status.st_ino
    return None


def _info(meta: dict[str, Any]) -> ObjectInfo:
    return ObjectInfo(key=meta["path"], size_bytes=meta["size"], etag=meta["e_tag"] or "")
