"""The folder that a path or a ``file://`` URI names."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

from penstock.errors import ConfigError

__all__ = ["local_folder"]


def local_folder(uri: str) -> Path:
    """Return the absolute path of a local folder, written as a path or as ``file:///path``.

    Raises:
        ConfigError: it is a URI of another scheme, or names a host.
    """
    if "\0" in unquote(uri):
        raise ConfigError(f"cannot use {uri!r}, which holds a NUL", fix="leave it out")
    scheme, separator, rest = uri.partition("://")
    if not separator:
        return Path(uri).absolute()
    if scheme.lower() != "file":
        raise ConfigError(f"cannot use {uri!r}", fix="write it like file:///path/to/folder, or as a local path")
    if not rest.startswith("/"):
        raise ConfigError(
            f"cannot use {uri!r}, which names a host",
            fix=f"did you mean file:///{rest}? What lies elsewhere is written like s3://bucket/prefix",
        )
    return Path(unquote(rest))
