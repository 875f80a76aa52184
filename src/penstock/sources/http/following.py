"""Requests through redirects: within https where they began so, never from a public server into a private network.

What a source sends with requests to its own URLs (a token) goes nowhere else. Where a redirect led is remembered for a
while, and asked anew when what it led to refuses, as signed links do that have expired, or does not answer.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import urljoin, urlsplit

from penstock.errors import ConfigError, PenstockError, SourceError
from penstock.records import Purpose
from penstock.secrets import redact
from penstock.sources.http.addresses import find_address, host_header
from penstock.sources.http.client import GaveUp, HttpClient, Outgoing, Sending
from penstock.sources.http.connecting import Address, Reach, is_public_address
from penstock.sources.http.connection import Answer, Answered
from penstock.sources.http.response import Verdict, Wanted, is_same, is_web_page, judge, may_pass
from penstock.sources.http.versions import validator_header, wanted_of
from penstock.sources.http.ways import Ways
from penstock.sources.meter import RequestMeter
from penstock.sources.patience import ClientLimits
from penstock.sources.protocols import ObjectInfo
from penstock.urls import check_endpoint

__all__ = ["FollowingClient", "NoRanges", "Site"]

MAX_CONNECTIONS = 64
"""To one server, which others use as well."""
MAX_HOPS = 5
LOOKUP_SECONDS = 5.0
MAX_SERVERS = 1024

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_WAY_IS_OLD = _REDIRECTS | {400, 401, 403, 404, 410, 412, 416}
"""Answers at the end of a way that was good that may mean that it leads elsewhere by now."""
MOST_TRIES_OF_A_WAY = 3
"""After which it is asked where the URL leads by now: a link ends, and a mirror goes, while it is tried."""
_UNENCODED = re.compile(r"[ \x80-\xff]")
_log = logging.getLogger(__name__)
_SAME = "\r\nUser-Agent: penstock\r\nAccept: */*\r\nAccept-Encoding: identity"


class NoRanges(Exception):
    """A server that answers a request for a range with the whole file."""


class Site(Protocol):
    """What a source says of its URLs.

    Attributes:
        uri: of the source, for messages.
        given_by: URL of a list that gave the URLs of this source, empty where a person did.
        redirects: whether URLs of its objects lead elsewhere as a rule.
    """

    uri: str
    given_by: str
    redirects: bool

    def url_of(self, key: str) -> str:
        """Return the URL of an object."""
        ...

    def headers_of(self, url: str) -> Mapping[str, str]:
        """Return headers (a token) that go to this very URL, and nowhere else."""
        ...

    def renew(self, url: str, sent: Mapping[str, str]) -> bool:
        """Look for other headers than those that were sent to this URL and refused; tell whether there are any."""
        ...

    async def may_ask(self, url: str) -> None:
        """Wait until a server wants to be asked again."""
        ...

    def heed(self, url: str, answer: Answer) -> None:
        """Look at what an answer says of further requests."""
        ...

    def failed(self, problem: Exception, key: str, tried: str) -> PenstockError:
        """Return the error of an object that could not be read."""
        ...


class FollowingClient(HttpClient):
    """Asks the servers of one source, and those that they lead to."""

    def __init__(self, site: Site, *, limits: ClientLimits, meter: RequestMeter, purpose: Purpose) -> None:
        self._servers = _Servers(site)
        self._purpose: Purpose = purpose
        super().__init__(self._servers, limits=limits, meter=meter, purpose=purpose, max_connections=MAX_CONNECTIONS)

    @property
    def ways(self) -> Ways:
        """Where URLs led a moment ago; clients of the same site may have the same."""
        return self._servers.ways

    @ways.setter
    def ways(self, ways: Ways) -> None:
        self._servers.ways = ways

    async def read_into(self, info: ObjectInfo, offset: int, place: memoryview) -> None:
        """Read a range; see the base class. Of several at once one finds out where the object's URL leads."""
        url = self._servers.site.url_of(info.key)
        ways = self._servers.ways
        await ways.look(url)
        try:
            await super().read_into(info, offset, place)
        except BaseException:
            ways.end(url)
            raise
        ways.end(url, answered=True)

    async def find_way(self, url: str) -> None:
        """Find out where an object's URL leads, unless that is known; what is wrong is met again by who reads it."""
        ways = self._servers.ways
        await ways.look(url)
        if ways.is_known(url):
            return
        is_there = False
        try:
            found = await self.call("HEAD", url, kind="HEAD", purpose=self._purpose, follows=False)
            is_there = found.head.status == 200
        except (GaveUp, PenstockError) as error:
            _log.debug("way.unknown reason=%s", type(error).__name__)
        finally:
            ways.end(url, answered=is_there)

    def led_to(self, url: str) -> str:
        """Return where the redirects of a URL led a moment ago: itself, where there were none."""
        return (self._servers.ways.get(url) or (url,))[0]


