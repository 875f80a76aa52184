"""Where the server of a URL listens, and how the way there leads through a proxy."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from penstock.sources.http.connecting import Address, Reach, check_reach
from penstock.sources.http.proxies import proxy_for

__all__ = ["find_address", "host_header"]

_PORTS = {True: 443, False: 80}


def find_address(
    url: str,
    *,
    ca_file: str | None = None,
    ca_setting: str = "SSL_CERT_FILE",
    reach: Reach = "any",
    name_fix: str = "",
) -> Address:
    """Return where the server of a URL listens; see ``Address`` for the other arguments.

    Raises:
        ConfigError: the environment names a proxy that cannot be used.
        SourceError: it is a place that may not be reached, by what is known without a look-up.
    """
    parts = urlsplit(url)
    host, is_tls = parts.hostname or "", parts.scheme == "https"
    port = parts.port or _PORTS[is_tls]
    proxy = proxy_for(parts.scheme, host, port)
    if proxy is not None:  # it looks the name up, not we: what can be known is known by the name
        _check_name(host, reach)
        reach = "any"
    return Address(
        host=host,
        port=port,
        is_tls=is_tls,
        proxy=proxy,
        ca_file=ca_file,
        ca_setting=ca_setting,
        reach=reach,
        name_fix=name_fix,
    )


def host_header(address: Address) -> str:
    """Return the value of the header Host."""
    named = f"[{address.host}]" if ":" in address.host else address.host
    return named if address.port == _PORTS[address.is_tls] else f"{named}:{address.port}"


def _check_name(host: str, reach: Reach) -> None:
    if host.rstrip(".").rpartition(".")[2].lower() == "localhost":
        check_reach("127.0.0.1", host, reach)
        return
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return
    check_reach(host, host, reach)
