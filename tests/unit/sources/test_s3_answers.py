"""What a store's answer means, and what it tells a person to do."""

from __future__ import annotations

import time
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
from penstock.sources.s3.answers import StoreAnswer, error_of_answer, read_answer

SPEC = SourceSpec(uri="s3://bucket/prefix")


def body(code: str, message: str = "it is so", extra: str = "") -> bytes:
    return f"<Error><Code>{code}</Code><Message>{message}</Message>{extra}</Error>".encode()


def of(status: int, data: bytes = b"", **headers: str) -> StoreAnswer:
    return read_answer(status, {name.replace("_", "-").lower(): value for name, value in headers.items()}, data)


PAGE = b"\n<!DOCTYPE html><html><body>Welcome to the hotel</body></html>"
TABLE: list[tuple[StoreAnswer, type[PenstockError], str]] = [
    (of(404, body("NoSuchBucket")), BucketNotFound, "endpoint"),
    (of(404, body("NoSuchKey")), ObjectNotFound, "penstock list"),
    (of(404), ObjectNotFound, "penstock list"),
    (of(412, body("PreconditionFailed")), SourceChanged, "penstock list"),
    (of(416, body("InvalidRange")), SourceChanged, "penstock list"),
    (of(403, body("RequestTimeTooSkewed")), AccessDenied, "set the clock"),
    (of(400, body("ExpiredToken")), AccessDenied, "get new ones"),
    (of(403, body("ExpiredToken")), AccessDenied, "get new ones"),
    (of(400, body("TokenRefreshRequired")), AccessDenied, "get new ones"),
    (of(403, body("InvalidAccessKeyId")), AccessDenied, "AWS_ACCESS_KEY_ID"),
    (of(403, body("SignatureDoesNotMatch")), AccessDenied, "AWS_SECRET_ACCESS_KEY"),
    (of(403, body("InvalidObjectState", extra="<StorageClass>GLACIER</StorageClass>")), ObjectUnreadable, "restore"),
    (of(403, body("AccessDenied", "no kms:Decrypt on the key")), ObjectUnreadable, "kms:Decrypt"),
    (of(400, body("KMS.DisabledException")), ObjectUnreadable, "kms:Decrypt"),
    (of(400, body("InvalidRequest", "stored using a form of Server Side Encryption")), ObjectUnreadable, "SSE-C"),
    (of(403, body("AccessDenied")), ObjectUnreadable, "--requester-pays"),
    (of(403), ObjectUnreadable, "s3:GetObject"),
    (of(401), AccessDenied, "credentials"),
    (
        of(400, body("AuthorizationHeaderMalformed", extra="<Region>eu-west-1</Region>")),
        SourceError,
        "--region eu-west-1",
    ),
    (of(301, body("PermanentRedirect"), x_amz_bucket_region="eu-west-1"), SourceError, "--region eu-west-1"),
    (of(301, body("PermanentRedirect")), SourceError, "--region"),
    (of(307, Location="http://169.254.169.254/latest"), SourceError, "--endpoint-url"),
    (of(302, Location="https://login.example/"), SourceError, "--endpoint-url"),
    (of(407), SourceError, "HTTPS_PROXY"),
    (of(511), SourceError, "captive portal"),
    (of(200, PAGE), SourceError, "captive portal"),
    (of(200, Content_Type="text/html"), SourceError, "captive portal"),
    (of(403, PAGE), ObjectUnreadable, "s3:GetObject"),
    (of(502, PAGE), SourceUnavailable, "again"),
    (of(503, body("SlowDown")), SourceUnavailable, "--in-flight"),
    (of(503), SourceUnavailable, "again"),
    (of(500, body("InternalError")), SourceUnavailable, "again"),
    (of(408), SourceUnavailable, "again"),
    (of(429), SourceUnavailable, "again"),
    (of(400, body("MalformedXML")), SourceError, "--endpoint-url"),
    (of(501, body("NotImplemented")), SourceError, "--endpoint-url"),
]


