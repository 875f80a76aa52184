"""What the Hub's answers mean, and what to do: one table, by what it says (X-Error-Code), then by status."""

from __future__ import annotations

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
from penstock.sources.http.response import Verdict, is_web_page, may_pass
from penstock.sources.hub.places import HubPlace

__all__ = ["error_of", "says_missing_path"]

MESSAGE_CHARACTERS = 200
_NO_REPO = (
    BucketNotFound,
    "there is no {uri}, or it is private and {token}",
    "check its name (hf://datasets/… for a dataset), and set HF_TOKEN to a token that may read it",
)
_BY_CODE: dict[str, tuple[type[PenstockError], str, str]] = {
    "RepoNotFound": _NO_REPO,
    "RevisionNotFound": (BucketNotFound, "{uri} has no such revision", "check what stands after its @"),
    "GatedRepo": (
        AccessDenied,
        "{uri} is gated, and {token}",
        "accept its conditions at {page}, and set HF_TOKEN to a token of that account",
    ),
}
_BY_STATUS: dict[int, tuple[type[PenstockError], str, str]] = {
    401: (
        AccessDenied,
        "the Hub takes no request for {uri}: {token}",
        "set HF_TOKEN to a valid token",
    ),
    403: (AccessDenied, "access to {about} was denied: {token}", "give HF_TOKEN the right to read this repository"),
    404: (BucketNotFound, "there is no {about}", "check its name and revision"),
    429: (SourceUnavailable, "the Hub asks for fewer requests", "set HF_TOKEN (more are allowed), or run it later"),
}


def says_missing_path(answer: Answer) -> bool:
    """Tell whether the repository is there, and the path is not."""
    return answer.head.status == 404 and answer.head.header("x-error-code") not in ("RepoNotFound", "RevisionNotFound")


def error_of(
    problem: Answer | Exception,
    spec: SourceSpec,
    place: HubPlace,
    about: str,
    *,
    sent: str,
    is_object: bool,
    tried: str = "",
) -> PenstockError:
    """Return the error of the tree for a request that failed.

    Args:
        about: the key or URI that was asked for.
        sent: the token that was sent, which no message may hold; empty for none.
        is_object: it was a file that was listed before.
        tried: how often, and for how long.
    """
    if isinstance(problem, GaveUp):
        tried = problem.tried
    end = f"; {tried}" if tried else ""
    if isinstance(problem, Damaged):
        fix = "look for what damages bytes on the way, or have the file uploaded again"
        return ChecksumMismatch(f"{about} came damaged each time: {problem}{end}", fix=fix, about=about)
    if isinstance(problem, Answered) and problem.verdict is Verdict.CHANGED:
        return changed(spec, about)
    answer = problem if isinstance(problem, Answer) else getattr(problem, "answer", None)
    if answer is None:
        reason = " ".join(str(problem).split())[:MESSAGE_CHARACTERS]
        fix = "check the network and --endpoint-url or HF_ENDPOINT, then run it again"
        return SourceUnavailable(f"{spec.uri} did not answer ({reason}){end}", fix=fix, about=about)
    kind, what, fix = _find(answer, is_object=is_object)
    token = "the token is not taken" if sent else "no token was sent"
    message = (answer.head.header("x-error-message") or "").strip()
    message = message.replace(sent, REDACTED) if sent else message
    told = f"HTTP {answer.head.status}{f': {redact(message)[:MESSAGE_CHARACTERS]}' if message else ''}"
    end = end if issubclass(kind, SourceUnavailable) else ""
    return kind(
        f"{what.format(uri=spec.uri, about=about, token=token)} ({told}){end}",
        fix=fix.format(page=place.page),
        about=about,
    )


def _find(answer: Answer, *, is_object: bool) -> tuple[type[PenstockError], str, str]:
    status, code = answer.head.status, answer.head.header("x-error-code") or ""
    if is_object and status in (401, 403) and code in ("", "RepoNotFound"):  # it was there when it was listed
        kind = AccessDenied if status == 401 or code else ObjectUnreadable
        return kind, "access to {about} was denied: {token}", _BY_STATUS[status][2]
    if code in _BY_CODE:
        return _BY_CODE[code]
    if status in (404, 410) and is_object:
        return ObjectNotFound, "{about} is not in {uri} any more", "run `penstock list` again and start a new run"
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if status < 300 and is_web_page(answer.head):
        fix = "sign in to the network (a captive portal or proxy answers), or check --endpoint-url"
        return SourceError, "a web page came in the place of {about}", fix
    if may_pass(status):
        return SourceUnavailable, "the Hub did not answer for {uri}", "run it again later"
    return SourceError, "the Hub refused the request for {about}", "check the URI, and --endpoint-url or HF_ENDPOINT"
