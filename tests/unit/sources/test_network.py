"""What servers do wrong: cut bodies, errors once and for ever, wrong regions; and what is asked of them."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import pytest

from penstock.errors import (
    AccessDenied,
    BucketNotFound,
    ConfigError,
    ObjectNotFound,
    ObjectUnreadable,
    PenstockError,
    SourceChanged,
    SourceError,
    SourceUnavailable,
)
from penstock.manifest import SourceSpec
from penstock.sources import ObjectInfo, ObjectSource, open_source
from unit.sources.answering import Answering, answer, error, part, serve
from unit.sources.places import QUICK, Read

DATA = bytes(range(100))
INFO = ObjectInfo(key="folder/object", size_bytes=100, version='"e"')
SECRET = "wJalrXUtnFEMIbPxRfiCYEXAMPLEKEY"


def source_of(server: Answering, *, signed: bool = False, requester_pays: bool = False) -> ObjectSource:
    spec = SourceSpec.of(
        "s3://bucket/prefix", endpoint_url=server.url, anonymous=not signed, requester_pays=requester_pays
    )
    return open_source(spec, limits=QUICK)


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_SESSION_TOKEN", f"token-{SECRET}")


def test_a_range_is_asked_for_with_the_etag(read: Read) -> None:
    with serve([part(DATA, 10, 60)]) as server:
        assert bytes(asyncio.run(read(source_of(server), INFO, 10, 50))) == DATA[10:60]
    assert server.requests[0].startswith("GET /bucket/prefix/folder/object HTTP/1.1")
    assert server.header("range") == ["bytes=10-59"]
    assert server.header("if-match") == ['"e"']
    assert server.header("authorization") == [None]
    assert server.header("x-amz-request-payer") == [None]


@pytest.mark.parametrize(
    ("told", "num_busy"),
    [("429 Too Many Requests", 1), ("503 Slow Down", 1), ("500 Internal Server Error", 1), ("404 Not Found", 0)],
)
def test_answers_of_a_server_that_is_asked_for_too_much_are_counted(told: str, num_busy: int, read: Read) -> None:
    with serve([error(told, "Told"), part(DATA, 10, 60)]) as server:
        source = source_of(server)
        with contextlib.nullcontext() if num_busy else pytest.raises(SourceError):
            asyncio.run(read(source, INFO, 10, 50))
    assert source.meter.busy_answers == num_busy


@pytest.mark.usefixtures("credentials")
@pytest.mark.parametrize("requester_pays", [False, True])
def test_a_requester_who_pays_says_so(requester_pays: bool, read: Read) -> None:
    listing = b'<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><IsTruncated>false</IsTruncated></ListBucketResult>'
    with serve([part(DATA, 10, 60), answer("200 OK", listing)]) as server:
        source = source_of(server, signed=True, requester_pays=requester_pays)
        asyncio.run(read(source, INFO, 10, 50))

        async def pages() -> int:
            return len([page async for page in source.list_objects()])

        assert asyncio.run(pages()) == 0
    # The last one asks whether what is empty as a folder is one object.
    assert server.header("x-amz-request-payer") == ["requester" if requester_pays else None] * 3
    assert all((value or "").startswith("AWS4-HMAC-SHA256") for value in server.header("authorization"))
    assert server.header("x-amz-security-token") == [f"token-{SECRET}"] * 3


def test_a_requester_who_pays_must_sign() -> None:
    with pytest.raises(ConfigError, match="--requester-pays needs signed requests, and --anonymous"):
        open_source(SourceSpec.of("s3://bucket", anonymous=True, requester_pays=True))


def test_a_body_that_was_cut_short_is_taken_up_where_it_ended(read: Read) -> None:
    with serve([part(DATA, 10, 60, sent_bytes=20), part(DATA, 30, 60)]) as server:
        source = source_of(server)
        assert bytes(asyncio.run(read(source, INFO, 10, 50))) == DATA[10:60]
    assert server.header("range") == ["bytes=10-59", "bytes=30-59"]
    assert server.header("if-match") == ['"e"', '"e"']
    assert (
        source.meter.read().get_requests,
        source.meter.read().bytes_downloaded,
        source.meter.read().failed_requests,
    ) == (2, 50, 0)


@pytest.mark.parametrize(
    "rest",
    [
        part(DATA, 10, 60, sent_bytes=20),
        part(DATA, 30, 60, sent_bytes=0),
        part(bytes(100), 30, 60, etag='"f"'),
        error("412 Precondition Failed", "PreconditionFailed"),
        b"",
    ],
    ids=["from the start", "nothing more", "of another object", "changed", "closed"],
)
def test_a_body_that_stays_short_is_an_error(rest: bytes, read: Read) -> None:
    with serve([part(DATA, 10, 60, sent_bytes=20), rest]) as server:
        source = source_of(server)
        with pytest.raises((SourceUnavailable, SourceChanged)):
            asyncio.run(read(source, INFO, 10, 50))
    assert source.meter.read().get_requests == len(server.requests)
    assert source.meter.read().failed_requests == 1


@pytest.mark.parametrize(
    "given",
    [
        part(DATA, 10, 40),
        part(DATA, 20, 70),
        part(DATA, 0, 100),
        answer("200 OK", DATA),
        answer("206 Partial Content", DATA[10:60]),
    ],
    ids=["shorter", "moved", "whole", "not a range", "range not told"],
)
def test_bytes_that_were_not_asked_for_are_an_error(given: bytes, read: Read) -> None:
    with serve([given]) as server, pytest.raises(SourceUnavailable):
        asyncio.run(read(source_of(server), INFO, 10, 50))


@pytest.mark.parametrize(
    "given",
    [
        part(DATA, 10, 40),
        part(DATA, 20, 70),
        part(DATA, 0, 100),
        answer("206 Partial Content", DATA[10:50], Content_Range="bytes 10-59/100"),
        answer("206 Partial Content", DATA[10:60] + b"too much", Content_Range="bytes 10-59/100"),
    ],
    ids=["shorter", "moved", "whole", "fewer bytes", "more bytes"],
)
def test_an_answer_of_other_bytes_is_tried_again(given: bytes, read: Read) -> None:
    with serve([given, given, part(DATA, 10, 60)]) as server:
        source = source_of(server)
        assert bytes(asyncio.run(read(source, INFO, 10, 50))) == DATA[10:60]
    assert len(server.requests) == 3
    assert source.meter.read().failed_requests == 0


@pytest.mark.parametrize("etag", ['"f"', None])
def test_a_server_that_ignores_the_etag_is_found_out(etag: str | None, read: Read) -> None:
    given = answer("206 Partial Content", DATA[10:60], Content_Range="bytes 10-59/100", ETag=etag)
    with serve([given]) as server, pytest.raises(SourceChanged):
        asyncio.run(read(source_of(server), INFO, 10, 50))


@pytest.mark.parametrize(
    "passing",
    [
        error("503 Slow Down", "SlowDown"),
        error("500 Oops"),
        error("425 Too Early"),
        error("429 Too Many"),
        error("400 Bad Request", "RequestTimeout"),
        error("400 Bad Request", "ThrottlingException"),
        error("403 Forbidden", "SlowDown"),
        b"",
    ],
)
def test_an_error_that_passes_is_tried_again(passing: bytes, read: Read) -> None:
    with serve([passing, part(DATA, 10, 60)]) as server:
        source = source_of(server)
        assert bytes(asyncio.run(read(source, INFO, 10, 50))) == DATA[10:60]
    assert len(server.requests) == 2
    assert source.meter.read().failed_requests == 0


@pytest.mark.parametrize("status", ["501 Not Implemented", "505 Version", "511 Network Authentication Required"])
def test_an_error_that_no_other_try_mends_is_told_at_once(status: str, read: Read) -> None:
    with serve([error(status)]) as server, pytest.raises(SourceError, match=f"HTTP {status[:3]}"):
        asyncio.run(read(source_of(server), INFO, 10, 50))
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("staying", "reason"),
    [
        (error("503 Slow Down", "SlowDown"), "HTTP 503 SlowDown"),
        (error("500 Oops"), "HTTP 500"),
        (b"", "error sending"),
    ],
)
def test_an_error_that_stays_ends_after_the_tries_that_were_allowed(staying: bytes, reason: str, read: Read) -> None:
    with serve([staying]) as server:
        source = source_of(server)
        with pytest.raises(SourceUnavailable, match=rf"s3://bucket/prefix .*\(.*{reason}"):
            asyncio.run(read(source, INFO, 10, 50))
    assert len(server.requests) == 1 + QUICK.max_retries
    assert source.meter.read().failed_requests == 1
    assert SourceUnavailable.retryable


ANSWERS: list[tuple[bytes, type[PenstockError], str]] = [
    (error("301 Moved Permanently", "PermanentRedirect"), SourceError, "another region .*--region"),
    (error("400 Bad Request", "AuthorizationHeaderMalformed"), SourceError, "another region .*--region"),
    (error("400 Bad Request", "ExpiredToken"), AccessDenied, "have expired.*HTTP 400 ExpiredToken"),
    (error("400 Bad Request", "InvalidArgument"), SourceError, "refused the request .HTTP 400 InvalidArgument"),
    (error("401 Unauthorized"), AccessDenied, "HTTP 401"),
    (error("403 Forbidden", "AccessDenied"), ObjectUnreadable, "HTTP 403 AccessDenied"),
    (error("403 Forbidden", "InvalidAccessKeyId"), AccessDenied, "does not know the access key"),
    (error("403 Forbidden", "RequestTimeTooSkewed"), AccessDenied, "RequestTimeTooSkewed"),
    (error("404 Not Found", "NoSuchBucket"), BucketNotFound, "bucket of s3://bucket/prefix does not exist"),
    (error("404 Not Found", "NoSuchKey"), ObjectNotFound, "folder/object is not in s3://bucket/prefix any more"),
    (error("412 Precondition Failed", "PreconditionFailed"), SourceChanged, "changed after the manifest"),
    (error("416 Range Not Satisfiable", "InvalidRange"), SourceChanged, "changed after the manifest"),
    (error("503 Service Unavailable"), SourceUnavailable, "HTTP 503"),
]


@pytest.mark.parametrize(("given", "kind", "message"), ANSWERS, ids=[f"{kind.__name__}-{m}" for _, kind, m in ANSWERS])
def test_answers_are_mapped_to_errors(given: bytes, kind: type[PenstockError], message: str, read: Read) -> None:
    with serve([given]) as server, pytest.raises(PenstockError, match=message) as caught:
        asyncio.run(read(source_of(server), INFO, 10, 50))
    assert type(caught.value) is kind
    assert caught.value.fix
    assert "\n" not in str(caught.value)
    assert caught.value.retryable == (kind is SourceUnavailable)


LISTED = [
    (error("301 Moved Permanently", "PermanentRedirect"), SourceError),
    (error("403 Forbidden", "AccessDenied"), AccessDenied),
    (error("404 Not Found", "NoSuchBucket"), BucketNotFound),
    (error("500 Oops"), SourceUnavailable),
]


@pytest.mark.parametrize(("given", "kind"), LISTED, ids=[kind.__name__ for _, kind in LISTED])
def test_answers_to_a_listing_are_mapped_to_errors(given: bytes, kind: type[PenstockError]) -> None:
    with serve([given]) as server:
        source = source_of(server)
        with pytest.raises(kind) as caught:
            asyncio.run(source.list_all())
    assert type(caught.value) is kind
    assert source.meter.read().list_requests == len(server.requests)
    assert source.meter.read().failed_requests == 1


def test_nobody_there(read: Read) -> None:
    with serve([b""]) as server:
        pass
    with pytest.raises(SourceUnavailable, match="check the network and --endpoint-url"):
        asyncio.run(read(source_of(server), INFO, 10, 50))


@pytest.mark.usefixtures("credentials")
@pytest.mark.parametrize(
    "given",
    [
        error(f"403 Forbidden {SECRET}", "AccessDenied"),
        answer("400 Bad Request", f"<Error><Message>{SECRET} token-{SECRET}</Message></Error>".encode()),
        error(
            "307 Temporary Redirect", Location=f"http://127.0.0.1:9/x?X-Amz-Signature={SECRET}&X-Amz-Credential=AKIA"
        ),
        error("302 Found", Location=f"http://user:{SECRET}@127.0.0.1:9/x"),
        answer("200 OK", SECRET.encode()),
        b"",
    ],
    ids=["status line", "body", "signed URL", "URL with a password", "listing", "closed"],
)
def test_messages_hold_no_secrets(given: bytes, read: Read) -> None:
    with serve([given]) as server:
        source = source_of(server, signed=True)
        for ask in (read(source, INFO, 10, 50), source.list_all()):
            with pytest.raises(PenstockError) as caught:
                asyncio.run(ask)
            told = f"{caught.value} {caught.value.what} {caught.value.fix} {caught.value.about}"
            assert SECRET not in told
            assert "AKIA" not in told


def test_no_credentials_at_all(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, read: Read) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", f"{tmp_path}/none")
    monkeypatch.setenv("AWS_CONFIG_FILE", f"{tmp_path}/none")
    with serve([part(DATA, 10, 60)]) as server, pytest.raises(AccessDenied, match="no AWS credentials"):
        asyncio.run(read(source_of(server, signed=True), INFO, 10, 50))
    assert server.requests == []
