"""What is taken as a URL, and what is refused because records would show it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import ConfigError
from penstock.manifest import SourceSpec
from penstock.urls import check_endpoint, check_location, expand_home, local_path, refuse_secrets

SECRETS = [
    "https://user:hunter2@host",
    "https://user:hun/ter2@host",
    "https://hunter2@host/x",
    "http://host:9000/x?X-Amz-Signature=hunter2",
    "https://host/?token=hunter2",
    "https://host/?sig=hunter2",
    "s3://AKIAKEY:hunter2@bucket/prefix",
    "s3://AKIAKEY:hun/ter2@bucket/prefix",
    "s3://AKIAKEY:hunter2/prefix",
    "s3://hunter2@bucket/prefix",
    "S3://AKIAKEY:hunter2@bucket",
    "s3://bucket/key?X-Amz-Signature=hunter2&X-Amz-Date=1",
    "s3://bucket/key?AWSAccessKeyId=AKID&Signature=hunter2",
    "hf://hf_hunter2hunter2hunter2x@datasets/x",
    "ftp://u:hunter2@host",
    "https://AKIAKEY%3Ahunter2%40host",
    "https://AKIAKEY:hunter2%40host:9000",
    "https://AKIAKEY%3Ahun/ter2%40host",
    "https://AKIAKEY%253Ahunter2%2540host",
    "s3://AKIAKEY%3Ahunter2@bucket",
]


@pytest.mark.parametrize("url", SECRETS)
def test_secrets_in_a_url_are_refused_and_not_shown(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        refuse_secrets(url, "--source")
    assert "--source" in str(caught.value)
    assert "environment" in str(caught.value)
    assert "hunter2" not in str(caught.value).replace("/", "")
    assert "ter2" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["s3://bucket", "s3://bucket/a@b/c:d", "s3://bucket/what?#%41", "/folder/with:user@x", "rel/a@b", "C:\\x@y", ""],
)
def test_what_holds_none_is_taken_as_it_is(url: str) -> None:
    assert refuse_secrets(url, "--source") == url


@pytest.mark.parametrize("url", SECRETS)
def test_no_spec_of_a_source_holds_a_secret_however_it_is_made(url: str) -> None:
    for values in ({"uri": url}, {"uri": "s3://bucket", "options": {"endpoint_url": url}}):
        with pytest.raises(ConfigError):
            SourceSpec(**values)  # type: ignore[arg-type]
        with pytest.raises(ConfigError):
            msgspec.json.decode(msgspec.json.encode(values), type=SourceSpec)


@pytest.mark.parametrize(
    ("url", "plain"),
    [
        ("http://127.0.0.1:9000", "http://127.0.0.1:9000"),
        ("HTTPS://Minio.Example.ORG/", "https://minio.example.org"),
        ("http://[::1]:9000//", "http://[::1]:9000"),
        ("https://host/s3/", "https://host/s3"),
        ("http://under_score:1", "http://under_score:1"),
        ("http://host.docker.internal.:9000", "http://host.docker.internal.:9000"),
    ],
)
def test_an_endpoint_comes_in_its_plain_form(url: str, plain: str) -> None:
    assert check_endpoint(url, "--endpoint-url") == plain


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("127.0.0.1:9000", "no scheme"),
        ("minio", "no scheme"),
        ("", "no scheme"),
        ("//host:9000", "no scheme"),
        ("ftp://host", "scheme"),
        ("s3://host", "scheme"),
        ("http://", "no host"),
        ("http://:9000", "no host"),
        ("http:///bucket", "no host"),
        ("http://host:port", "no URL"),
        ("http://host:99999", "no URL"),
        ("http://host:-1", "no URL"),
        ("http://host:0", "port"),
        ("http://host:", "port"),
        ("http://[::1", "no URL"),
        ("http://[zz]", "no URL"),
        ("http://hóst", "character"),
        ("http://ho st", "character"),
        ("http://host\n", "character"),
        ("http://host\x00", "character"),
        (" http://host", "character"),
        ("http://-host", "cannot be"),
        ("http://a..b", "cannot be"),
        ("http://" + "a" * 64, "cannot be"),
        ("http://host?x=1", "query"),
        ("http://host/#x", "query"),
        ("http://host/a/../b", "path"),
        ("http://host/a//b", "path"),
        ("http://host/<x>", "path"),
        ("http://host\\x", "cannot be"),
    ],
)
def test_what_is_no_endpoint_is_refused_in_words(url: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        check_endpoint(url, "--endpoint-url")


@given(st.text(max_size=30) | st.text("htps:/.[]@?#%0123456789a-\\ ", max_size=30).map(lambda text: f"http://{text}"))
def test_any_text_is_either_taken_or_refused(url: str) -> None:
    try:
        plain = check_endpoint(url, "--endpoint-url")
    except ConfigError:
        return
    assert check_endpoint(plain, "--endpoint-url") == plain


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("s3:/bucket/a", "s3://bucket/a"),
        ("S3:/bucket", "S3://bucket"),
        ("https:/host/x", "https://host/x"),
        ("file:/data", "file:///data"),
        ("s3:/", "s3://"),
        ("s3:bucket/x", "s3://bucket/x"),
        ("S3:bucket", "S3://bucket"),
        ("gs:bucket/x", "gs://bucket/x"),
        ("hf:datasets/org/name", "hf://datasets/org/name"),
        ("http:host/x", "http://host/x"),
        ("file:data", "file:///data"),
        ("file:", "file:///"),
        ("s3:", "s3://"),
        ("s3:AKIAKEY:hunter2@bucket/x", "s3://…"),
        ("s3:/AKIAKEY:hunter2@bucket/x", "s3://…"),
        ("s3:/AKIAKEY:hunter2/x", "s3://…"),
        ("s3:/AKIAKEY%3Ahunter2%40bucket", "s3://…"),
        ("git+x.y-z:/a?token=hunter2", "git+x.y-z://…"),
    ],
)
def test_a_uri_without_its_slashes_is_no_path(text: str, meant: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_location(text, "--source")
    assert f"did you mean {meant}?" in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "text", ["s3://b/a", "file:///x", "./s3:/b", "./s3:b", "a/s3:/b", "s3", "s3x:b", "./~x", "a:b", "1:/x", "/x"]
)
def test_locations_that_are_one_are_taken_as_they_are(text: str) -> None:
    assert check_location(text, "--source") == text


def test_an_empty_location_is_refused() -> None:
    with pytest.raises(ConfigError, match="is empty"):
        check_location("", "--source")


@pytest.mark.parametrize(
    "text", ["s3://AKIAKEY:hunter2@b/m", "s3:/b", "https://host", "file:///x", "x+y.z-1:/a", "s3:b/x"]
)
def test_a_uri_is_no_local_file(text: str) -> None:
    with pytest.raises(ConfigError, match="a local file or folder is wanted") as caught:
        local_path(text, "--manifest")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("text", ["~nosuchuser/x", "~nosuchuser"])
def test_a_home_that_is_not_known_is_told(text: str) -> None:
    for read in (expand_home, check_location, local_path):
        with pytest.raises(ConfigError, match="no home folder is known for '~nosuchuser'"):
            read(text, "the value")


def test_a_home_is_put_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    assert [expand_home(each, "x") for each in ("~", "~/a", "./~", "a~", "/~")] == [
        *("/home/someone", "/home/someone/a", "./~", "a~", "/~")
    ]


@pytest.mark.parametrize("name", ["s3:/b", "~x", "~"])
def test_a_local_path_that_is_named_like_another_stays_one(name: str) -> None:
    found = str(Path(local_path(f"./{name}", "--out")))
    assert found == str(Path.cwd() / name)
    assert local_path(found, "--out") == found