class _Servers:
    """What is known of a source's servers."""

    checksum_header = ""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.ways = Ways(redirects=site.redirects)
        self._addresses: OrderedDict[tuple[str, Reach], tuple[Address, str]] = OrderedDict()
        self._private: dict[str, bool] = {}
        self._ca_file = os.environ.get("SSL_CERT_FILE") or os.environ.get("REQUESTS_CA_BUNDLE") or None

    def trip(self, key: str | None, info: ObjectInfo | None) -> _Trip:
        assert key is not None
        url = self.site.url_of(key) if info is not None else key
        return _Trip(self, url, info)

    def address(self, url: str, reach: Reach) -> tuple[Address, str]:
        """Return where a URL's server listens, and the value of the header Host."""
        parts = urlsplit(url)
        server = f"{parts.scheme}://{parts.netloc}", reach
        found = self._addresses.get(server)
        if found is None:
            address = find_address(server[0], ca_file=self._ca_file, reach=reach)
            found = self._addresses[server] = address, host_header(address)
            while len(self._addresses) > MAX_SERVERS:
                self._addresses.popitem(last=False)
        return found

    async def first_reach(self, url: str) -> Reach:
        """Return where a source's URL may lie: that of a list that a server gave, where that server may send to."""
        source = self.site.given_by
        if not source or urlsplit(source).netloc == urlsplit(url).netloc:
            return "any"
        return await self.reach_from(source)

    async def reach_from(self, url: str) -> Reach:
        """Return where a server may send requests: one of a private network to others there, the internet's not."""
        host = urlsplit(url).hostname or ""
        if host not in self._private:
            self._private[host] = await _is_private(host)
        return "routed" if self._private[host] else "public"


