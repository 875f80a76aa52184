"""Certificates that are trusted and proxies that are gone through: alike for all that is asked of a store."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from penstock.errors import ConfigError, OutputError, PenstockError, SourceError
from penstock.manifest import SourceSpec
from penstock.sources import ClientLimits, ObjectInfo, open_blobs, open_source
from penstock.sources.http.proxies import proxy_for
from support.small_s3 import SmallS3, small_s3
from unit.sources.ways import clean_aws

LIMITS = ClientLimits(connect_timeout_seconds=2, request_timeout_seconds=5, max_retries=1, retry_seconds=5)
INFO = ObjectInfo(key="a", size_bytes=5, version='"5d41402abc4b2a76b9719d911017c592"')


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    clean_aws(monkeypatch, tmp_path)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "PLAIN")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    return monkeypatch


@pytest.fixture
def server() -> Iterator[SmallS3]:
    with small_s3(is_open=True) as server:
        server.objects["bucket/data/a"] = b"hello"
        yield server


def ways_to_ask(url: str) -> dict[str, Callable[[], object]]:
    """Return all that Penstock asks of a store."""
    spec = SourceSpec.of("s3://bucket/data", endpoint_url=url, region="us-east-2")

    def blobs(do: str) -> object:
        opened = open_blobs("s3://bucket/data", endpoint_url=url, region="us-east-2", limits=LIMITS)
        return opened.write("b", b"1") if do == "write" else opened.read("a") if do == "read" else opened.delete("b")

    return {
        "list": lambda: asyncio.run(open_source(spec, limits=LIMITS).list_all()),
        "read": lambda: asyncio.run(open_source(spec, limits=LIMITS).get(INFO)),
        "write-blob": lambda: blobs("write"),
        "read-blob": lambda: blobs("read"),
        "delete-blob": lambda: blobs("delete"),
    }


ASKS = list(ways_to_ask("http://x"))


@pytest.mark.parametrize("asks", ASKS)
@pytest.mark.parametrize("name", ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "profile"])
def test_certificates_are_trusted_where_the_environment_says_so(
    asks: str, name: str, aws: pytest.MonkeyPatch, tmp_path: Path, certificate: Path
) -> None:
    with small_s3(certificate=certificate, is_open=True) as server:
        server.objects["bucket/data/a"] = b"hello"
        with pytest.raises((SourceError, OutputError), match=r"not trusted .*AWS_CA_BUNDLE"):
            ways_to_ask(server.url)[asks]()
        assert server.requests == []
        if name == "profile":
            (tmp_path / "config").write_text(f"[default]\nca_bundle = {certificate}\n")
        else:
            aws.setenv(name, str(certificate))
        ways_to_ask(server.url)[asks]()
        assert server.requests


@pytest.mark.parametrize("asks", ASKS)
def test_what_holds_no_certificates_is_named(asks: str, aws: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "no.pem").write_text("nothing")
    aws.setenv("AWS_CA_BUNDLE", str(tmp_path / "no.pem"))
    with pytest.raises(ConfigError, match=r"no\.pem cannot be used as certificates"):
        ways_to_ask("https://localhost:9")[asks]()
    aws.setenv("AWS_CA_BUNDLE", str(tmp_path / "gone.pem"))
    with pytest.raises(ConfigError, match=r"AWS_CA_BUNDLE names .*gone\.pem"):
        ways_to_ask("https://localhost:9")[asks]()


@pytest.mark.parametrize("asks", ASKS)
@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_a_proxy_is_gone_through(asks: str, name: str, aws: pytest.MonkeyPatch, server: SmallS3) -> None:
    aws.setenv(name, server.url.replace("http://", "http://me:pass@"))
    ways_to_ask("http://store.example:9000")[asks]()
    assert {asked.headers["host"] for asked in server.requests} == {"store.example:9000"}
    assert {asked.headers["proxy-authorization"] for asked in server.requests} == {"Basic bWU6cGFzcw=="}


@pytest.mark.parametrize("asks", ASKS)
@pytest.mark.parametrize("no_proxy", ["*", "127.0.0.1", "x, 127.0.0.1", "127.0.0.1:{port}"])
def test_a_proxy_is_left_out_where_it_is_said(
    asks: str, no_proxy: str, aws: pytest.MonkeyPatch, server: SmallS3
) -> None:
    aws.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    aws.setenv("NO_PROXY", no_proxy.format(port=server.url.rpartition(":")[2]))
    ways_to_ask(server.url)[asks]()


@pytest.mark.parametrize(
    ("proxy", "told"),
    [
        ("socks5://h:1", "socks5"),
        ("https://h:1", "https"),
        ("http://h:port", "no URL"),
        ("http://u:hun/ter2@:1", "no URL"),
        ("http://h h", "no URL"),
    ],
)
@pytest.mark.parametrize("asks", ASKS)
def test_a_proxy_that_cannot_be_used_is_refused_without_its_secrets(
    asks: str, proxy: str, told: str, aws: pytest.MonkeyPatch
) -> None:
    aws.setenv("HTTPS_PROXY", proxy)
    with pytest.raises(ConfigError, match=rf"HTTPS_PROXY.*{told}") as caught:
        ways_to_ask("https://store.example")[asks]()
    assert "ter2" not in str(caught.value)


@pytest.mark.parametrize(("status", "told"), [(407, "asks for a login"), (403, "does not let through")])
@pytest.mark.parametrize("asks", ASKS)
def test_a_proxy_that_makes_no_way_is_told_at_once(
    asks: str, status: int, told: str, aws: pytest.MonkeyPatch, server: SmallS3
) -> None:
    """The server knows no CONNECT, which is answered with 501: so it is given what to answer."""
    aws.setenv("HTTPS_PROXY", server.url)
    server.connect_status = status
    with pytest.raises(PenstockError, match=told):
        ways_to_ask("https://store.example")[asks]()
    assert server.num_connects == 1


@pytest.mark.parametrize(
    ("no_proxy", "is_straight"),
    [
        ("", False),
        ("*", True),
        ("example.org", True),
        (".example.org", True),
        ("s3.example.org", True),
        ("s3.example.org:443", True),
        ("s3.example.org:80", False),
        ("ample.org", False),
        ("other, s3.example.org", True),
    ],
)
def test_which_hosts_are_left_out(no_proxy: str, is_straight: bool, aws: pytest.MonkeyPatch) -> None:
    aws.setenv("HTTPS_PROXY", "http://p:3128")
    aws.setenv("NO_PROXY", no_proxy)
    assert (proxy_for("https", "s3.example.org", 443) is None) == is_straight
    assert proxy_for("http", "s3.example.org", 80) is None
