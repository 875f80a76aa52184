"""Making connections: names looked up, proxies gone through, TLS agreed, all in a bounded time.

A name is looked up in a thread that nobody waits for longer than that: the system's own look-up cannot be broken off.
Addresses take turns, and one that did not answer is left out for a while where there are others.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ipaddress
import re
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from penstock.errors import ConfigError, SourceError
from penstock.sources.http.connection import Connection, Cut
from penstock.sources.http.response import MAX_HEAD_BYTES

__all__ = ["Address", "Dialer", "Proxy", "Reach", "check_reach", "is_public_address"]

LOOKUP_SECONDS = 5.0
"""For which the addresses of a name are believed."""
SHUNNED_SECONDS = 60.0
_OTHER_NAME = 62
"""OpenSSL's X509_V_ERR_HOSTNAME_MISMATCH."""

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_METADATA = (
    ipaddress.ip_network("fd00:ec2::/32"),  # AWS: instances, and the credentials of containers
    ipaddress.ip_network("100.100.100.200/32"),  # Alibaba Cloud
    ipaddress.ip_network("168.63.129.16/32"),  # Azure
)
"""Of the services that tell a machine of itself, beside those at link-local addresses."""
Reach = Literal["any", "routed", "public"]

_Found = tuple[int, int, int, str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Proxy:
    """An HTTP proxy; ``authorization`` is the value of its header, empty for none."""

    host: str
    port: int
    authorization: str = ""

    @classmethod
    def with_login(cls, host: str, port: int, *, user: str, password: str) -> Proxy:
        """Return a proxy that wants a name and a password (RFC 7617)."""
        login = base64.b64encode(f"{user}:{password}".encode()).decode()
        return cls(host=host, port=port, authorization=f"Basic {login}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Address:
    """Where a server listens.

    Attributes:
        proxy: that the way there leads through.
        ca_file: certificates that are trusted, or their folder; None are the system's.
        ca_setting: that they are given with, as messages name it.
        reach: which addresses are taken, where a server or list named this place: any, none that is link-local
            (``routed``), or those of the public internet alone.
        name_fix: what to do where its certificate is of another name, empty for the usual.
    """

    host: str
    port: int
    is_tls: bool
    proxy: Proxy | None = None
    ca_file: str | None = None
    ca_setting: str = "SSL_CERT_FILE"
    reach: Reach = "any"
    name_fix: str = ""


class Dialer:
    """Makes connections to one address.

    Args:
        address: of the server.
        timeout_seconds: for all that a connection takes.
    """

    def __init__(self, address: Address, *, timeout_seconds: float) -> None:
        self._address = address
        self._timeout_seconds = timeout_seconds
        self._loop = asyncio.get_running_loop()
        self._tls = _trusting(address.ca_file, address.ca_setting) if address.is_tls else None
        proxy = address.proxy
        self._peer = (proxy.host, proxy.port) if proxy is not None else (address.host, address.port)
        self._found: list[_Found] = []
        self._found_at = 0.0
        self._looking: asyncio.Future[list[_Found]] | None = None
        self._turn = 0
        self._shunned: dict[Any, float] = {}

    async def connect(self, make: Callable[[], Connection]) -> Connection:
        """Return a new connection.

        Raises:
            Cut: there is none; the reason is told.
            SourceError: there will be none: the certificate is not trusted, or a proxy refuses.
        """
        where = f"{'' if self._address.proxy is None else 'the proxy '}{self._peer[0]}:{self._peer[1]}"
        try:
            async with asyncio.timeout(self._timeout_seconds):
                return await self._connect(make)
        except ssl.SSLCertVerificationError as error:
            fix = f"give the authority's certificates with {self._address.ca_setting} (a file of PEM), and check the "
            fix += "host's name"
            if error.verify_code == _OTHER_NAME and self._address.name_fix:
                fix = self._address.name_fix
            raise SourceError(
                f"the certificate of {self._address.host}:{self._address.port} is not trusted ({error.verify_message})",
                fix=fix,
            ) from error
        except ssl.SSLError as error:
            raise Cut(f"error sending request: TLS: {error.reason or error} ({where})") from error
        except TimeoutError as error:
            stage = "name found" if self._looking is not None else "connection"
            raise Cut(f"error sending request: no {stage} for {where} in {self._timeout_seconds:g} s") from error
        except OSError as error:
            raise Cut(f"error sending request: no connection to {where} ({error.strerror or error})") from error

    async def _connect(self, make: Callable[[], Connection]) -> Connection:
        sock = await self._reach()
        try:
            if self._address.proxy is not None and self._address.is_tls:
                await self._tunnel(sock, self._address.proxy)
            _, connection = await self._loop.create_connection(
                make, sock=sock, ssl=self._tls, server_hostname=self._address.host if self._tls else None
            )
        except BaseException:
            sock.close()
            raise
        return connection

    async def _reach(self) -> socket.socket:
        """Return a socket that is connected to the peer, at whichever of its addresses answers."""
        found = await self._look_up()
        for each in found:
            check_reach(each[4][0], self._address.host, self._address.reach)
        now = self._loop.time()
        good = [each for each in found if self._shunned.get(each[4], 0.0) <= now] or found
        self._turn += 1
        error: OSError | None = None
        for number in range(len(good)):
            family, kind, protocol, _, place = good[(self._turn + number) % len(good)]
            sock = socket.socket(family, kind, protocol)
            try:
                sock.setblocking(False)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                await self._loop.sock_connect(sock, place)
            except OSError as failed:
                error = failed
            except BaseException:
                self._shunned[place] = now + SHUNNED_SECONDS
                sock.close()
                raise
            else:
                return sock
            sock.close()
        raise error or OSError("no address")

    async def _look_up(self) -> list[_Found]:
        if self._found and self._loop.time() - self._found_at < LOOKUP_SECONDS:
            return self._found
        if self._looking is None:
            self._looking = self._loop.create_future()
            thread = threading.Thread(target=self._ask, args=(self._looking,), name="penstock-lookup-0", daemon=True)
            thread.start()
        looking = self._looking
        self._found = await asyncio.shield(looking)
        self._found_at = self._loop.time()
        return self._found

    def _ask(self, answer: asyncio.Future[list[_Found]]) -> None:
        """Look the name up; in a thread of its own."""
        found: list[_Found] = []
        problem: Exception | None = None
        host, port = self._peer
        name = host.encode() if host.isascii() else host  # else Python's tables of other letters are imported for it
        try:
            found = list(socket.getaddrinfo(name, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            problem = error if isinstance(error, OSError) else OSError(f"no host name: {error}")

        def tell() -> None:
            if self._looking is answer:
                self._looking = None
            if answer.done():
                return
            if problem is not None:
                answer.set_exception(problem)
                answer.exception()  # whoever asked may have gone
            else:
                answer.set_result(found)

        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
            self._loop.call_soon_threadsafe(tell)

    async def _tunnel(self, sock: socket.socket, proxy: Proxy) -> None:
        """Ask a proxy for a way through (RFC 9110, 9.3.6)."""
        host = f"[{self._address.host}]" if ":" in self._address.host else self._address.host
        login = f"Proxy-Authorization: {proxy.authorization}\r\n" if proxy.authorization else ""
        head = f"CONNECT {host}:{self._address.port} HTTP/1.1\r\nHost: {host}:{self._address.port}\r\n{login}\r\n"
        await self._loop.sock_sendall(sock, head.encode("ascii"))
        answer = b""
        while not answer.endswith(b"\r\n\r\n"):
            piece = await self._loop.sock_recv(sock, 1)  # not a byte of what comes after it
            if not piece or len(answer) > MAX_HEAD_BYTES:
                raise OSError("the proxy gave no answer")
            answer += piece
        status = answer.split(b" ", 2)[1:2]
        if status != [b"200"]:
            raise self._refused_by(proxy, b"".join(status).decode(errors="replace"))

    def _refused_by(self, proxy: Proxy, status: str) -> Exception:
        """Return the error of a proxy that makes no way: one that stays where another try gives no other."""
        if not re.fullmatch("4[0-9][0-9]", status) or status in ("408", "429"):
            return OSError(f"the proxy answered {status or 'nothing'}")
        named = f"the proxy {proxy.host}:{proxy.port}"
        if status == "407":
            fix = "give its user and password in HTTPS_PROXY (http://user:password@host:port)"
            return SourceError(f"{named} asks for a login (HTTP 407)", fix=fix)
        return SourceError(
            f"{named} does not let through to {self._address.host}:{self._address.port} (HTTP {status})",
            fix="have it let that host through, or name the host in NO_PROXY where there is a straight way",
        )


def _trusting(ca_file: str | None, setting: str) -> ssl.SSLContext:
    """Return the context that trusts a file or folder of certificates, or what the system trusts.

    Raises:
        ConfigError: the file holds none.
    """
    try:
        if ca_file is not None and Path(ca_file).is_dir():
            return ssl.create_default_context(capath=ca_file)
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"{ca_file} cannot be used as certificates ({error.strerror or error})",
            fix=f"name a file of certificates in PEM with {setting}",
        ) from error


def is_public_address(text: str) -> bool:
    """Tell whether an IP address is one of the public internet; those of IPv6 that wrap one of IPv4 are as that is."""
    address = _unwrapped(text)
    return address.is_global and not address.is_multicast and not _is_of_this_machine(address)


def _unwrapped(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Return an IP address, of IPv6 that wraps one of IPv4 the latter."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv4Address):
        return address
    inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
    if inner is None and address in _NAT64:
        inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return inner or address


def _is_of_this_machine(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Tell whether what answers there answers this machine alone, with its credentials for one."""
    return address.is_link_local or any(address.version == net.version and address in net for net in _METADATA)


def check_reach(text: str, host: str, reach: Reach) -> None:
    """Refuse an IP address that a server or list may not send requests to.

    Raises:
        SourceError: it is one.
    """
    if reach == "any" or (reach == "routed" and not _is_of_this_machine(_unwrapped(text))):
        return
    if reach == "public" and is_public_address(text):
        return
    raise SourceError(
        f"{host} is {text}, an address of a private network or of this machine, and another server sent there",
        fix="give the place itself as the source, if it is to be trusted",
        about=host,
    )
