"""What an answer that is no success says: where the bucket is, that other credentials are wanted, or an error.

Redirects are answers, not ways to follow: of what they say only the region is used, and the host is made of it here. So
credentials go to the endpoint that was given, or to AWS's hosts, whatever an answer says.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit
from xml.sax.saxutils import unescape

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
from penstock.sources.base import changed
from penstock.sources.http.response import may_pass as may_pass_by_status
from penstock.sources.s3.place import source_place
from penstock.sources.stores.between import Told
from penstock.urls import host_of

__all__ = ["PASSING_CODES", "StoreAnswer", "error_of_answer", "read_answer"]

MESSAGE_CHARACTERS = 200
MOST_READ_BYTES = 16384

_CODE = re.compile(r"<Code>\s*([\w.-]{1,80})\s*</Code>")
_MESSAGE = re.compile(r"<Message>(.{1,2000}?)</Message>", re.DOTALL)
_REGION = re.compile(r"<Region>([a-z0-9-]{1,40})</Region>")
_EXPECTED = re.compile(r"\bexpecting '([a-z0-9-]{1,40})'")
"""What a message names its region by, of stores that have no element for it."""
_ENDPOINT = re.compile(r"<Endpoint>([A-Za-z0-9.-]{1,255})</Endpoint>")
_CLASS = re.compile(r"<(?:StorageClass|AccessTier)>([A-Z_]{1,40})</")
_AWS_HOST = re.compile(
    r"(?:[a-z0-9.-]+\.)?s3[.-](?:dualstack\.)?([a-z]{2,}(?:-[a-z]+)+-[0-9]+)\.amazonaws\.com(?:\.cn)?"
)
_REGION_NAME = re.compile(r"[a-z0-9-]{1,40}")

_OTHER_REGION = frozenset(
    {"AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "PermanentRedirect", "TemporaryRedirect"}
)
_OTHER_KEYS = frozenset(
    {
        "ExpiredToken",
        "InvalidAccessKeyId",
        "InvalidSecurity",
        "InvalidSecurityToken",
        "InvalidToken",
        "InvalidTokenId",
        "RequestExpired",
        "SecurityTokenExpired",
        "TokenRefreshRequired",
    }
)
"""Of S3, and of what MinIO (``InvalidTokenId``) and Alibaba's OSS (``…SecurityToken…``) call the same."""
_IN_HOST = frozenset({"InvalidPathAccess", "PathStyleDomainForbidden", "SecondLevelDomainForbidden"})
"""Codes of stores that take no bucket in the path: Volcengine's TOS, Tencent's COS, Alibaba's OSS."""
_EXPIRED = _OTHER_KEYS - {"InvalidAccessKeyId"}
PASSING_CODES = frozenset(
    {
        "BandwidthLimitExceeded",
        "InternalError",
        "OperationAborted",
        "RequestLimitExceeded",
        "RequestTimeout",
        "RequestTimeoutException",
        "ServiceUnavailable",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
    }
)
_ENCRYPTED = re.compile(r"\bkms:|\bKMS\b|Server Side Encryption", re.I)


@dataclass(frozen=True, kw_only=True, slots=True)
class StoreAnswer:
    """What an answer says.

    Attributes:
        code: of S3, empty where it says none.
        message: of S3, on one line.
        region: that the bucket lies in, empty where it does not say.
        host: that it would have requests go to, empty where it names none.
        storage_class: of an archived object.
        server_seconds: by the server's clock, since 1970.
        is_web_page: it is a page for people.
    """

    status: int
    code: str = ""
    message: str = ""
    region: str = ""
    host: str = ""
    storage_class: str = ""
    server_seconds: float | None = None
    is_web_page: bool = False

    @property
    def wants_other_region(self) -> bool:
        """Whether a request may succeed when it is sent to, or signed for, ``region``."""
        return bool(self.region) and (self.status in (301, 307, 308) or self.code in _OTHER_REGION)

    @property
    def wants_other_keys(self) -> bool:
        """Whether a request may succeed with credentials that are newer."""
        return self.status == 401 or (self.code in _OTHER_KEYS and 400 <= self.status < 500)

    @property
    def wants_bucket_in_host(self) -> bool:
        """Whether a request may succeed that names the bucket in its host."""
        return self.code in _IN_HOST

    @property
    def may_pass(self) -> bool:
        """Whether the same request may succeed later."""
        return may_pass_by_status(self.status) or self.code in PASSING_CODES

    @property
    def told(self) -> str:
        """What to name it by: ``HTTP 403 AccessDenied``, and what S3 says to it."""
        named = f"HTTP {self.status} {self.code}".rstrip()
        if self.is_web_page:
            return f"{named}, a web page"
        return f"{named}: {self.message}" if self.message else named


