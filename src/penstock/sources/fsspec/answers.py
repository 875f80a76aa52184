"""What fsspec's file systems tell: versions of files, and errors, which each of them has its own of."""

from __future__ import annotations

import builtins
import contextlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from penstock.errors import (
    AccessDenied,
    BucketNotFound,
    ConfigError,
    ObjectNotFound,
    ObjectUnreadable,
    PenstockError,
    SourceError,
    SourceUnavailable,
)
from penstock.secrets import redact

__all__ = ["error_of", "is_gone", "may_pass", "version_of"]

_CONTENT = (
    *("etag", "contenthash", "sha256", "sha1", "sha", "md5", "contentmd5", "md5hash", "crc32c", "checksum", "hash"),
    *("generation", "versionid", "version", "rev", "objectid"),
)
"""What names content for good, by how names of fields are compared: lower case, letters and digits alone."""
_TIMES = (
    *("mtime", "lastmodified", "modified", "modify", "updated", "servermodified", "modificationtime"),
    *("lastwritetime", "modtime"),
)
_LESSER_TIMES = ("created", "creationtime")
"""When it was made: of a file system that makes another file where one is written anew."""
_ISO_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:")
_IN_MEMORY = "; what a process keeps in memory no other sees, and sources are read by others: use a folder"
_REASON_CHARACTERS = 200


def version_of(info: Mapping[str, Any], *, by: str = "") -> str:
    """Return what tells a file's content from another's, empty where nothing does.

    Args:
        info: that a file system tells of the file.
        by: the field to go by; empty is the best that is there.
    """
    plain = {"".join(letter for letter in name.lower() if letter.isalnum()): value for name, value in info.items()}
    for name in (by,) if by else (*_CONTENT, *_TIMES, *_LESSER_TIMES):
        if text := _text(plain.get(name)):
            return f"{name}:{text}"
    return ""


def _text(value: object) -> str:
    """Return a value as a text: a time as seconds, however it is told, for listings tell it otherwise than a look."""
    if isinstance(value, str) and _ISO_TIME.match(value):
        with contextlib.suppress(ValueError):
            value = datetime.fromisoformat(value)
    if isinstance(value, datetime):
        value = (value if value.tzinfo is not None else value.replace(tzinfo=UTC)).timestamp()
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f"{value:.6f}".rstrip("0").rstrip(".")
    return value.strip() if isinstance(value, str) else ""


def is_gone(error: BaseException) -> bool:
    """Tell whether a file is not there."""
    return isinstance(error, FileNotFoundError | NotADirectoryError | IsADirectoryError)


def may_pass(error: BaseException) -> bool:
    """Tell whether a call may succeed later: what is no refusal, and no error of the program itself."""
    if is_gone(error) or isinstance(error, PermissionError) or _is_refusal(error):
        return False
    if isinstance(error, OSError | EOFError | TimeoutError):
        return True
    return getattr(builtins, type(error).__name__, None) is not type(error)


def error_of(error: BaseException, uri: str, key: str, tried: str) -> PenstockError:
    """Return the error of the tree for a call that failed.

    Args:
        key: that was asked for, empty for the source itself.
        tried: how often, where it may pass.
    """
    text = str(error) or ("nothing came in time" if isinstance(error, TimeoutError) else "")
    reason = " ".join(redact(f"{type(error).__name__}: {text}").split())[:_REASON_CHARACTERS]
    about = key or uri
    where = f"{key} in {uri}" if key else uri
    if is_gone(error):
        if key:
            return ObjectNotFound(f"there is no {where} any more", fix="list again", about=about)
        fix = "check the URI, case included" + (_IN_MEMORY if uri.startswith("memory:") else "")
        return BucketNotFound(f"there is no {uri} ({reason})", fix=fix, about=about)
    if isinstance(error, PermissionError) or _is_refusal(error):
        if key and not _is_of_who_asks(error):
            return ObjectUnreadable(f"{where} may not be read ({reason})", fix="check who may read it", about=about)
        return AccessDenied(
            f"{where} may not be read ({reason})",
            fix="give credentials by storage_options, or FSSPEC_<SCHEME>_<NAME> in the environment",
            about=about,
        )
    if isinstance(error, ImportError):
        return ConfigError(f"{uri} cannot be read ({reason})", fix="install what its file system needs")
    if may_pass(error):
        return SourceUnavailable(f"{where} could not be read ({reason}); {tried}", fix="run it again", about=about)
    return SourceError(
        f"{where} could not be read ({reason})", fix="check the URI and the options of its file system", about=about
    )


def _is_refusal(error: BaseException) -> bool:
    """Tell whether a server refuses who asks, or what (ftplib.error_perm; authentication of paramiko and others)."""
    name = type(error).__name__
    return name == "error_perm" or "AccessDenied" in name or _is_of_who_asks(error)


def _is_of_who_asks(error: BaseException) -> bool:
    """Tell whether a server takes the credentials for nobody's, so that no other file can be read with them either."""
    name = type(error).__name__
    return "Authentication" in name or "AuthError" in name
