"""URLs, URIs and paths that people give: checked before anything is done with them, and free of secrets.

They go into records and command lines as they are, and an endpoint goes to clients that may not take any text.
"""

from __future__ import annotations

import os
import re
from urllib.parse import unquote, urlsplit

from penstock.errors import ConfigError
from penstock.secrets import REDACTED, redact

__all__ = ["check_endpoint", "check_location", "expand_home", "host_of", "local_path", "refuse_secrets"]

_LABEL = "[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_LABELS = re.compile(rf"(?=.{{1,254}}\Z){_LABEL}(?:\.{_LABEL})*\.?")
_BRACKETED = re.compile(r"\[[^]]*\](:[0-9]*)?")
_IPV6 = re.compile(r"[0-9a-fA-F:.]+(?:%25[A-Za-z0-9]+)?")
_PATH = re.compile(r"(?:/(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._~!$&'()*+,;=@%-]+)*")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):/")
_BUCKETS = r"s3[an]?|gs|gcs|az|abfss?|wasbs?|hf|kaggle"
_STORES = rf"{_BUCKETS}|https?|file|ftp"
"""Schemes that a path beginning with them is taken to mean, whatever follows their colon."""
_WITH_ACCOUNT = frozenset({"az", "abfs", "abfss"})
_CONTAINER_AT = re.compile(r"[a-z0-9$-]{1,63}@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")
"""What stands before the host of a URI of Azure's is a container's name."""
_HOST_AND_PORT = re.compile(r"(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}")
"""Of a scheme that is no store's; what follows a store's colon would be a secret."""
_MOST_OF_PATH, _MOST_OF_NAME = 4095, 255
"""Bytes that Linux takes."""
_NO_SLASHES = re.compile(rf"({_STORES}):(?!//)/?|{_SCHEME.pattern}(?!/)", re.IGNORECASE)


def expand_home(path: str, name: str) -> str:
    """Return a path with a user's home folder in the place of its leading ``~`` or ``~user``.

    Args:
        path: that is given.
        name: of the option or setting that it was given with.

    Raises:
        ConfigError: there is no such home folder, or no path of that name.
    """
    if "\0" in path:
        raise ConfigError(f"{name} {redact(path)!r} holds a NUL, which no path may", fix="leave it out")
    found = os.path.expanduser(path)  # noqa: PTH111 - a Path would lose the ./ of ./~x
    lengths = [len(part.encode(errors="replace")) for part in (found, *found.split("/"))]
    if lengths[0] > _MOST_OF_PATH or max(lengths[1:]) > _MOST_OF_NAME:
        raise ConfigError(
            f"{name} begins with {redact(path)[:40]!r} and is too long for a path",
            fix=f"write at most {_MOST_OF_NAME} bytes between slashes, and {_MOST_OF_PATH} in all",
        )
    if found.startswith("~"):
        user = found.partition("/")[0]
        raise ConfigError(
            f"{name} {redact(path)!r}: no home folder is known for {user!r}",
            fix=f"write the whole path, set HOME, or write ./{user} for what is named so",
        )
    return found


def local_path(path: str, name: str) -> str:
    """Return the path of a local file or folder, with the home folder in the place of ``~``.

    One that begins with ``./`` for its name's sake is made whole, so that it is the same path without that.

    Args:
        path: that is given.
        name: of the option or setting that it was given with.

    Raises:
        ConfigError: it is a URI, or there is no such home folder; a URI is not shown, it may hold a secret.
    """
    if uri := _SCHEME.match(path) or _NO_SLASHES.match(path):
        raise ConfigError(
            f"{name} is a URI ({uri[1]}:/…), and a local file or folder is wanted",
            fix=f"write its path; one whose name begins with {uri[1]}: is written ./{uri[1]}:…",
        )
    found = expand_home(path, name)
    plain = os.path.normpath(found)
    is_like_another = plain.startswith("~") or _SCHEME.match(plain) or _NO_SLASHES.match(plain)
    return os.path.abspath(found) if is_like_another else found  # noqa: PTH100