def read_answer(status: int, headers: Mapping[str, str], body: bytes) -> StoreAnswer:
    """Read an answer.

    Args:
        status: of HTTP.
        headers: by their names in lower case.
        body: its beginning, at least.
    """
    text = body[:MOST_READ_BYTES].decode(errors="replace")
    start = text.lstrip()[:256].lower()
    is_page = start.startswith("<!doctype html") or "<html" in start
    # A page whose body was not read is known by its head: S3 tells a version of whatever is an object.
    is_html = headers.get("content-type", "").lower().startswith("text/html")
    is_page |= is_html and status < 300 and "etag" not in headers
    code, message = _first(_CODE, text), " ".join(unescape(_first(_MESSAGE, text)).split())
    host = host_of(headers.get("location", "")) or _first(_ENDPOINT, text).lower()
    region = headers.get("x-amz-bucket-region", "").strip() or _first(_REGION, text) or _region_of(host)
    if not region and code in _OTHER_REGION:
        region = _first(_EXPECTED, unescape(message, {"&apos;": "'", "&#39;": "'"}))
    server_time = headers.get("date", "")
    return StoreAnswer(
        status=status,
        code=code,
        message=message[:MESSAGE_CHARACTERS],
        region=region if _REGION_NAME.fullmatch(region) else "",
        host=host,
        storage_class=_first(_CLASS, text),
        server_seconds=_seconds(server_time),
        is_web_page=is_page and not code,
    )


def error_of_answer(
    answer: StoreAnswer, spec: SourceSpec, key: str, *, is_object: bool, now_seconds: float | None = None
) -> PenstockError:
    """Return the error of the tree for an answer that is none of success, with what to do.

    Args:
        spec: of the source.
        key: the object or prefix that was asked for, empty for the whole source.
        is_object: it was a single object that was asked for.
        now_seconds: by this machine's clock, since 1970.
    """
    about = key or spec.uri
    found = _by_code(answer, spec, about, is_object=is_object, now_seconds=now_seconds)
    if found is not None:
        kind, what, fix = found
        return kind(what, fix=fix, about=about)
    kind, what, fix = _by_status(answer, spec, about, is_object=is_object)
    return kind(what, fix=fix, about=about)


def _by_code(
    answer: StoreAnswer, spec: SourceSpec, about: str, *, is_object: bool, now_seconds: float | None
) -> Told | None:
    code, told = answer.code, answer.told
    if code == "NoSuchBucket":
        return BucketNotFound, f"the bucket of {spec.uri} does not exist", f"check its name and {_endpoint_of(spec)}"
    if code in _OTHER_REGION or answer.wants_other_region:
        where = f"in the region {answer.region}" if answer.region else "in another region"
        at = f", at {answer.host}" if answer.host else ""
        return (
            SourceError,
            f"{spec.uri} lies {where}{at} ({told})",
            (f"pass --region {answer.region}" if answer.region else "pass its region with --region")
            + (", and give that server with --endpoint-url, if it is to be trusted" if answer.host else ""),
        )
    if answer.wants_bucket_in_host:
        return (
            SourceError,
            f"the store of {spec.uri} wants the bucket in the host's name ({told})",
            "give the endpoint by its name, with addressing=virtual or auto",
        )
    if code == "RequestTimeTooSkewed":
        off = ""
        if answer.server_seconds is not None and now_seconds is not None:
            off = f" by {abs(answer.server_seconds - now_seconds):.0f} s"
        return (
            AccessDenied,
            f"this machine's clock differs{off} from that of the store of {spec.uri} ({told})",
            "set the clock (timedatectl, chrony or NTP), and run it again",
        )
    if code in _EXPIRED:
        return (
            AccessDenied,
            f"the credentials for {spec.uri} have expired, or their session token is not theirs ({told})",
            "get new ones (sign in again, or renew the session token), and run it again",
        )
    if code == "InvalidAccessKeyId":
        return (
            AccessDenied,
            f"the store of {spec.uri} does not know the access key ({told})",
            "check AWS_ACCESS_KEY_ID or the profile, and that it is a key of this store (--endpoint-url)",
        )
    if code == "SignatureDoesNotMatch":
        return (
            AccessDenied,
            f"the store of {spec.uri} does not take the signature ({told})",
            "check AWS_SECRET_ACCESS_KEY or the profile, and that no proxy alters requests",
        )
    if code == "InvalidObjectState" and is_object:
        named = f" ({answer.storage_class})" if answer.storage_class else ""
        return (
            ObjectUnreadable,
            f"{about} is archived{named} and cannot be read",
            "restore it (aws s3api restore-object) and wait until that is done, or leave it out: --on-bad-object skip",
        )
    if is_object and (code.startswith("KMS") or (answer.status in (400, 403) and _ENCRYPTED.search(answer.message))):
        return (
            ObjectUnreadable,
            f"{about} is encrypted with a key that may not be used ({told})",
            "allow kms:Decrypt on its key; objects encrypted with a key of the caller's own (SSE-C) cannot be read",
        )
    if code == "SlowDown":
        return SourceUnavailable, f"{spec.uri} asks for fewer requests ({told})", "lower --in-flight, or run it later"
    return None


