"""Files of a place that one of fsspec's file systems reaches.

Each call of the file system counts as a request, by what it is for; what it sends for it is its own. No file system
lets a read say which version it is of. So after each read the file is looked at: where it is another by now, what was
read is thrown away, and that is an error. A file that nothing tells from another is refused, unless the source is said
to be ``unversioned``.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, TypeVar

import msgspec

from penstock.clock import looking, running_seconds
from penstock.errors import PenstockError, SourceError
from penstock.manifest import SkippedObject, SourceSpec
from penstock.records import Purpose, RequestKind
from penstock.secrets import redact
from penstock.sources.base import ObjectSource, changed, refuse_beyond
from penstock.sources.fsspec.answers import error_of, is_gone, may_pass, version_of
from penstock.sources.fsspec.systems import System, open_system
from penstock.sources.fsspec.workers import AsyncCalls, Calls, ThreadCalls
from penstock.sources.meter import RequestMeter
from penstock.sources.patience import ClientLimits, Patience
from penstock.sources.protocols import ObjectInfo
from penstock.texts import counted

__all__ = ["FsspecObjects"]

PAGE_OBJECTS = 1000
MAX_DEPTH = 64
MAX_OBJECT_BYTES = 1 << 50
LEAST_BYTES_PER_SECOND = 64 << 10
"""Of a call, beside the time that any may take: nothing is seen of its progress."""

T = TypeVar("T")
_log = logging.getLogger(__name__)


class FsspecObjects(ObjectSource):
    """Files below one folder of one file system; nothing is connected to before it is used.

    Raises:
        ConfigError: the file system is not there, or an option cannot be used.
    """

    def __init__(self, spec: SourceSpec, *, limits: ClientLimits, meter: RequestMeter, purpose: Purpose) -> None:
        super().__init__(spec, meter)
        self._system: System = open_system(spec)
        self._limits, self._purpose = limits, purpose
        self._root = self._system.root
        self._calls: Calls = (AsyncCalls if self._system.is_async else ThreadCalls)(self._system.open)
        self._num_others = 0
        self._is_answered = False

    @property
    def lists_in_order(self) -> bool:
        """Whether listings come sorted."""
        return False

    async def list_objects(self, prefix: str = "") -> AsyncIterator[Sequence[ObjectInfo]]:
        """List folder by folder; see the base class."""
        if not prefix and (one := await self._one_file()) is not None:
            yield [one]
            return
        top = self._path(prefix)
        waiting, seen = [top], {top.strip("/")}
        while waiting:
            path = waiting.pop()
            page: list[ObjectInfo] = []
            for each in await self._entries(path, is_top=path == top):
                name = str(each["name"])
                if each.get("type") == "directory":
                    if name.strip("/") not in seen:
                        seen.add(name.strip("/"))
                        waiting.append(self._checked(name))
                    continue
                if each.get("type") == "file":
                    page.append(self._info(each))
                else:
                    self._num_others += 1
            for first in range(0, len(page), PAGE_OBJECTS):
                yield page[first : first + PAGE_OBJECTS]

    def left_out(self) -> list[SkippedObject]:
        """Return what is neither file nor folder."""
        number = self._num_others
        what = counted(number, "object")
        return [SkippedObject(object=what, reason="neither file nor folder", count=number)] if number else []

    def notes(self) -> list[str]:
        """Say what reads it."""
        return [
            f"read by fsspec's {self._system.title}, since Penstock has no client of its own for "
            f"{self._system.name}://: slower, and calls are counted as requests"
        ]

    async def find(self, key: str) -> ObjectInfo | None:
        """Look one file up; see the base class."""
        try:
            info = await self._ask("HEAD", key, lambda: self._calls.info(self._path(key)), purpose="listing")
        except _Gone:
            return None
        return self._info(info, key) if info.get("type") == "file" else None

    async def read_into(self, info: ObjectInfo, offset: int, place: memoryview) -> None:
        """Read a range to its place, and see that the file is still that; see the base class."""
        end = offset + len(place)
        refuse_beyond(info, end)
        if not len(place):
            return
        path = self._path(info.key)

        async def read() -> bytes:
            data = await self._calls.read(path, offset, end)
            self.meter.line("GET", self._purpose).received(len(data))
            if len(data) != len(place):
                await self._check(info, path)  # a file that is shorter by now is another
                raise EOFError(f"{len(data)} of {len(place)} bytes came")
            return data

        try:
            data = await self._ask("GET", info.key, read, length_bytes=len(place))
            await self._check(info, path)
        except _Gone as error:
            raise self._lost(error, info.key) from error.problem
        place[:] = data

    async def names_in(self, uri: str) -> list[str]:
        """Name what lies in a folder."""
        path = self._system.path_of(uri)
        entries = await self._entries(path, is_top=True)
        names = [(str(each["name"]).rstrip("/").rpartition("/")[2], each.get("type")) for each in entries]
        return [f"{name}/" if kind == "directory" else name for name, kind in names]

    def split_uri(self, uri: str) -> tuple[str, list[str]]:
        """Return a URI as far as its host, and the path's parts."""
        scheme, _, rest = uri.partition("://")
        host, _, path = rest.partition("/")
        return f"{scheme}://{host}", [part for part in path.split("/") if part]

    def close(self) -> None:
        """Let go of connections."""
        self._calls.close()

    def _path(self, key: str) -> str:
        key = key.strip("/")
        return f"{self._root.rstrip('/')}/{key}" if key else self._root

    async def _check(self, info: ObjectInfo, path: str) -> None:
        """See that a file is still what it was.

        Raises:
            SourceChanged: it is not.
            _Gone: it is not there.
        """
        if not await self._is(info, path):
            raise changed(self.spec, info.key)

    async def _is(self, info: ObjectInfo, path: str) -> bool:
        """Tell whether a file is still what it was; what a look does not tell is looked for in its folder's listing."""
        field = info.validated_by.partition(":")[0]
        now = await self._ask("HEAD", info.key, lambda: self._calls.info(path))
        if now.get("size") == info.size_bytes and field and not version_of(now, by=field):
            entries = await self._ask("LIST", info.key, lambda: self._calls.ls(path.rpartition("/")[0]))
            now = next((each for each in entries if str(each["name"]).strip("/") == path.strip("/")), now)
        return (now.get("size"), version_of(now, by=field) if field else "") == (info.size_bytes, info.validated_by)

    async def _one_file(self) -> ObjectInfo | None:
        """Return the file that the URI names, whose folder becomes the source's place; None where it names none."""
        try:
            told = await self._ask("HEAD", "", lambda: self._calls.info(self._root), purpose="listing")
        except _Gone:  # some know no folders, so that there may be files below it
            return None
        if told.get("type") != "file":
            return None
        last = self._root.rstrip("/").rpartition("/")[2]
        uri = self.spec.uri.rstrip("/").removesuffix(last).rstrip("/")
        self._root = self._root.rstrip("/").removesuffix(last).rstrip("/")
        self.spec = msgspec.structs.replace(self.spec, uri=f"{uri}//" if uri.endswith(":") else uri)
        return self._info(told, last)

    async def _entries(self, path: str, *, is_top: bool) -> list[dict[str, Any]]:
        """Return what lies in a folder; none that went while others were listed."""
        if path.count("/") - self._root.count("/") > MAX_DEPTH:
            raise SourceError(
                f"the folders of {self.spec.uri} go deeper than {MAX_DEPTH}",
                fix="give a folder below it; links that lead to themselves have no end",
                about=self.spec.uri,
            )
        try:
            return await self._ask("LIST", "", lambda: self._calls.ls(path), purpose="listing")
        except _Gone as error:
            if is_top and path == self._root:
                raise error_of(error.problem, self.spec.uri, "", "") from error.problem
            return []

    def _checked(self, name: str) -> str:
        """Return a path that lies below the root."""
        root = self._root.strip("/")
        if root and not f"{name.strip('/')}/".startswith(f"{root}/"):
            raise SourceError(
                f"the listing of {self.spec.uri} names {name!r}, which does not lie there",
                fix="name another folder",
                about=self.spec.uri,
            )
        return name

    def _info(self, told: dict[str, Any], key: str = "") -> ObjectInfo:
        if not key:
            key = self._checked(str(told["name"])).strip("/")[len(self._root.strip("/")) :].strip("/")
        size, version = told.get("size"), version_of(told)
        if not isinstance(size, int) or not 0 <= size <= MAX_OBJECT_BYTES:
            return ObjectInfo(key=key, size_bytes=0, version="", trouble="has no size that its file system tells")
        if not version and not self.spec.flag("unversioned"):
            raise SourceError(
                f"{self._system.name}:// tells neither a checksum nor a time of {key} in {self.spec.uri}, by which a "
                "changed file could be known",
                fix="say that nothing will change there, so that its size will do, with --source-option "
                "unversioned=true (in Python storage_options={'unversioned': True})",
                about=key,
            )
        return ObjectInfo(key=key, size_bytes=size, version=version)

    async def _ask(
        self,
        kind: RequestKind,
        key: str,
        call: Callable[[], Awaitable[T]],
        *,
        purpose: Purpose | None = None,
        length_bytes: int = 0,
    ) -> T:
        """Make a call, again where it failed in a way that may pass.

        Raises:
            _Gone: there is no such file.
        """
        line = self.meter.line(kind, "probe" if self._purpose == "probe" else purpose or self._purpose)
        patience = Patience(self._limits, clock=running_seconds, is_answered=self._is_answered)
        seconds = self._limits.request_timeout_seconds + length_bytes / LEAST_BYTES_PER_SECOND
        while True:
            self.meter.grant()
            line.sent(0)
            try:
                with looking():
                    async with asyncio.timeout(seconds):
                        found = await call()
            except (PenstockError, _Gone):
                raise
            except Exception as error:
                self._is_answered |= not may_pass(error)
                if is_gone(error):
                    line.answered(404)
                    raise _Gone(error) from error
                line.answered(500 if may_pass(error) else 403)
                pause = patience.pause() if may_pass(error) else None
                if pause is None:
                    self.meter.add("failed_requests")
                    raise error_of(error, self.spec.uri, key, patience.told) from error
                reason = redact(f"{type(error).__name__}: {error}")
                _log.info("fsspec.again source=%s key=%s error=%s", self.spec.uri, key, reason)
                self.meter.add("retried_requests")
                with looking():
                    await asyncio.sleep(pause)
            else:
                self._is_answered = True
                line.answered(200)
                return found

    def _lost(self, error: _Gone, key: str) -> Exception:
        self.meter.add("failed_requests")
        return error_of(error.problem, self.spec.uri, key, "")


class _Gone(Exception):
    """There is no such file."""

    def __init__(self, problem: Exception) -> None:
        super().__init__(str(problem))
        self.problem = problem
