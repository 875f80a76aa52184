"""The head of an HTTP/1.1 answer, and what is to be done with the answer to a range request.

It is right where it is a 206 whose range is the one that was asked for, or a 200 to a request for a whole object. A 206
of another range or length is a server's passing fault. A content encoding is how the object was stored, and no
business of a reader of bytes. An answer without an error that is none of these is ``UNUSUAL``: its sender knows no
ranges.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from email.utils import mktime_tz, parsedate_tz
from enum import Enum, auto
from typing import NamedTuple

__all__ = ["MAX_HEAD_BYTES", "Head", "Verdict", "Wanted", "is_plain_fill", "judge", "parse_head", "retry_after_seconds"]

MAX_HEAD_BYTES = 8192

_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9][0-9])(?: |\r)")
_HEADER = re.compile(rb"\r\n([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\r\n]*)")
_ONCE = frozenset({b"content-length", b"content-range", b"etag", b"connection", b"transfer-encoding"})
"""Headers that say what the body is: twice is a contradiction."""
_RANGE = re.compile(rb"bytes ([0-9]{1,19})-([0-9]{1,19})/([0-9]{1,19})", re.I)
_CHECKSUM = re.compile(r"(md5|crc32c)=([A-Za-z0-9+/]+=*)")
_LENGTH = re.compile(rb"[0-9]{1,19}")
_TRIED_AGAIN = frozenset({408, 429})


class Wanted(NamedTuple):
    """A range that is asked for: bytes ``first`` to ``end - 1`` of one version of an object of ``total_bytes``.

    Attributes:
        etag: of that version, empty where none is known.
        modified: its Last-Modified, empty where none is known or an ETag is.
        told_by: the header that a server tells ``etag`` by, in lower case, where that is another.
        checksums: of the whole object by algorithm, in base64, as far as they are known beforehand.
    """

    first: int
    end: int
    total_bytes: int
    etag: bytes
    modified: bytes = b""
    checksums: tuple[tuple[str, str], ...] = ()
    told_by: str = ""

    @property
    def is_whole(self) -> bool:
        """Whether it is all of the object: then it is asked for without a range, since checksums come with no other."""
        return self.end - self.first == self.total_bytes


@dataclass(frozen=True, slots=True)
class Head:
    """What an answer's head says.

    Attributes:
        status: of HTTP.
        length_bytes: of the body, None where it is not told.
        content_range: first byte, last byte and the object's bytes, None where they are not told.
        etag: empty where it is not told.
        is_chunked: the body comes in a transfer encoding.
        keeps_alive: another request may follow on the connection.
        headers: all of them, by their name in lower case; values of one that comes twice are joined by a comma.
    """

    status: int
    length_bytes: int | None
    content_range: tuple[int, int, int] | None
    etag: bytes
    is_chunked: bool
    keeps_alive: bool
    headers: tuple[tuple[str, str], ...] = ()

    def header(self, name: str) -> str | None:
        """Return a header's value by its name in lower case."""
        return dict(self.headers).get(name)

    def checksums(self, prefix: str) -> tuple[tuple[str, str], ...]:
        """Return the checksums of the whole object, in base64, by algorithm: of headers whose names begin so.

        A header of just that name says the algorithm in its values (``crc32c=…,md5=…``), or at its own end.
        """
        told = [(name.removeprefix(prefix), value) for name, value in self.headers if name.startswith(prefix)]
        if not told or told[0][0]:
            return tuple(told)
        named = [_CHECKSUM.fullmatch(each.strip()) for each in told[0][1].split(",")]
        found = tuple((each[1], each[2]) for each in named if each is not None)
        return found or ((prefix.rpartition("-")[2], told[0][1]),)


class Verdict(Enum):
    """What is to be done with an answer."""

    FILL = auto()  # its body is what was asked for
    CHANGED = auto()  # it is of another version of the object
    RETRY = auto()  # an error that may pass
    REFUSED = auto()  # an error that stays
    UNUSUAL = auto()  # none of these


def parse_head(data: bytes) -> Head:
    """Read a head: the bytes up to the empty line, without it.

    Raises:
        ValueError: it is no head of HTTP/1.x, or says two things at once.
    """
    line = _STATUS_LINE.match(data + b"\r")
    if line is None:
        raise ValueError("no HTTP/1.x status line")
    told: dict[bytes, bytes] = {}
    for name, value in _HEADER.findall(data):
        name = name.lower()
        if name in told and name in _ONCE:
            raise ValueError(f"two headers {name.decode()}")
        value = value.strip()
        told[name] = value if name not in told else told[name] + b", " + value
    length = told.get(b"content-length")
    if length is not None and not _LENGTH.fullmatch(length):
        raise ValueError("a Content-Length that is no number")
    span = _RANGE.fullmatch(told.get(b"content-range", b""))
    connection = told.get(b"connection", b"").lower()
    return Head(
        int(line[2]),
        None if length is None else int(length),
        (int(span[1]), int(span[2]), int(span[3])) if span else None,
        told.get(b"etag", b""),
        told.get(b"transfer-encoding", b"identity").lower() != b"identity",
        b"close" not in connection if line[1] == b"1" else b"keep-alive" in connection,
        tuple((name.decode(), value.decode("latin-1")) for name, value in told.items()),
    )


