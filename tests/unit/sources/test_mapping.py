"""Errors of obstore and the errors of the tree that they stand for."""

from __future__ import annotations

import pytest
from obstore.exceptions import (
    GenericError,
    InvalidPathError,
    NotSupportedError,
    PermissionDeniedError,
    PreconditionError,
)

from penstock.errors import AccessDenied, ObjectNotFound, PenstockError, SourceChanged, SourceError, SourceUnavailable
from penstock.manifest import SourceSpec
from penstock.sources.local.mapping import map_source_error

SPEC = SourceSpec(uri="/data/folder")


class Panic(BaseException):
    """As pyo3's PanicException is."""


TABLE: list[tuple[BaseException, type[PenstockError]]] = [
    (PreconditionError("x"), SourceChanged),
    (FileNotFoundError("Object at location x not found"), ObjectNotFound),
    (PermissionDeniedError("x"), AccessDenied),
    (PermissionError(13, "Permission denied"), AccessDenied),
    (InvalidPathError("a//b"), SourceError),
    (GenericError("Encountered object with invalid path: a//b"), SourceError),
    (NotSupportedError("x"), SourceUnavailable),
    (TimeoutError("x"), SourceUnavailable),
    (OSError(5, "Input/output error"), SourceUnavailable),
    (GenericError(""), SourceUnavailable),
    (Panic("called `Result::unwrap()` on an `Err` value"), SourceUnavailable),
]


@pytest.mark.parametrize(("foreign", "kind"), TABLE, ids=[f"{kind.__name__}-{error}"[:50] for error, kind in TABLE])
@pytest.mark.parametrize("key", ["folder/object", ""])
def test_each_foreign_error_has_its_own(foreign: BaseException, kind: type[PenstockError], key: str) -> None:
    error = map_source_error(foreign, SPEC, key)
    assert type(error) is kind
    assert error.fix
    assert SPEC.uri in str(error) or key in str(error)


def test_the_reason_is_short_and_on_one_line() -> None:
    told = str(map_source_error(GenericError(f"{'long ' * 100}\n\nDebug source:\n..."), SPEC, "x"))
    assert "Debug" not in told
    assert "\n" not in told
    assert len(told) < 350
