"""The errors of stores, as errors of the tree.

A store's own text runs over many lines and may hold a signed URL: of it, only the HTTP status, S3's error code
or a part of the first line is told, with secrets taken out.
"""

from __future__ import annotations

import re

from obstore.exceptions import InvalidPathError, PermissionDeniedError, PreconditionError, UnauthenticatedError

from penstock.errors import (
    AccessDenied,
    BucketNotFound,
    ObjectNotFound,
    PenstockError,
    SourceChanged,
    SourceError,
    SourceUnavailable,
)
from penstock.observe import redact
from penstock.records import SourceSpec

__all__ = ["changed", "code_of", "map_source_error", "status_of"]

REASON_CHARACTERS = 160

_STATUS = re.compile(r"status code: (\d{3})|\bstatus (\d{3})\b")
_CODE = re.compile(r"<Code>(\w+)</Code>")
_BAD_PATH = re.compile(r"(?:invalid path|error parsing path|empty path segment|invalid utf-8|not valid unicode)", re.I)
_NO_REGION = "redirect without LOCATION"
_OTHER_REGION = {
    "AuthorizationHeaderMalformed",
    "IllegalLocationConstraintException",
    "PermanentRedirect",
    "TemporaryRedirect",
}
_BAD_CREDENTIALS = {
    "AccessDenied",
    "ExpiredToken",
    "InvalidAccessKeyId",
    "InvalidToken",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
    "TokenRefreshRequired",
}


def map_source_error(error: Exception, spec: SourceSpec, key: str) -> PenstockError:
    """Give the error of the tree that a store's own error stands for.

    Args:
        error: what the store raised.
        spec: of the source.
        key: the object or prefix that was asked for, empty for the whole source.
    """
    text = str(error)
    status, code = status_of(text), code_of(text)
    about = key or spec.uri
    if isinstance(error, PreconditionError) or status in (412, 416):
        return changed(spec, key)
    if code == "NoSuchBucket":
        return BucketNotFound(
            f"the bucket of {spec.uri} does not exist", fix="check its name and the endpoint", about=spec.uri
        )
    if status in (301, 307) or code in _OTHER_REGION or _NO_REGION in text:
        return SourceError(
            f"{spec.uri} lies in another region ({_reason(text)})", fix="pass its region with --region", about=about
        )
    denied = isinstance(error, PermissionDeniedError | UnauthenticatedError | PermissionError)
    if denied or status in (401, 403) or code in _BAD_CREDENTIALS or "no AWS credentials" in text:
        return AccessDenied(
            f"access to {about} was denied ({_reason(text)})",
            fix="check the credentials and their s3:ListBucket and s3:GetObject permissions, or pass --anonymous "
            "for a public bucket",
            about=about,
        )
    if isinstance(error, FileNotFoundError):
        return ObjectNotFound(
            f"{about} is not in {spec.uri} any more", fix="run `penstock list` again and start a new run", about=about
        )
    if isinstance(error, InvalidPathError) or _BAD_PATH.search(text):
        return SourceError(
            f"an object under {spec.uri} has a name that cannot be read ({_reason(text)})",
            fix="rename it: names hold no empty, . or .. parts and no control characters",
            about=about,
        )
    if status is not None and 400 <= status < 500 and status not in (408, 429):
        return SourceError(
            f"{spec.uri} refused the request ({_reason(text)})",
            fix="check the URI, --endpoint-url and --region",
            about=about,
        )
    return SourceUnavailable(
        f"{spec.uri} did not answer ({_reason(text)})",
        fix="check the network and --endpoint-url, then run it again",
        about=about,
    )


def changed(spec: SourceSpec, key: str) -> SourceChanged:
    """Give the error of an object that is another by now."""
    return SourceChanged(
        f"{key} in {spec.uri} changed after the manifest was made",
        fix="run `penstock list` again and start a new run",
        about=key,
    )


def status_of(text: str) -> int | None:
    """Give the HTTP status that an error's text tells."""
    found = _STATUS.search(text)
    return int(found[1] or found[2]) if found else None


def code_of(text: str) -> str | None:
    """Give S3's code of an error from its XML."""
    found = _CODE.search(text)
    return found[1] if found else None


def _reason(text: str) -> str:
    status, code = status_of(text), code_of(text)
    parts = [f"HTTP {status}" if status else "", code or ""]
    told = " ".join(part for part in parts if part)
    first = text.strip().split("\n", 1)[0].split(" - ", 1)[-1]
    return told or redact(first)[:REASON_CHARACTERS]
