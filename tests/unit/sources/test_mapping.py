"""Foreign errors and the errors of the tree that they stand for."""

from __future__ import annotations

import pytest
from obstore.exceptions import (
    GenericError,
    InvalidPathError,
    NotSupportedError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)

from penstock.errors import (
    AccessDenied,
    BucketNotFound,
    ObjectNotFound,
    PenstockError,
    SourceChanged,
    SourceError,
    SourceUnavailable,
)
from penstock.records import SourceSpec
from penstock.sources.mapping import map_source_error

SPEC = SourceSpec(uri="s3://bucket/prefix")
REFUSED = "Client error with status code: 400 Bad Request: <Error><Code>MalformedXML</Code></Error>"
TABLE: list[tuple[Exception, type[PenstockError]]] = [
    (PreconditionError("x"), SourceChanged),
    (GenericError("Client error with status code: 416 Range Not Satisfiable"), SourceChanged),
    (FileNotFoundError("Object at location x not found"), ObjectNotFound),
    (FileNotFoundError("... status code: 404 ...: <Error><Code>NoSuchBucket</Code></Error>"), BucketNotFound),
    (FileNotFoundError("Object at location NoSuchBucket not found"), ObjectNotFound),
    (PermissionDeniedError("x"), AccessDenied),
    (UnauthenticatedError("x"), AccessDenied),
    (PermissionError(13, "Permission denied"), AccessDenied),
    (GenericError("no AWS credentials were found for s3://bucket"), AccessDenied),
    (GenericError("<Code>SignatureDoesNotMatch</Code>"), AccessDenied),
    (GenericError("Received redirect without LOCATION, this normally indicates ..."), SourceError),
    (GenericError("Client error with status code: 400: <Code>AuthorizationHeaderMalformed</Code>"), SourceError),
    (GenericError(REFUSED), SourceError),
    (InvalidPathError("a//b"), SourceError),
    (GenericError("Encountered object with invalid path: a//b"), SourceError),
    (GenericError("Server error with status code: 503 Service Unavailable"), SourceUnavailable),
    (GenericError("Client error with status code: 408 Request Timeout"), SourceUnavailable),
    (GenericError("error sending request"), SourceUnavailable),
    (NotSupportedError("x"), SourceUnavailable),
    (TimeoutError("x"), SourceUnavailable),
    (OSError("x"), SourceUnavailable),
    (GenericError(""), SourceUnavailable),
]


@pytest.mark.parametrize(("foreign", "kind"), TABLE, ids=[f"{kind.__name__}-{error}"[:50] for error, kind in TABLE])
@pytest.mark.parametrize("key", ["folder/object", ""])
def test_each_foreign_error_has_its_own(foreign: Exception, kind: type[PenstockError], key: str) -> None:
    error = map_source_error(foreign, SPEC, key)
    assert type(error) is kind
    assert error.fix
    assert SPEC.uri in str(error) or key in str(error)


def test_the_reason_is_short_and_on_one_line() -> None:
    request = "Generic S3 error: Error performing GET https://b.s3/x?X-Amz-Signature=abc123"
    text = f"{request} - {'long ' * 100}\n\nDebug source:\n..."
    told = str(map_source_error(GenericError(text), SPEC, "x"))
    assert "abc123" not in told
    assert "Debug" not in told
    assert "\n" not in told
    assert len(told) < 350


def test_a_signed_url_in_the_reason_is_blotted_out() -> None:
    text = "error sending request for url (https://b.s3/x?X-Amz-Credential=AKIA%2F2026&X-Amz-Signature=abc123)"
    told = str(map_source_error(GenericError(text), SPEC, "x"))
    assert "error sending request" in told
    assert "abc123" not in told
    assert "AKIA" not in told