@pytest.mark.parametrize(("answer", "kind", "fix"), TABLE, ids=[answer.told[:40] for answer, _, _ in TABLE])
def test_each_answer_has_its_own_error_and_advice(answer: StoreAnswer, kind: type[PenstockError], fix: str) -> None:
    error = error_of_answer(answer, SPEC, "folder/object", is_object=True)
    assert type(error) is kind
    assert fix in error.fix
    assert "bucket" in error.what or "folder/object" in error.what


def test_what_is_no_single_object_is_never_left_out() -> None:
    for answer, _, _ in TABLE:
        assert not error_of_answer(answer, SPEC, "", is_object=False).skippable


def test_a_wrong_clock_is_told_with_how_wrong_it_is() -> None:
    answer = of(403, body("RequestTimeTooSkewed"), Date=formatdate(time.time() - 3600))
    error = error_of_answer(answer, SPEC, "", is_object=False, now_seconds=time.time())
    assert "differs by 36" in error.what


@pytest.mark.parametrize(
    ("answer", "region"),
    [
        (of(301, x_amz_bucket_region="eu-west-1"), "eu-west-1"),
        (of(301, body("PermanentRedirect", extra="<Endpoint>b.s3.eu-west-1.amazonaws.com</Endpoint>")), "eu-west-1"),
        (of(301, body("PermanentRedirect", extra="<Endpoint>s3-eu-west-1.amazonaws.com</Endpoint>")), "eu-west-1"),
        (of(307, Location="https://b.s3.us-gov-west-1.amazonaws.com/x"), "us-gov-west-1"),
        (of(307, Location="https://s3.cn-north-1.amazonaws.com.cn/x"), "cn-north-1"),
        (of(400, body("AuthorizationHeaderMalformed", extra="<Region>eu-west-1</Region>")), "eu-west-1"),
        (of(301, body("PermanentRedirect", extra="<Endpoint>s3.eu-west-1.amazonaws.com.evil.org</Endpoint>")), ""),
        (of(307, Location="https://evil.org/?s3.eu-west-1.amazonaws.com"), ""),
        (of(307, Location="https://user@169.254.169.254/s3.eu-west-1.amazonaws.com"), ""),
        (of(301, x_amz_bucket_region="evil.org/"), ""),
        (of(301, x_amz_bucket_region="eu-west-1@evil"), ""),
        (of(403, body("AccessDenied"), x_amz_bucket_region="eu-west-1"), ""),
        (of(200, x_amz_bucket_region="eu-west-1"), ""),
    ],
)
def test_a_region_is_taken_from_what_says_it_and_never_a_host(answer: StoreAnswer, region: str) -> None:
    assert (answer.region if answer.wants_other_region else "") == region


def test_messages_of_the_store_are_told_without_secrets() -> None:
    answer = of(
        403, body("AccessDenied", "User AKIAIOSFODNN7EXAMPLE\n may not read https://h/?X-Amz-Signature=0a1b &amp; more")
    )
    told = str(error_of_answer(answer, SPEC, "x", is_object=True))
    assert "may not read" in told
    assert "AKIAIOSF" not in told
    assert "0a1b" not in told


def test_a_place_that_is_not_there_without_a_code_is_no_bucket() -> None:
    """As gateways and other stores answer a listing."""
    error = error_of_answer(of(404), SPEC, "", is_object=False)
    assert type(error) is BucketNotFound
    assert "there is no s3://" in str(error)


@given(
    st.integers(100, 599),
    st.dictionaries(st.sampled_from(["location", "date", "x-amz-bucket-region"]), st.text()),
    st.binary(),
)
def test_any_answer_is_some_error(status: int, headers: dict[str, str], data: bytes) -> None:
    answer = read_answer(status, headers, data)
    assert isinstance(error_of_answer(answer, SPEC, "x", is_object=True), PenstockError)
