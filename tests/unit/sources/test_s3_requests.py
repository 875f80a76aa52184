"""Requests as they are sent: paths, hosts, and signatures that botocore would make too."""

from __future__ import annotations

import asyncio
import datetime
from unittest.mock import patch

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials as BotoCredentials
from hypothesis import given
from hypothesis import strategies as st

from penstock.sources.http.response import Wanted
from penstock.sources.s3.credentials import Credentials, Keys
from penstock.sources.s3.place import S3Address, s3_place
from penstock.sources.s3.requests import S3Requests, find_target

NOW = datetime.datetime(2026, 1, 31, 23, 59, 58, tzinfo=datetime.UTC)
KEY_PART = st.text(st.characters(exclude_characters="/", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8)
KEYS = st.lists(KEY_PART.filter(lambda part: part.strip(".")), min_size=1, max_size=3).map("/".join)


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def place_of(
    endpoint: str | None = None,
    *,
    bucket: str = "bucket",
    prefix: str = "",
    payer: bool = False,
    addressing: str = "auto",
) -> S3Address:
    uri = f"s3://{bucket}/{prefix}"
    place = s3_place(uri, endpoint_url=endpoint, region="eu-west-3", addressing=addressing, requester_pays=payer)
    assert place is not None
    return place


def request_of(place: S3Address, key: str, keys: Keys | None = None) -> str:
    credentials = None if keys is None else Credentials(lambda: keys, about="x")
    requests = S3Requests(place, find_target(place), credentials, clock=NOW.timestamp)
    return asyncio.run(requests.get(key, '"e"', Wanted(10, 60, 99, b'"e"'))).data.decode("ascii")


@pytest.mark.parametrize(
    ("place", "address", "host", "path"),
    [
        (place_of(), ("bucket.s3.eu-west-3.amazonaws.com", 443, True), None, "/a/b"),
        (place_of(bucket="b.c"), ("s3.eu-west-3.amazonaws.com", 443, True), None, "/b.c/a/b"),
        (place_of(prefix="p q/r"), ("bucket.s3.eu-west-3.amazonaws.com", 443, True), None, "/p%20q/r/a/b"),
        (place_of("http://h:9000"), ("h", 9000, False), "h:9000", "/bucket/a/b"),
        (place_of("https://h/s3/"), ("h", 443, True), "h", "/s3/bucket/a/b"),
        (place_of("http://[::1]:81"), ("::1", 81, False), "[::1]:81", "/bucket/a/b"),
        (place_of(addressing="path"), ("s3.eu-west-3.amazonaws.com", 443, True), None, "/bucket/a/b"),
        (place_of("http://h:9000", addressing="virtual"), ("bucket.h", 9000, False), "bucket.h:9000", "/a/b"),
        (place_of("https://h/s3", addressing="virtual"), ("bucket.h", 443, True), "bucket.h", "/s3/a/b"),
        (place_of("https://h", bucket="b.c", addressing="virtual"), ("b.c.h", 443, True), None, "/a/b"),
    ],
)
def test_where_requests_go(place: S3Address, address: tuple[str, int, bool], host: str | None, path: str) -> None:
    target = find_target(place)
    assert (target.address.host, target.address.port, target.address.is_tls) == address
    lines = request_of(place, "a/b").split("\r\n")
    assert lines[0] == f"GET {path} HTTP/1.1"
    assert lines[1] == f"Host: {host or address[0]}"
    assert 'If-Match: "e"' in lines
    assert "Range: bytes=10-59" in lines


@pytest.mark.parametrize(("key", "path"), [("a//b", "a//b"), ("./a", "./a"), ("a/../b", "a/../b"), ("a\nb", "a%0Ab")])
def test_odd_names_are_sent_as_they_are(key: str, path: str) -> None:
    assert request_of(place_of("http://h"), key).startswith(f"GET /bucket/{path} HTTP/1.1\r\n")


@pytest.mark.parametrize("etag", ['"e"\r\nX: y', "\u00e9"])
def test_an_etag_that_is_no_header_is_left_out(etag: str) -> None:
    place = place_of()
    request = asyncio.run(S3Requests(place, find_target(place), None).get("a", etag, Wanted(10, 60, 99, b""))).data
    assert b"If-Match" not in request
    assert b"X: y" not in request


@given(
    KEYS,
    st.sampled_from([None, "http://h:9000", "https://h/base"]),
    st.booleans(),
    st.sampled_from(["auto", "path", "virtual"]),
    st.none() | st.text("abcXYZ/+=", min_size=1),
)
def test_signatures_are_those_of_botocore(
    key: str, endpoint: str | None, payer: bool, addressing: str, token: str | None
) -> None:
    place = place_of(endpoint, prefix="some prefix", payer=payer, addressing=addressing)
    keys = Keys(access_key_id="AKIAEXAMPLE", secret_access_key="wJalr/XUtn", token=token)
    lines = request_of(place, key, keys).rstrip("\r\n").split("\r\n")
    sent = dict(line.split(": ", 1) for line in lines[1:])
    path = lines[0].split(" ")[1]
    url = f"https://{sent['Host']}{path}"
    extra = {"x-amz-request-payer": "requester"} if payer else {}
    request = AWSRequest("GET", url, headers={"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD", **extra})
    request.context["client_config"] = Config(s3={"payload_signing_enabled": False})
    with patch("botocore.auth.get_current_datetime", lambda: NOW.replace(tzinfo=None)):
        S3SigV4Auth(BotoCredentials("AKIAEXAMPLE", "wJalr/XUtn", token), "s3", place.region).add_auth(request)
    assert sent["Authorization"] == request.headers["Authorization"]
    assert sent["x-amz-date"] == request.headers["X-Amz-Date"]
    assert sent.get("x-amz-security-token") == token
    assert sent.get("x-amz-request-payer") == ("requester" if payer else None)
