"""The parts of a source's URI, taken exactly as written: ``#``, ``?`` and ``%`` are part of a key."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

from penstock.errors import ConfigError

__all__ = ["local_folder", "split_s3"]


def split_s3(uri: str) -> tuple[str, str] | None:
    """Give bucket and prefix (without slashes around it) of an ``s3://`` URI, None where it is none.

    Raises:
        ConfigError: it names no bucket.
    """
    scheme, separator, rest = uri.partition("://")
    if not separator or scheme.lower() != "s3":
        return None
    bucket, _, prefix = rest.partition("/")
    if not bucket:
        raise ConfigError(f"{uri!r} names no bucket", fix="write it like s3://bucket/prefix")
    return bucket, prefix.strip("/")


def local_folder(uri: str) -> Path:
    """Give the absolute path of a local folder, written as a path or as ``file:///path``.

    Raises:
        ConfigError: it is a URI of another scheme, or names a host.
    """
    scheme, separator, rest = uri.partition("://")
    if not separator:
        return Path(uri).absolute()
    if scheme.lower() != "file":
        raise ConfigError(
            f"cannot use {uri!r}: this release reads no {scheme}://",
            fix="write it like s3://bucket/prefix, or as a local path",
        )
    if not rest.startswith("/"):
        raise ConfigError(f"cannot use {uri!r}, which names a host", fix=f"did you mean file:///{rest}?")
    return Path(unquote(rest))
