"""The errors of reading local files through obstore, as errors of the tree.

Its own text runs over many lines: of it, a part of the first line is told.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

from obstore.exceptions import BaseError, InvalidPathError, PermissionDeniedError, PreconditionError

from penstock.errors import AccessDenied, ObjectNotFound, PenstockError, SourceError, SourceUnavailable
from penstock.manifest import SourceSpec
from penstock.sources.base import changed

__all__ = ["map_source_error", "mapped"]

REASON_CHARACTERS = 160

_BAD_PATH = re.compile(r"(?:invalid path|error parsing path|empty path segment|invalid utf-8|not valid unicode)", re.I)


@contextlib.contextmanager
def mapped(spec: SourceSpec, key: str) -> Iterator[None]:
    """Raise errors of obstore as those of the tree; a panic of its native code, which is no ``Exception``, too."""
    try:
        yield
    except BaseException as error:
        is_panic = type(error).__module__.startswith("pyo3")
        if isinstance(error, BaseError | OSError) or is_panic:
            raise map_source_error(error, spec, key) from error
        raise


def map_source_error(error: BaseException, spec: SourceSpec, key: str) -> PenstockError:
    """Return the error of the tree that obstore's own error stands for.

    Args:
        error: what it raised; a panic of its native code is one too.
        spec: of the source.
        key: the object or prefix that was asked for, empty for the whole source.
    """
    text, about = str(error), key or spec.uri
    reason = text.strip().split("\n", 1)[0].split(" - ", 1)[-1][:REASON_CHARACTERS]
    if isinstance(error, PreconditionError):
        return changed(spec, key)
    if isinstance(error, PermissionDeniedError | PermissionError):
        return AccessDenied(f"access to {about} was denied ({reason})", fix="check its owner and mode", about=about)
    if isinstance(error, FileNotFoundError):
        return ObjectNotFound(
            f"{about} is not in {spec.uri} any more", fix="run `penstock list` again and start a new run", about=about
        )
    if isinstance(error, InvalidPathError) or _BAD_PATH.search(text):
        return SourceError(
            f"a file under {spec.uri} has a name that cannot be read ({reason})",
            fix="rename it: names hold no empty, . or .. parts and no control characters",
            about=about,
        )
    return SourceUnavailable(
        f"{about} in {spec.uri} could not be read ({reason or type(error).__name__})",
        fix="check the disk or network file system that it lies on, then run it again",
        about=about,
    )