def check_location(text: str, name: str) -> str:
    """Return a URI as it is, and a path with the home folder in the place of ``~``: one function for all locations.

    Args:
        text: that is given.
        name: of the option that it was given with.

    Raises:
        ConfigError: it is empty, a URI without its two slashes, or holds a secret (which is not shown), or there is no
            such home folder.
    """
    if not text:
        raise ConfigError(f"{name} is empty", fix="write it like s3://bucket/prefix, or as a local path")
    if found := _NO_SLASHES.match(text):
        scheme, rest = found[1] or found[2], text[found.end() :]
        is_plain = redact(text) == text and not re.search("[:@?%]", rest)
        meant = f"{scheme}://{'/' if scheme.lower() == 'file' else ''}{rest if is_plain else '…'}"
        raise ConfigError(
            f"{name} {text if is_plain else f'{scheme}:…'!r} has not two slashes after its scheme",
            fix=f"did you mean {meant}? (a local path that begins so is written ./{scheme}:…)",
        )
    return refuse_secrets(text, name) if "://" in text else expand_home(text, name)


def refuse_secrets(url: str, name: str) -> str:
    """Give back a URL or URI that holds no secret: records and command lines would show it.

    Args:
        url: that is given; a text without a scheme is a path, and is not looked at.
        name: of the option that it was given with.

    Raises:
        ConfigError: it holds one; the message does not show it.
    """
    scheme, separator, rest = url.partition("://")
    if not separator:
        return url
    authority = _decoded(re.split(r"[/?#]", rest, maxsplit=1)[0])
    rest = _decoded(rest)
    is_store = re.fullmatch(_BUCKETS, scheme, re.IGNORECASE) is not None
    has_port = scheme.lower().rpartition("+")[2] in ("http", "https") or (
        not is_store and _HOST_AND_PORT.fullmatch(authority) is not None
    )
    is_account = scheme.lower() in _WITH_ACCOUNT and _CONTAINER_AT.fullmatch(authority) is not None
    if ("@" in authority and not is_account) or (
        ":" in authority and ("@" in rest or not has_port) and not authority.startswith("arn:")
    ):
        raise ConfigError(
            f"{name} holds a user name or a key before its host ({scheme}://{REDACTED}), which records and command "
            "lines would show",
            fix="leave it out, and give credentials by the environment (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY), "
            "a profile (AWS_PROFILE) or a role",
        )
    if (shown := redact(url)) != url:
        raise ConfigError(
            f"{name} holds a signature, key or token ({shown}), which records and command lines would show",
            fix="leave it out, and give credentials by the environment, a profile or a role",
        )
    return url


def _decoded(text: str) -> str:
    while (plain := unquote(text)) != text:
        text = plain
    return text


def check_endpoint(url: str, name: str) -> str:
    """Return the URL of a server in its plain form, without a slash at its end.

    Args:
        url: that is given.
        name: of the option or setting that it was given with.

    Raises:
        ConfigError: it is none that a client could use.
    """
    refuse_secrets(url if "://" in url else f"http://{url}", name)
    if (wrong := _wrong_with(url)) is not None:
        fix = "write it like https://host or http://host:9000"
        raise ConfigError(f"{name} {redact(url)!r} {wrong}", fix=fix)
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    port = f":{parts.port}" if parts.port is not None else ""
    return f"{parts.scheme}://{host}{port}{parts.path.rstrip('/')}"


def host_of(url: str) -> str:
    """Return a URL's host; nothing of what names none, or is none."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _wrong_with(url: str) -> str | None:
    """Say what is wrong with the URL of a server, None where nothing is."""
    if not url.isascii() or not url.isprintable() or " " in url:
        return "holds a character that no URL may hold"
    if "://" not in url:
        return "names no scheme"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        return f"is no URL ({str(error).splitlines()[0]})"
    host = parts.hostname or ""
    if parts.scheme not in ("http", "https"):
        return f"is of the scheme {parts.scheme!r}, not of http or https"
    if not host or not (_IPV6 if ":" in host else _LABELS).fullmatch(host):
        return "names no host" if not host else f"names a host that cannot be ({host!r})"
    if "[" in parts.netloc and not _BRACKETED.fullmatch(parts.netloc):
        return f"names a host that cannot be ({parts.netloc!r})"
    if port == 0 or parts.netloc.endswith(":"):
        return "names a port that cannot be"
    if parts.query or parts.fragment or "?" in url or "#" in url:
        return "has a query"
    return None if _PATH.fullmatch(parts.path.rstrip("/")) else "has a path that cannot be"