def retry_after_seconds(value: str | None, *, now: float | None = None) -> float | None:
    """Read when a server wants to be asked again (RFC 9110, 10.2.3): seconds, or a date; None where it is neither.

    Args:
        value: of the header Retry-After.
        now: seconds since 1970, None is now.
    """
    text = (value or "").strip()
    if re.fullmatch(r"[0-9]{1,9}", text):
        return float(text)
    date = parsedate_tz(text) if text else None
    if date is None:
        return None
    try:
        return max(0.0, mktime_tz(date) - (time.time() if now is None else now))
    except (OverflowError, ValueError):
        return None


def is_plain_fill(data: bytes, wanted: Wanted, checksum_header: str = "") -> bool:
    """Tell at a glance whether a head is that of a plain answer which fills ``wanted`` and keeps the connection.

    Args:
        data: the head up to its empty line, the line end before that included. Where this is False, it is to be parsed.
        checksum_header: that names of headers with checksums begin with, empty where there are none.
    """
    low = data.lower()
    length = wanted.end - wanted.first
    if wanted.is_whole:
        told = low.startswith(b"http/1.1 200 ") and b"\r\ncontent-range:" not in low
    else:
        span = b"\r\ncontent-range: bytes %d-%d/%d\r\n" % (wanted.first, wanted.end - 1, wanted.total_bytes)
        told = low.startswith(b"http/1.1 206 ") and span in low and low.count(b"\r\ncontent-range:") == 1
    version = wanted.told_by.encode() or b"etag"
    return (
        told
        and b"\r\ncontent-length: %d\r\n" % length in low
        and low.count(b"\r\ncontent-length:") == low.count(b"\r\n%b:" % version) == 1
        and b"\r\n%b: %b\r\n" % (version, wanted.etag.lower()) in low
        and b" %b\r\n" % wanted.etag in data
        and b"\r\ntransfer-encoding:" not in low
        and b"\r\nconnection: close" not in low
        and not (checksum_header and wanted.is_whole and b"\r\n%b" % checksum_header.encode() in low)
        and not (wanted.modified or wanted.checksums)
    )


def judge(head: Head, wanted: Wanted) -> Verdict:
    """Say what is to be done with an answer to a request for ``wanted``."""
    if head.status >= 500 or head.status in _TRIED_AGAIN:
        return Verdict.RETRY
    if head.status >= 300:
        return Verdict.REFUSED
    is_known = wanted.etag or wanted.modified
    if is_known and not _has_version(head) and (head.header("content-type") or "").lower().startswith("text/html"):
        return Verdict.UNUSUAL  # a page of somebody between
    length = wanted.end - wanted.first
    # Of a body of unknown length, only its end tells whether it is what was asked for.
    told_bytes = length if head.length_bytes is None or head.is_chunked else head.length_bytes
    if head.status == 200 and wanted.is_whole and head.content_range is None:
        # Of the very version that is wanted, another length is the answer's fault and not the object's.
        same = bool(is_known) and is_same(head, wanted)
        span = (0, told_bytes - 1, wanted.total_bytes if same else told_bytes)
    elif head.status == 206 and head.content_range is not None:
        span = head.content_range
    else:
        return Verdict.UNUSUAL
    first, last, total_bytes = span
    if total_bytes != wanted.total_bytes or not is_same(head, wanted):
        return Verdict.CHANGED
    if (first, last + 1) != (wanted.first, wanted.end) or told_bytes != length:
        return Verdict.RETRY
    return Verdict.FILL


def _has_version(head: Head) -> bool:
    return bool(head.etag) or head.header("last-modified") is not None


def is_same(head: Head, wanted: Wanted) -> bool:
    """Tell whether an answer is of the version that is wanted, as far as that is known."""
    if wanted.etag and wanted.told_by:
        return (head.header(wanted.told_by) or "").encode("latin-1") == wanted.etag
    if wanted.etag:
        return wanted.etag in (head.etag, b'"%b"' % head.etag)  # some stores leave the quotes out
    return not wanted.modified or (head.header("last-modified") or "").encode("latin-1") == wanted.modified


def may_pass(status: int) -> bool:
    """Tell whether a request with such an answer may succeed later, as far as HTTP alone tells."""
    return status in (408, 425, 429) or (status >= 500 and status not in (501, 505, 511))


def is_web_page(head: Head) -> bool:
    """Tell whether an answer is a page for people that stands in a file's place: HTML without a version."""
    return (head.header("content-type") or "").lower().startswith("text/html") and not _has_version(head)
