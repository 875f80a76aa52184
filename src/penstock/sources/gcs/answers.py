"""What Google Cloud Storage's answers mean, and what to do.

One table by what it says (cloud.google.com/storage/docs/json_api/v1/status-codes), then by status.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import msgspec

from penstock.errors import (
    AccessDenied,
    BucketNotFound,
    ObjectNotFound,
    ObjectUnreadable,
    PenstockError,
    SourceChanged,
    SourceError,
    SourceUnavailable,
)
from penstock.manifest import SourceSpec
from penstock.secrets import redact
from penstock.sources.base import changed
from penstock.sources.http.connection import Answer
from penstock.sources.http.json import read_json
from penstock.sources.http.response import may_pass as may_pass_by_status
from penstock.sources.stores.between import Told, in_between

__all__ = ["GcsAnswer", "error_of_answer", "is_token_refused", "may_pass", "read_answer"]

MESSAGE_CHARACTERS = 200
MOST_READ_BYTES = 16384

_BUSY = frozenset({"rateLimitExceeded", "userRateLimitExceeded", "backendError", "internalError", "slowDown"})
"""Reasons that pass, with whatever status they come."""
_NO_BUCKET = re.compile(r"bucket does not exist|No such bucket", re.I)
_NO_PAYER = re.compile(r"requester pays", re.I)
_ENCRYPTED = re.compile(r"encrypt|\bKMS\b|cryptoKey", re.I)
_ANONYMOUS = re.compile(r"Anonymous caller", re.I)
_TOKEN = frozenset({"authError", "expired", "invalid_token"})


class _One(msgspec.Struct):
    reason: str = ""


class _Told(msgspec.Struct):
    message: str = ""
    errors: list[_One] = []


class _Body(msgspec.Struct):
    error: _Told


@dataclass(frozen=True, kw_only=True, slots=True)
class GcsAnswer:
    """What an answer says.

    Attributes:
        reason: of the API, empty where it says none.
        message: of the API, on one line.
    """

    status: int
    reason: str = ""
    message: str = ""

    @property
    def told(self) -> str:
        """What to name it by: ``HTTP 403 forbidden``, and what the API says to it."""
        named = f"HTTP {self.status} {self.reason}".rstrip()
        return f"{named}: {self.message}" if self.message else named


def read_answer(answer: Answer) -> GcsAnswer:
    """Read an answer: of the API in JSON, of a read of bytes in plain text."""
    body = answer.body[:MOST_READ_BYTES]
    reason, message = "", ""
    try:
        found = read_json(body, _Body).error
        reason, message = found.errors[0].reason if found.errors else "", found.message
    except msgspec.MsgspecError:
        text = body.decode(errors="replace")
        message = text if "<" not in text and text.isprintable() else ""
    message = redact(" ".join(message.split()))[:MESSAGE_CHARACTERS]
    return GcsAnswer(status=answer.head.status, reason=reason[:80], message=message)


def is_token_refused(answer: Answer) -> bool:
    """Tell whether a newer token may help."""
    return answer.head.status == 401


def may_pass(answer: Answer) -> bool:
    """Tell whether the same request may succeed later."""
    if may_pass_by_status(answer.head.status):
        return True
    return answer.head.status in (400, 403) and read_answer(answer).reason in _BUSY


def error_of_answer(
    answer: Answer, spec: SourceSpec, key: str, *, is_object: bool, is_anonymous: bool
) -> PenstockError:
    """Return the error of the tree for an answer that is none of success, with what to do.

    Args:
        spec: of the source.
        key: the object or prefix that was asked for, empty for the whole source.
        is_object: it was a single object that was asked for.
        is_anonymous: no token was sent.
    """
    about, found = key or spec.uri, read_answer(answer)
    told = in_between(answer, spec) or _by_reason(found, spec, about, is_object=is_object)
    kind, what, fix = told or _by_status(found, spec, about, is_object=is_object, is_anonymous=is_anonymous)
    return kind(what, fix=fix, about=about)


def _by_reason(answer: GcsAnswer, spec: SourceSpec, about: str, *, is_object: bool) -> Told | None:
    told = answer.told
    if answer.status == 404 and (_NO_BUCKET.search(answer.message) or not is_object):
        return BucketNotFound, f"the bucket of {spec.uri} does not exist ({told})", "check its name and the endpoint"
    if answer.status == 400 and _NO_PAYER.search(answer.message):
        fix = "pass --requester-pays, and set GOOGLE_CLOUD_PROJECT to the project that is billed"
        return AccessDenied, f"the readers of {spec.uri} pay for what they read ({told})", fix
    if answer.reason in _BUSY:
        return SourceUnavailable, f"{spec.uri} asks for fewer requests ({told})", "lower --in-flight, or run it later"
    if is_object and answer.status in (400, 403) and _ENCRYPTED.search(answer.message):
        fix = "allow the key to be used (roles/cloudkms.cryptoKeyDecrypter for the bucket's service agent); objects "
        fix += "encrypted with a key of the caller's own cannot be read"
        return ObjectUnreadable, f"{about} is encrypted with a key that may not be used ({told})", fix
    return None


def _by_status(answer: GcsAnswer, spec: SourceSpec, about: str, *, is_object: bool, is_anonymous: bool) -> Told:
    status, told = answer.status, answer.told
    if status in (412, 416):
        error = changed(spec, about)
        return SourceChanged, error.what, error.fix
    if 300 <= status < 400:
        fix = "give the server that it lies on with --endpoint-url, if that is to be trusted with the token"
        return SourceError, f"{spec.uri} was answered with a redirect ({told}), which is not followed", fix
    if status in (401, 403):
        return _denied(answer, spec, about, is_object=is_object, is_anonymous=is_anonymous)
    if status == 404:
        fix = "run `penstock list` again and start a new run"
        return ObjectNotFound, f"{about} is not in {spec.uri} any more", fix
    if status == 429:
        return SourceUnavailable, f"{spec.uri} asks for fewer requests ({told})", "lower --in-flight, or run it later"
    if may_pass_by_status(status):
        fix = "check the network and --endpoint-url, then run it again"
        return SourceUnavailable, f"{spec.uri} did not answer ({told})", fix
    return SourceError, f"{spec.uri} refused the request ({told})", "check the URI and --endpoint-url"


def _denied(answer: GcsAnswer, spec: SourceSpec, about: str, *, is_object: bool, is_anonymous: bool) -> Told:
    is_nobody = is_anonymous or _ANONYMOUS.search(answer.message) is not None
    if answer.status == 401 and not is_nobody:
        fix = "get another (`gcloud auth application-default login`, a new key of the service account), and check this "
        fix += "machine's clock"
        return AccessDenied, f"the store of {spec.uri} does not take the token ({answer.told})", fix
    if is_nobody:
        fix = "leave --anonymous out, so that a token is sent, of who has roles/storage.objectViewer"
    else:
        fix = "give roles/storage.objectViewer (storage.objects.list and storage.objects.get) to whom the token is of, "
        fix += "or pass --anonymous for a public bucket"
    kind = ObjectUnreadable if is_object else AccessDenied
    return kind, f"access to {about} was denied ({answer.told})", fix
