"""What a web server's answer that is no success means, and what to do: one table, by status."""

from __future__ import annotations

from dataclasses import dataclass

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
from penstock.sources.base import changed
from penstock.sources.http.client import GaveUp
from penstock.sources.http.connection import Answer, Answered, Damaged
from penstock.sources.http.response import Verdict, is_web_page, may_pass

__all__ = ["error_of"]

REASON_CHARACTERS = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class _Advice:
    """What a status means; ``{about}`` is what was asked for, ``{uri}`` its source.

    Attributes:
        of_object: the error of one file that was listed before, where that is another, and what it says.
    """

    kind: type[PenstockError]
    what: str
    fix: str
    of_object: type[PenstockError] | None = None
    what_of_object: str = ""


_GONE = _Advice(
    kind=BucketNotFound,
    of_object=ObjectNotFound,
    what="there is no {about} on the server",
    what_of_object="{about} is not in {uri} any more",
    fix="check the URL; where it was listed before, run `penstock list` again and start a new run",
)
_ADVICE = {
    401: _Advice(
        kind=AccessDenied,
        what="{about} asks for a login",
        fix="give a place that needs none: Penstock sends no credentials to web servers",
    ),
    403: _Advice(
        kind=AccessDenied,
        of_object=ObjectUnreadable,
        what="access to {about} was denied",
        fix="check that a browser that is not signed in may open it; an index page may be turned off (autoindex)",
    ),
    404: _GONE,
    407: _Advice(
        kind=SourceError,
        what="a proxy before {uri} asks for a login",
        fix="give its user and password in HTTPS_PROXY, or the server's host in NO_PROXY",
    ),
    410: _GONE,
    429: _Advice(
        kind=SourceUnavailable, what="{uri} asks for fewer requests", fix="lower --in-flight, or run it later"
    ),
    451: _Advice(
        kind=AccessDenied,
        of_object=ObjectUnreadable,
        what="{about} may not be given out here for legal reasons",
        fix="leave it out, or run it where it may be read",
    ),
    511: _Advice(kind=SourceError, what="the network before {uri} asks for a login", fix="sign in to the network"),
}
_PAGE = _Advice(
    kind=SourceError,
    what="a web page came in the place of {about}",
    fix="sign in to the network (a captive portal or proxy answers), or check that the URL is the file's own and not a "
    "page about it",
)
_BUSY = _Advice(kind=SourceUnavailable, what="{uri} did not answer", fix="check the network and URL, then run it again")
_REDIRECT = _Advice(
    kind=SourceError, what="{about} was answered with a redirect that leads nowhere", fix="give the URL that it means"
)
_OTHER = _Advice(kind=SourceError, what="{uri} refused the request", fix="check the URL")


def error_of(
    problem: Answer | Exception, spec: SourceSpec, about: str, *, is_object: bool, tried: str = ""
) -> PenstockError:
    """Return the error of the tree for a request that failed.

    Args:
        problem: an answer that is an error, or what was raised in the place of one.
        about: the URL or key that was asked for.
        is_object: it was a file, not a page or list.
        tried: how often, and for how long.
    """
    if isinstance(problem, GaveUp):
        tried = problem.tried
    if isinstance(problem, Damaged):
        return ChecksumMismatch(
            f"{about} came damaged each time: {problem}; {tried}",
            fix="compare the list's checksum with the file's, or look for what damages bytes on the way",
            about=about,
        )
    if isinstance(problem, Answered) and problem.verdict is Verdict.CHANGED:
        return changed(spec, about)
    answer = problem if isinstance(problem, Answer) else getattr(problem, "answer", None)
    end = f"; {tried}" if tried else ""
    if answer is None:
        reason = " ".join(str(problem).split())[:REASON_CHARACTERS]
        return SourceUnavailable(f"{spec.uri} did not answer ({reason}){end}", fix=_BUSY.fix, about=about)
    status = answer.head.status
    if status in (412, 416) and is_object:
        return changed(spec, about)
    found = _advice(answer, status)
    kind = found.of_object if is_object and found.of_object is not None else found.kind
    what = (found.what_of_object if is_object and found.what_of_object else found.what).format(
        about=about, uri=spec.uri
    )
    return kind(
        f"{what} (HTTP {status}){end if issubclass(kind, SourceUnavailable) else ''}", fix=found.fix, about=about
    )


def _advice(answer: Answer, status: int) -> _Advice:
    if status in _ADVICE:
        return _ADVICE[status]
    if status < 300:
        return _PAGE if is_web_page(answer.head) else _BUSY
    if status < 400:
        return _REDIRECT
    return _BUSY if may_pass(status) else _OTHER
