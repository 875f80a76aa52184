"""The proxy that the environment names for a server, by the rules that botocore has from Python's urllib.

``HTTPS_PROXY``, ``HTTP_PROXY``, ``ALL_PROXY`` (the names in lower case win), and ``NO_PROXY``: hosts, domains, with a
port where one is given, or ``*`` for all.
"""

from __future__ import annotations

import os
import sys
from urllib.parse import unquote, urlsplit

from penstock.errors import ConfigError
from penstock.sources.http.connecting import Proxy

__all__ = ["proxy_for"]

DEFAULT_PORT = 80


def proxy_for(scheme: str, host: str, port: int) -> Proxy | None:
    """Return the proxy that the way to a server leads through, None where it is straight.

    Raises:
        ConfigError: what the environment names is none that can be used.
    """
    if sys.platform == "linux" and not any(name.lower().endswith("_proxy") for name in os.environ):
        return None
    from urllib.request import getproxies, proxy_bypass  # here: 25 ms to import

    proxies = getproxies()
    name = next((name for name in (scheme, "all") if proxies.get(name)), None)
    if name is None or proxy_bypass(host) or proxy_bypass(f"{host}:{port}"):
        return None
    return _parse(proxies[name], f"{name.upper()}_PROXY")


def _parse(url: str, name: str) -> Proxy:
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        host, port = parts.hostname, parts.port or DEFAULT_PORT
    except ValueError:
        parts, host, port = None, None, 0
    if parts is None or not host or not url.isascii() or not url.isprintable() or " " in url:
        raise ConfigError(f"{name} is no URL of a proxy", fix="write it like http://host:3128")
    if parts.scheme != "http":
        raise ConfigError(
            f"{name} names a proxy of the scheme {parts.scheme!r}",
            fix="name one that is asked by plain HTTP, like http://host:3128; what goes through it stays encrypted",
        )
    if parts.username is None:
        return Proxy(host=host, port=port)
    return Proxy.with_login(host, port, user=unquote(parts.username), password=unquote(parts.password or ""))