class _Trip:
    """One request, wherever redirects lead it."""

    __slots__ = (
        "_has_renewed",
        "_hops",
        "_info",
        "_is_remembered",
        "_num_asked",
        "_reach",
        "_sent",
        "_servers",
        "_target",
        "_url",
        "_wanted",
    )

    def __init__(self, servers: _Servers, url: str, info: ObjectInfo | None) -> None:
        self._servers, self._url, self._info = servers, url, info
        self._target: str
        self._reach: Reach | None
        self._target, self._reach = servers.ways.get(url) or (url, None)
        self._is_remembered = self._target != url
        self._hops = self._num_asked = 0  # the latter at this target
        self._wanted: Wanted | None = None
        self._sent: Mapping[str, str] = {}
        self._has_renewed = False

    def wanted(self, first: int, end: int) -> Wanted:
        assert self._info is not None
        self._wanted = wanted_of(self._info, first, end)
        return self._wanted

    async def get(self, wanted: Wanted) -> Outgoing:
        headers = {}
        if not wanted.is_whole:
            headers["Range"] = f"bytes={wanted.first}-{wanted.end - 1}"
        if (validator := validator_header(wanted)) is not None:
            headers[validator[0]] = validator[1]
        return await self._write("GET", headers)

    async def make(self, sending: Sending) -> Outgoing:
        return await self._write(sending.method, dict(sending.headers))

    async def _write(self, method: str, headers: dict[str, str]) -> Outgoing:
        site = self._servers.site
        if self._target != self._url and self._num_asked >= MOST_TRIES_OF_A_WAY - self._is_remembered:
            await self._begin_anew()
        self._num_asked += 1
        if self._reach is None:
            self._reach = await self._servers.first_reach(self._url)
        await site.may_ask(self._target)
        address, host = self._servers.address(self._target, self._reach)
        parts = urlsplit(self._target)
        path = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
        told = ""
        if address.proxy is not None and not address.is_tls:
            path = f"http://{host}{path}"
            login = address.proxy.authorization
            told = f"\r\nProxy-Authorization: {login}" if login else ""
        self._sent = site.headers_of(self._target)
        lines = "".join(f"\r\n{name}: {value}" for name, value in {**headers, **self._sent}.items())
        head = f"{method} {path} HTTP/1.1\r\nHost: {host}{_SAME}{told}{lines}\r\n\r\n"
        return Outgoing(address, head.encode("ascii"))

    async def act_on(self, answer: Answer) -> bool:
        status = answer.head.status
        self._servers.site.heed(self._target, answer)
        if self._target != self._url and self._may_be_old(answer):
            await self._begin_anew()
            return True
        if status in _REDIRECTS:
            return await self._follow(answer)
        if status == 401 and self._sent and not self._has_renewed:
            self._has_renewed = True
            return self._servers.site.renew(self._target, self._sent)
        wanted = self._wanted
        if status == 200 and wanted is not None and not wanted.is_whole and not is_web_page(answer.head):
            self._check_whole(answer, wanted)
            raise NoRanges
        return False

    def _may_be_old(self, answer: Answer) -> bool:
        """Tell whether an answer may be that of a way that was good before it, and is not any more."""
        if not self._is_remembered and self._num_asked < 2:
            return False
        if answer.head.status in _WAY_IS_OLD:
            return True
        wanted = self._wanted
        return wanted is not None and (is_web_page(answer.head) or judge(answer.head, wanted) is Verdict.CHANGED)

    async def _begin_anew(self) -> None:
        """Forget where the URL led, and ask it again, or go where others found meanwhile that it leads."""
        self._servers.ways.forget(self._url, self._target)
        if self._info is not None:
            await self._servers.ways.look(self._url)
        self._target, self._reach = self._servers.ways.get(self._url) or (self._url, None)
        self._hops = self._num_asked = 0
        self._is_remembered = False

    async def _follow(self, answer: Answer) -> bool:
        location = answer.head.header("location")
        if not location:
            return False
        self._hops += 1
        if self._hops > MAX_HOPS:
            raise self._refused(f"is redirected more than {MAX_HOPS} times", "give the URL that it leads to")
        target = _resolved(self._target, location)
        if target is None:
            raise self._refused("is redirected to what is no URL of http or https", "give the URL that it means")
        before, after = urlsplit(self._target), urlsplit(target)
        if before.scheme == "https" and after.scheme != "https":
            raise self._refused(
                f"is redirected to {after.hostname} without encryption", "give that URL, if it is to be trusted"
            )
        if (before.hostname, before.port) != (after.hostname, after.port):
            self._reach = "public" if self._reach == "public" else await self._servers.reach_from(self._target)
        self._target, self._num_asked = target, 0
        self._servers.ways.add(self._url, target, self._reach or "any")
        return True

    def _check_whole(self, answer: Answer, wanted: Wanted) -> None:
        """See that a whole file in a range's place is the version that is wanted, as far as its head tells."""
        assert self._info is not None
        size = answer.head.length_bytes
        if (size is not None and size != wanted.total_bytes) or not is_same(answer.head, wanted):
            raise self._servers.site.failed(Answered(Verdict.CHANGED, answer), self._info.key, "")

    def _refused(self, what: str, fix: str) -> SourceError:
        return SourceError(f"{redact(self._url)} {what}", fix=fix, about=redact(self._url))

    def may_pass(self, answer: Answer) -> bool:
        return may_pass(answer.head.status)

    def failed(self, problem: Exception, tried: str) -> PenstockError:
        return self._servers.site.failed(problem, self._info.key if self._info is not None else self._url, tried)


def _resolved(url: str, location: str) -> str | None:
    """Return where a redirect leads; None where that is no place, or one with a user's name.

    Args:
        location: each byte a letter; blanks and what is no ASCII are encoded, as browsers do.
    """
    location = _UNENCODED.sub(lambda found: f"%{ord(found[0]):02X}", location.strip(" \t"))
    try:
        target = urljoin(url, location)
        parts = urlsplit(target)
        if not target.isascii() or not target.isprintable() or " " in target or parts.username is not None:
            return None
        check_endpoint(f"{parts.scheme}://{parts.netloc}", "the redirect")
    except (ConfigError, ValueError):
        return None
    return target.partition("#")[0]


async def _is_private(host: str) -> bool:
    """Tell whether a host has an address that is not public; one that nobody knows has none."""
    found: list[Any] = []
    try:
        async with asyncio.timeout(LOOKUP_SECONDS):
            found = await asyncio.get_running_loop().getaddrinfo(host, None)
    except (OSError, TimeoutError, UnicodeError):
        return False
    return any(not is_public_address(str(each[4][0])) for each in found)
