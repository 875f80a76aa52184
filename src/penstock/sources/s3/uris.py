"""The parts of an ``s3://`` URI, taken exactly as written: ``#``, ``?`` and ``%`` are part of a key."""

from __future__ import annotations

from penstock.errors import ConfigError

__all__ = ["split_s3"]


def split_s3(uri: str) -> tuple[str, str] | None:
    """Return bucket and prefix (without slashes around it) of an ``s3://`` URI, None where it is none.

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