def _by_status(answer: StoreAnswer, spec: SourceSpec, about: str, *, is_object: bool) -> Told:
    status, told = answer.status, answer.told
    if status in (412, 416):
        error = changed(spec, about)
        return SourceChanged, error.what, error.fix
    if status in (407, 511) or (answer.is_web_page and status < 300):
        return _in_between(answer, spec)
    if 300 <= status < 400:
        to = f" to {answer.host}" if answer.host else ""
        return (
            SourceError,
            f"{spec.uri} was answered with a redirect{to} ({told}), which is not followed",
            "give the server that it lies on with --endpoint-url, if that is to be trusted with the credentials",
        )
    if status in (401, 403):
        return _denied(answer, spec, about, is_object=is_object)
    if status == 404 and is_object:
        return (
            ObjectNotFound,
            f"{about} is not in {spec.uri} any more",
            "run `penstock list` again and start a new run",
        )
    if status == 404:
        return BucketNotFound, f"there is no {spec.uri} ({told})", f"check the bucket's name and {_endpoint_of(spec)}"
    if answer.may_pass:
        return (
            SourceUnavailable,
            f"{spec.uri} did not answer ({told})",
            "check the network and --endpoint-url, then run it again",
        )
    return SourceError, f"{spec.uri} refused the request ({told})", "check the URI, --endpoint-url and --region"


def _in_between(answer: StoreAnswer, spec: SourceSpec) -> Told:
    """Say that something answered in the store's place."""
    if answer.status == 407:
        fix = "give the proxy's user and password in HTTPS_PROXY, or the store's host in NO_PROXY"
        return SourceError, f"a proxy before {spec.uri} asks for a login ({answer.told})", fix
    return (
        SourceError,
        f"a web page came in the place of {spec.uri} ({answer.told})",
        "sign in to the network (a captive portal or proxy answers), or check that --endpoint-url is the store's "
        "and not its web console's",
    )


def _denied(answer: StoreAnswer, spec: SourceSpec, about: str, *, is_object: bool) -> Told:
    if spec.flag("anonymous"):
        fix = "leave --anonymous out, so that requests are signed, with s3:ListBucket and s3:GetObject permissions"
    else:
        payer = "" if spec.flag("requester_pays") else ", or --requester-pays for one whose readers pay"
        fix = (
            "check the credentials and their s3:ListBucket and s3:GetObject permissions, or pass --anonymous for a "
            f"public bucket{payer}"
        )
    kind = ObjectUnreadable if is_object and answer.status == 403 else AccessDenied
    return kind, f"access to {about} was denied ({answer.told})", fix


def _endpoint_of(spec: SourceSpec) -> str:
    """Return what of the endpoint is to be checked where no such bucket is found."""
    place = source_place(spec)
    if place is None or not place.endpoint:
        return "the endpoint"
    parts = urlsplit(place.endpoint)
    if parts.path.endswith(f"/{place.bucket}") or (parts.hostname or "").startswith(f"{place.bucket.lower()}."):
        return f"the endpoint, which names the bucket too: leave {place.bucket} out of {place.endpoint}"
    return "the endpoint"


def _first(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    return found[1] if found else ""


def _region_of(host: str) -> str:
    found = _AWS_HOST.fullmatch(host)
    return found[1] if found else ""


def _seconds(date: str) -> float | None:
    try:
        return parsedate_to_datetime(date).timestamp()
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
