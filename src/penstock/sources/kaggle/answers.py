"""What Kaggle's answers mean, and what to do: by status, which stands in the answer's JSON as well."""

from __future__ import annotations

import msgspec

from penstock.errors import (
    AccessDenied,
    BucketNotFound,
    ChecksumMismatch,
    ObjectNotFound,
    ObjectUnreadable,
    PenstockError,
    SourceError,
    SourceUnavailable,
)
from penstock.manifest import SourceSpec
from penstock.secrets import REDACTED, redact
from penstock.sources.base import changed
from penstock.sources.http.client import GaveUp
from penstock.sources.http.connection import Answer, Answered, Damaged
from penstock.sources.http.json import read_json
from penstock.sources.http.response import Verdict, is_web_page, may_pass
from penstock.sources.kaggle.credentials import Credentials
from penstock.sources.kaggle.places import KagglePlace

__all__ = ["error_of", "status_of"]

MESSAGE_CHARACTERS = 200
_SIGN_IN = (
    "set KAGGLE_API_TOKEN, or KAGGLE_USERNAME and KAGGLE_KEY, or put kaggle.json into ~/.kaggle "
    "(your account's settings there, API)"
)
_SETTINGS = "--endpoint-url or KAGGLE_API_ENDPOINT"


class _Told(msgspec.Struct):
    code: int = 0
    message: str = ""


def status_of(answer: Answer) -> int:
    """Return the status that an answer means: some errors come by HTTP 200, with a code in their JSON."""
    told = _told(answer).code if answer.head.status == 200 else 0
    return told if 400 <= told < 600 else answer.head.status


def error_of(
    problem: Answer | Exception,
    spec: SourceSpec,
    place: KagglePlace,
    about: str,
    credentials: Credentials | None,
    *,
    is_object: bool,
    tried: str = "",
) -> PenstockError:
    """Return the error of the tree for a request that failed.

    Args:
        about: the key or URI that was asked for.
        credentials: that were sent.
        is_object: it was a file that was listed before.
        tried: how often, and for how long.
    """
    if isinstance(problem, GaveUp):
        tried = problem.tried
    end = f"; {tried}" if tried else ""
    if isinstance(problem, Damaged):
        return ChecksumMismatch(f"{about} came damaged each time: {problem}{end}", fix="run it again", about=about)
    if isinstance(problem, Answered) and problem.verdict is Verdict.CHANGED:
        return changed(spec, about)
    answer = problem if isinstance(problem, Answer) else getattr(problem, "answer", None)
    if answer is None:
        reason = " ".join(str(problem).split())[:MESSAGE_CHARACTERS]
        fix = f"check the network, {_SETTINGS}, then run it again"
        return SourceUnavailable(f"{spec.uri} did not answer ({reason}){end}", fix=fix, about=about)
    if is_object and status_of(answer) in (412, 416):
        return changed(spec, about)
    kind, what, fix = _find(answer, place, about, credentials, is_object=is_object)
    told = _told(answer).message.strip()
    if credentials is not None:
        told = told.replace(credentials.secret, REDACTED)
    said = f"HTTP {status_of(answer)}{f': {redact(told)[:MESSAGE_CHARACTERS]}' if told else ''}"
    return kind(f"{what} ({said}){end if issubclass(kind, SourceUnavailable) else ''}", fix=fix, about=about)


def _find(
    answer: Answer, place: KagglePlace, about: str, credentials: Credentials | None, *, is_object: bool
) -> tuple[type[PenstockError], str, str]:
    status = status_of(answer)
    if status == 401:
        sent = "no credentials were sent" if credentials is None else f"those of {credentials.where} are not taken"
        return AccessDenied, f"Kaggle takes no request for {about}: {sent}", _SIGN_IN
    if status == 403:
        return _denied(place, about, credentials, is_object=is_object)
    if status in (404, 410) and is_object:
        fix = "run `penstock list` again and start a new run"
        return ObjectNotFound, f"{about} is not in {place.uri} any more", fix
    if status in (404, 410):
        what = "competition" if place.is_competition else "dataset, or no such version of it"
        return BucketNotFound, f"there is no {place.base}: Kaggle knows no such {what}", "check its name and version"
    if status == 429:
        fix = "run it again later; with the option archive=true all files are read by one link"
        return SourceUnavailable, "Kaggle asks for fewer requests", fix
    if status < 300 and is_web_page(answer.head):
        fix = f"sign in to the network (a captive portal or proxy answers), or check {_SETTINGS}"
        return SourceError, f"a web page came in the place of {about}", fix
    if may_pass(status):
        return SourceUnavailable, f"Kaggle did not answer for {place.uri}", "run it again later"
    return (
        SourceError,
        f"Kaggle refused the request for {about}",
        f"check the URI, and {_SETTINGS}",
    )


def _denied(
    place: KagglePlace, about: str, credentials: Credentials | None, *, is_object: bool
) -> tuple[type[PenstockError], str, str]:
    """Return what 403 means; Kaggle answers it for a dataset that is not there as for one that may not be read."""
    kind = ObjectUnreadable if is_object else AccessDenied
    first = f"{_SIGN_IN}; " if credentials is None else ""
    if place.is_competition:
        what = f"access to {about} was denied: the rules of {place.name} are not accepted, or it is not open to you"
        return kind, what, f"{first}accept the rules at {place.page}"
    what = f"access to {about} was denied: it is private or not there, or its terms are not accepted"
    return kind, what, f"{first}check its name, and accept its terms at {place.page}"


def _told(answer: Answer) -> _Told:
    try:
        return read_json(answer.body, _Told)
    except msgspec.MsgspecError:
        return _Told()
