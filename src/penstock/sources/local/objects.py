"""Files of a local folder as objects, through obstore; a read counts as a request, a walk through a folder as a LIST.

A file's ETag is made of its inode, modification time in microseconds and size: a file written over in place, with as
many bytes, within the grain of the file system's clock (a few milliseconds) cannot be told from what it was.

obstore must not be used in a process and then in its forked child, so sources are opened where they are used
and never handed over.
"""

from __future__ import annotations

import asyncio
import contextlib
import stat
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import msgspec
import obstore
from obstore.store import LocalStore

from penstock.errors import BucketNotFound, ConfigError, ObjectNotFound, PenstockError, SourceUnavailable
from penstock.manifest import SkippedObject, SourceSpec
from penstock.records import Purpose
from penstock.sources.base import ObjectSource, changed, refuse_beyond
from penstock.sources.local.files import UNREADABLE, LocalFiles, look_through
from penstock.sources.local.mapping import map_source_error, mapped
from penstock.sources.local.uris import local_folder
from penstock.sources.meter import Line, RequestMeter
from penstock.sources.protocols import ObjectInfo

__all__ = ["LocalObjects"]

LIST_PAGE = 1000
_CHECK_PATH = "check the path; a source is a folder, or a URI like s3://bucket/prefix"

PATH_SHOWN = 80


class LocalObjects(ObjectSource):
    """Files below one folder; or one file, whose folder becomes the source's place.

    Raises:
        ConfigError: it is a URI of another scheme, or no path.
        AccessDenied: it must not be looked at.
        BucketNotFound: there is no such folder.
    """

    def __init__(self, spec: SourceSpec, *, meter: RequestMeter | None = None, purpose: Purpose = "data") -> None:
        super().__init__(spec, RequestMeter() if meter is None else meter)
        folder = local_folder(spec.uri)
        self._found: dict[str, LocalFiles] = {}
        """By the prefix that was listed."""
        self._only = ""
        """The one file that is listed, where the source is a file."""
        if not _is_folder(folder, spec):
            if not folder.is_file():
                told = f"{folder} is neither file nor folder" if folder.exists() else f"there is no folder {folder}"
                raise BucketNotFound(told, fix=_CHECK_PATH, about=spec.uri)
            folder, self._only = folder.parent, folder.name
            uri = folder.as_uri() if "://" in spec.uri else str(folder)
            self.spec = spec = msgspec.structs.replace(spec, uri=uri)
        self._folder = folder
        with mapped(spec, ""):
            self._store = LocalStore(folder)
        self._line = self.meter.line("GET", purpose)

    @property
    def lists_in_order(self) -> bool:
        """Whether listings come sorted."""
        return False

    async def list_objects(self, prefix: str = "") -> AsyncIterator[Sequence[ObjectInfo]]:
        """List; see the base class."""
        if self._only:
            found_alone = await self.find(self._only) if self._only.startswith(prefix) else None
            if found_alone is not None:
                yield [found_alone]
            return
        given_up = threading.Event()
        try:
            found = await asyncio.to_thread(look_through, self._folder, self._folder / prefix, given_up)
        finally:
            given_up.set()
        self._found[prefix] = found
        with self._counted(self.meter.line("LIST", "listing")), mapped(self.spec, prefix):
            async for page in obstore.list(self._store, prefix or None, chunk_size=LIST_PAGE):
                yield [_info(cast("dict[str, Any]", meta), found) for meta in page]

    def left_out(self) -> list[SkippedObject]:
        """Return what is no file."""
        return [item for found in self._found.values() for item in found.left_out.told()]

    async def find(self, key: str) -> ObjectInfo | None:
        """Look one file up; see the base class."""
        with self._counted(self.meter.line("LIST", "listing")), mapped(self.spec, key):
            # A key names what lies below the folder alone.
            if {"", ".", ".."} & set(key.split("/")) or not (self._folder / key).is_file():
                return None
            meta = await obstore.head_async(self._store, key)
        return _info(cast("dict[str, Any]", meta), LocalFiles())

    async def get_range(self, info: ObjectInfo, offset: int, length_bytes: int) -> memoryview:
        """Read a range; see the base class."""
        refuse_beyond(info, offset + length_bytes)
        if length_bytes == 0:
            return memoryview(b"")
        with self._counted(self._line), mapped(self.spec, info.key):
            self._check_is_file(info.key)
            options = {"range": (offset, offset + length_bytes)} | (
                {"if_match": info.validated_by} if info.validated_by else {}
            )
            result = await obstore.get_async(self._store, info.key, options=cast("Any", options))
            meta, body = result.meta, memoryview(await result.bytes_async())
        self._line.received(len(body))
        if meta["size"] != info.size_bytes or (info.validated_by and (meta["e_tag"] or "") != info.validated_by):
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
        """Return a path's parts."""
        return "", list(local_folder(uri).parts[1:])

    def close(self) -> None:
        """Nothing is kept open."""

    def _check_is_file(self, key: str) -> None:
        """Refuse what is no file any more: opening a named pipe would wait for its writer."""
        with contextlib.suppress(OSError, ValueError):  # gone, or written otherwise: obstore tells
            if not stat.S_ISREG((self._folder / key).stat().st_mode):
                raise changed(self.spec, key)

    @contextlib.contextmanager
    def _counted(self, line: Line) -> Iterator[None]:
        self.meter.grant()
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
            fix=_CHECK_PATH,
        ) from error


def _info(meta: dict[str, Any], found: LocalFiles) -> ObjectInfo:
    trouble = UNREADABLE if meta["path"] in found.unreadable else ""
    return ObjectInfo(key=meta["path"], size_bytes=meta["size"], version=meta["e_tag"] or "", trouble=trouble)
